package provider_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// vaultPoint enters the world's recovery point into the vault, without one of
// its volumes.
func (w *world) vaultPoint() {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		p, err := inventory.RecoveryPoints.Get(tx, at+"/recoveryPoints/"+pointName)
		if err != nil {
			return err
		}
		p.AddStore(backup.RecoveryStore{ID: "2", Tier: backup.TierVault, Created: w.clock.Now(), Expires: p.Time.AddDate(0, 0, 90),
			Prefix: "vaults/v/i/", Root: "ab", LeftOut: []backup.RecoveryVolume{{Namespace: "test", Claim: "big", Reason: "TooLarge"}}})
		return inventory.RecoveryPoints.Put(tx, p)
	})
}

// A vaulted recovery point shows both stores.
func TestVaultedRecoveryPoint(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.vaultPoint()
	got := w.must(200, "GET", at+"/recoveryPoints/"+pointName, "").at("properties").(map[string]any)
	stores := got["recoveryPointDataStoresDetails"].([]any)
	want := []any{
		map[string]any{"id": "1", "type": "OperationalStore", "creationTime": "2026-01-12T06:00:00.0000000Z", "expiryTime": nil, "metaData": nil,
			"state": "COMMITTED", "visible": true, "rehydrationExpiryTime": nil, "rehydrationStatus": nil},
		map[string]any{"id": "2", "type": "VaultStore", "creationTime": "2026-01-12T06:00:00.0000000Z", "expiryTime": "2026-04-12T06:00:00.0000000Z", "metaData": nil,
			"state": "COMMITTED", "visible": true, "rehydrationExpiryTime": nil, "rehydrationStatus": nil, "holdfastRoot": "ab",
			"holdfastLeftOutVolumes": []any{map[string]any{"namespace": "test", "claim": "big", "protected": false, "reasonCode": "TooLarge"}}},
	}
	if diff := cmp.Diff(want, stores); diff != "" {
		t.Errorf("stores (-want +got):\n%s", diff)
	}
	if got["expiryTime"] != nil {
		t.Errorf("the operational copy is kept, and the point expires at %v", got["expiryTime"])
	}
}

// vaultRestore turns the recorded operational restore into one from the vault.
func vaultRestore(t *testing.T, staged bool) string {
	t.Helper()
	staging := ""
	if staged {
		staging = `"stagingResourceGroupId":"/subscriptions/S/resourceGroups/staging","stagingStorageAccountId":"/subscriptions/S/resourceGroups/staging/providers/Microsoft.Storage/storageAccounts/stg",`
	}
	return strings.NewReplacer(`"OperationalStore"`, `"VaultStore"`, `"KubernetesClusterRestoreCriteria",`, `"KubernetesClusterVaultTierRestoreCriteria",`+staging).
		Replace(testdata(t, "restore.json"))
}

// A restore from the vault is accepted as it is documented, with places for
// staging or without, and needs rights on both clusters.
func TestRestoreFromTheVault(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.vaultPoint()
	for _, staged := range []bool{true, false} {
		validate := vaultRestore(t, staged)
		w.must(202, "POST", at+"/validateRestore", validate)
		w.finish()
		inner := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(validate), `{"restoreRequestObject":`), "}")
		w.must(202, "POST", at+"/restore", inner)
		job := w.must(200, "GET", vaultAt+"/backupJobs", "").at("value").([]any)[0].(map[string]any)["properties"].(map[string]any)
		if job["sourceDataStoreType"] != "VaultStore" || job["operation"] != "Restore" {
			t.Errorf("job: %v", job)
		}
		work := w.work()
		w.update(func(tx catalog.Tx) error {
			j, err := inventory.Jobs.Get(tx, work[0].Subject)
			if err == nil && (j.Restore.Tier != backup.TierVault || (j.Restore.StagingAccountID != "") != staged) {
				t.Errorf("request %+v", j.Restore)
			}
			return err
		})
		if a := w.do("operator", "POST", at+"/restore", inner); a.StatusCode != 403 || a.code(t) != "LinkedAuthorizationFailed" {
			t.Errorf("without a right on the clusters: %d %s", a.StatusCode, a.raw)
		}
		w.clock.Advance(1)
	}
	for name, spoil := range map[string]*strings.Replacer{
		"staging group":   strings.NewReplacer(`resourceGroups/staging",`, `resourceGroups/staging/x",`),
		"staging account": strings.NewReplacer(`storageAccounts/stg`, `disks/stg`),
		"tier":            strings.NewReplacer(`"VaultStore"`, `"ArchiveStore"`),
		"no account":      strings.NewReplacer(`"stagingStorageAccountId":"/subscriptions/S/resourceGroups/staging/providers/Microsoft.Storage/storageAccounts/stg",`, ``),
		"no group":        strings.NewReplacer(`"stagingResourceGroupId":"/subscriptions/S/resourceGroups/staging",`, ``),
		"staging in vain": strings.NewReplacer(`"VaultStore"`, `"OperationalStore"`),
	} {
		before := w.snapshot()
		if a := w.must(400, "POST", at+"/validateRestore", spoil.Replace(vaultRestore(t, true))); a.code(t) != "BMSUserErrorInvalidInput" {
			t.Errorf("%s: %s", name, a.raw)
		}
		if w.snapshot() != before {
			t.Errorf("%s: something was written", name)
		}
	}
}

// The job of a restore through a staging account tells where it lies and has a task
// of its own; the account stays as long as something is to be deleted there.
func TestStagedRestoreJob(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.vaultPoint()
	const group = "/subscriptions/S/resourceGroups/staging"
	const account = group + "/providers/Microsoft.Storage/storageAccounts/stg"
	w.must(201, "PUT", group, `{"location":"eastus"}`)
	w.must(200, "PUT", account, `{"location":"eastus","kind":"StorageV2","sku":{"name":"Standard_LRS"}}`)
	validate := strings.Replace(vaultRestore(t, true), `"includeClusterScopeResources"`, `"holdfastKeepStaging":true,"includeClusterScopeResources"`, 1)
	w.must(202, "POST", at+"/restore", strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(validate), `{"restoreRequestObject":`), "}"))
	id := w.must(200, "GET", vaultAt+"/backupJobs", "").at("value").([]any)[0].(map[string]any)["id"].(string)
	show := func(change func(*backup.Job)) (map[string]any, []any) {
		w.update(func(tx catalog.Tx) error {
			j, err := inventory.Jobs.Get(tx, id)
			if err != nil {
				return err
			}
			change(j)
			return inventory.Jobs.Put(tx, j)
		})
		info := w.must(200, "GET", id, "").at("properties").(map[string]any)["extendedInfo"].(map[string]any)
		return info["holdfastStaging"].(map[string]any), info["subTasks"].([]any)
	}
	staging, tasks := show(func(j *backup.Job) {
		if !j.Restore.KeepStaging {
			t.Error("it is not to be kept")
		}
	})
	if staging["state"] != "Waiting" || staging["containerId"] != account+"/blobServices/default/containers/holdfast-staging" || len(tasks) != 1 {
		t.Errorf("%v, %v", staging, tasks)
	}
	show(func(j *backup.Job) { j.Staging.Begun, j.Staging.Keep = w.clock.Now(), false })
	if a := w.must(409, "DELETE", account, ""); a.code(t) != "UserErrorResourceInUse" {
		t.Errorf("deleted: %s", a.raw)
	}
	w.must(400, "PUT", account, `{"location":"eastus","kind":"StorageV2","sku":{"name":"Standard_LRS"},"properties":{"holdfastStore":{"url":"s3://b","accountName":"a","accountKey":"k"}}}`)
	staging, tasks = show(func(j *backup.Job) { j.Staging.Keep = true; j.EndHydration(w.clock.Now(), 1234) })
	if staging["state"] != "Hydrated" || staging["bytes"] != 1234.0 || len(tasks) != 2 || tasks[0].(map[string]any)["taskName"] != "Hydrating" ||
		tasks[0].(map[string]any)["additionalDetails"].(map[string]any)["DataTransferredInBytes"] != "1234" {
		t.Errorf("%v, %v", staging, tasks)
	}
	if staging, _ = show(func(j *backup.Job) { j.Complete(w.clock.Now(), nil) }); staging["state"] != "Kept" {
		t.Errorf("%v", staging)
	}
	w.must(200, "DELETE", account, "") // what is kept is its owner's
}

// The two halves of a backup that is vaulted are tasks of one job.
func TestVaultingJob(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.must(202, "POST", at+"/backup", backupBody)
	id := w.must(200, "GET", vaultAt+"/backupJobs", "").at("value").([]any)[0].(map[string]any)["id"].(string)
	w.work()
	change := func(do func(*backup.Job)) map[string]any {
		w.update(func(tx catalog.Tx) error {
			job, err := inventory.Jobs.Get(tx, id)
			if err != nil {
				return err
			}
			do(job)
			return inventory.Jobs.Put(tx, job)
		})
		return w.must(200, "GET", id, "").at("properties").(map[string]any)
	}
	tasks := func(props map[string]any) (out []string) {
		for _, task := range props["extendedInfo"].(map[string]any)["subTasks"].([]any) {
			task := task.(map[string]any)
			details := task["additionalDetails"].(map[string]any)
			out = append(out, strings.Join([]string{task["taskName"].(string), task["taskStatus"].(string), details["DataTransferredInBytes"].(string)}, " "))
		}
		return out
	}
	props := change(func(j *backup.Job) {
		j.Progress.BytesDone = 7
		j.BeginVaulting(w.clock.Now(), backup.VaultDecision{Copy: true}, nil)
		j.Progress = backup.Progress{Phase: "Copying", BytesDone: 100, BytesTotal: 400}
	})
	if diff := cmp.Diff([]string{"Trigger Backup Completed 7", "Vaulting InProgress 100"}, tasks(props)); diff != "" || props["status"] != "InProgress" {
		t.Errorf("%v (-want +got):\n%s", props["status"], diff)
	}
	if d := props["extendedInfo"].(map[string]any)["additionalDetails"].(map[string]any); d["phase"] != "Copying" || d["bytesTotal"] != "400" {
		t.Errorf("details %v", d)
	}
	// Another backup need not wait until all is copied.
	w.must(202, "POST", at+"/backup", backupBody)
	w.must(202, "POST", id+"/cancel", "")
	woken := w.work()
	if last := woken[len(woken)-1]; last.Kind != backup.WorkVault || last.Subject != id {
		t.Errorf("woken: %+v", woken)
	}
	props = change(func(j *backup.Job) {
		j.MissVault(w.clock.Now(), backup.NewProblem(backup.CodeClusterNotConnected, "", "it is away"), nil)
	})
	warning := props["extendedInfo"].(map[string]any)["warningDetails"].([]any)[0].(map[string]any)
	if props["status"] != "CompletedWithWarnings" || warning["resourceName"] != "VaultStore" || warning["warning"].(map[string]any)["code"] != "UserErrorVaultCopyMissing" {
		t.Errorf("%v: %v", props["status"], warning)
	}
	if diff := cmp.Diff([]string{"Trigger Backup Completed 7", "Vaulting Failed 100"}, tasks(props)); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}
