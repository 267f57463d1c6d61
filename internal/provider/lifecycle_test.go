package provider_test

import (
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const (
	wrongState = "UserErrorOperationNotAllowedInCurrentState"
	deletedAt  = vaultAt + "/deletedBackupInstances/i1"
)

// protection is the state of the instance in both words of the wire.
func (w *world) protection() string {
	w.t.Helper()
	a := w.must(200, "GET", at, "")
	return a.at("properties.currentProtectionState").(string) + "/" + a.at("properties.protectionStatus.status").(string)
}

// act carries an action out to its end with azcore's poller.
func (w *world) act(path string) {
	w.t.Helper()
	a := w.must(202, "POST", path, "")
	if len(a.raw) != 0 || !strings.Contains(a.Header.Get("Azure-AsyncOperation"), "/locations/eastus/operationStatus/") ||
		!strings.Contains(a.Header.Get("Location"), "/locations/eastus/operationResults/") {
		w.t.Errorf("%s: %q %v", path, a.raw, a.Header)
	}
	w.finish()
	if _, err := poll(w, a); err != nil {
		w.t.Errorf("%s: %v", path, err)
	}
}

// refused demands a 409 with a remedy, and that nothing has changed.
func (w *world) refused(method, path, body, code, remedy string) {
	w.t.Helper()
	before := w.snapshot()
	a := w.must(409, method, path, body)
	if a.code(w.t) != code || !strings.Contains(string(a.raw), remedy) {
		w.t.Errorf("%s %s: %s, want %s and %q", method, path, a.raw, code, remedy)
	}
	if w.snapshot() != before {
		w.t.Errorf("%s %s was refused and changed something", method, path)
	}
}

// TestEveryTransition takes each once, as clients see it.
func TestEveryTransition(t *testing.T) {
	t.Parallel()
	w := protect(t)
	for _, c := range []struct{ action, state string }{
		{"stopProtection", "ProtectionStopped/ProtectionStopped"},
		{"resumeProtection", "ProtectionConfigured/ProtectionConfigured"},
		{"suspendBackups", "BackupsSuspended/BackupsSuspended"},
		{"resumeBackups", "ProtectionConfigured/ProtectionConfigured"},
		{"suspendBackups", "BackupsSuspended/BackupsSuspended"},
		{"resumeProtection", "ProtectionConfigured/ProtectionConfigured"}, // as the command line of Azure does
		{"suspendBackups", "BackupsSuspended/BackupsSuspended"},
		{"stopProtection", "ProtectionStopped/ProtectionStopped"},
	} {
		w.act(strings.ToUpper(at) + "/" + c.action) // the name keeps its spelling
		if got := w.protection(); got != c.state {
			t.Errorf("after %s: %s", c.action, got)
		}
		w.must(200, "POST", at+"/"+c.action, `{"resourceGuardOperationRequests":[]}`) // is so already
		if len(w.work()) != 0 {
			t.Errorf("%s once more started something", c.action)
		}
	}
	w.must(200, "POST", at+"/sync", "")
	if a := w.must(200, "GET", at, ""); a.at("id") != at {
		t.Errorf("id %v", a.at("id"))
	}
}

// TestForbiddenTransitions: each is refused with what has to be done first.
func TestForbiddenTransitions(t *testing.T) {
	t.Parallel()
	w := protect(t)
	changed := strings.Replace(testdata(t, "instance.json"), `["test"]`, `["test","more"]`, 1)
	modify := strings.Replace(changed, `{"properties":`, `{"backupInstance":`, 1)
	w.act(at + "/stopProtection")
	for path, body := range map[string]string{"suspendBackups": "", "resumeBackups": "", "backup": backupBody, "validateForModifyBackup": modify} {
		w.refused("POST", at+"/"+path, body, wrongState, "Resume protection (resumeProtection) first.")
	}
	w.refused("PUT", at, changed, wrongState, "Resume protection")
	w.must(200, "PUT", at, testdata(t, "instance.json")) // asks for nothing new
	w.act(at + "/resumeProtection")
	w.act(at + "/suspendBackups")
	w.refused("POST", at+"/backup", backupBody, wrongState, "Resume backups")
	w.refused("PUT", at, changed, wrongState, "Resume backups")
	w.act(at + "/resumeBackups")

	w.must(200, "PUT", at, changed)
	for _, action := range []string{"stopProtection", "suspendBackups", "resumeProtection", "resumeBackups"} {
		w.refused("POST", at+"/"+action, "", wrongState, "Wait for the running operation")
	}
	w.refused("DELETE", at, "", wrongState, "Wait for the running operation")
	w.finish()
	w.must(202, "DELETE", at, "")
	for _, action := range []string{"stopProtection", "suspendBackups", "resumeProtection", "resumeBackups"} {
		w.refused("POST", at+"/"+action, "", wrongState, "Wait for the running operation")
	}
	w.must(200, "POST", at+"/sync", "") // nothing failed
	w.finish()
	w.must(404, "POST", at+"/stopProtection", "")
}

// TestSnapshotGroupCannotBeModified: once assigned at configuration it stays.
func TestSnapshotGroupCannotBeModified(t *testing.T) {
	t.Parallel()
	w := protect(t)
	other := edit{"/resourceGroups/snapshotrg", "/resourceGroups/rg"}.apply(t, testdata(t, "instance.json"))
	for method, path := range map[string]string{"PUT": at, "POST": at + "/validateForModifyBackup"} {
		body := other
		if method == "POST" {
			body = strings.Replace(other, `{"properties":`, `{"backupInstance":`, 1)
		}
		if a := w.must(400, method, path, body); a.code(t) != "UserErrorSnapshotResourceGroupCannotBeChanged" || !strings.Contains(string(a.raw), "recommendedAction\":[\"") {
			t.Errorf("%s: %s", method, a.raw)
		}
	}
}

// TestChangePolicy: the instance goes to another policy; what there is keeps the
// retention it was taken under.
func TestChangePolicy(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.must(200, "PUT", vaultAt+"/backupPolicies/other", testdata(t, "policy.json"))
	body := strings.Replace(testdata(t, "instance.json"), "backupPolicies/akspolicy", "backupPolicies/other", 1)
	before := w.must(200, "GET", at+"/recoveryPoints/"+pointName, "")
	a := w.must(200, "PUT", at, body)
	if a.Header.Get("Azure-AsyncOperation") == "" {
		t.Errorf("%v", a.Header)
	}
	w.finish()
	if got, err := poll(w, a); err != nil || !strings.HasSuffix(got["properties"].(map[string]any)["policyInfo"].(map[string]any)["policyId"].(string), "/other") {
		t.Errorf("%v, %v", got, err)
	}
	if after := w.must(200, "GET", at+"/recoveryPoints/"+pointName, ""); string(after.raw) != string(before.raw) {
		t.Errorf("the recovery point was\n%s and is\n%s", before.raw, after.raw)
	}
	if a := w.must(200, "PUT", at, body); a.Header.Get("Azure-AsyncOperation") != "" {
		t.Error("an unchanged PUT started something")
	}
	w.must(200, "DELETE", policyAt, "") // nobody uses it any more
}

// TestResumeNeedsWhatItNames: an instance may have lost its snapshot group, or
// its place to another one, while it was stopped.
func TestResumeNeedsWhatItNames(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.act(at + "/stopProtection")
	w.update(func(tx catalog.Tx) error {
		return inventory.ResourceGroups.Delete(tx, sub+"/resourceGroups/snapshotrg")
	})
	if a := w.must(400, "POST", at+"/resumeProtection", ""); a.code(t) != "UserErrorSnapshotResourceGroupNotFound" {
		t.Errorf("%s", a.raw)
	}
	if got := w.protection(); got != "ProtectionStopped/ProtectionStopped" {
		t.Errorf("%s", got)
	}
}

// TestResumeMendsAProtectionError: it is configured once more.
func TestResumeMendsAProtectionError(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.must(200, "PUT", at, strings.Replace(testdata(t, "instance.json"), `["test"]`, `["more"]`, 1))
	w.work()
	w.fail(backup.NewProblem(backup.CodeExtensionUnhealthy, clusterAt, "ill"))
	if got := w.protection(); got != "ProtectionError/ConfiguringProtectionFailed" {
		t.Errorf("%s", got)
	}
	w.act(at + "/resumeProtection")
	if got := w.protection(); got != "ProtectionConfigured/ProtectionConfigured" {
		t.Errorf("%s", got)
	}
}

// TestSoftDelete: what was in the vault can be undeleted, with its recovery
// points, and then resumed.
func TestSoftDelete(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.vaultPoint()
	w.must(404, "GET", deletedAt, "")
	a := w.must(202, "DELETE", at, "")
	if got := w.protection(); got != "SoftDeleting/SoftDeleting" {
		t.Errorf("while it goes: %s", got)
	}
	w.finish()
	if _, err := poll(w, a); err != nil {
		t.Error(err)
	}
	w.must(404, "GET", at, "")
	w.must(404, "GET", at+"/recoveryPoints", "")
	w.must(404, "GET", at+"/recoveryPoints/"+pointName, "")
	w.must(204, "DELETE", at, "")

	d := w.must(200, "GET", deletedAt, "")
	for path, want := range map[string]any{
		"name": "i1", "type": "Microsoft.DataProtection/backupVaults/deletedBackupInstances", "id": deletedAt,
		"properties.objectType": "BackupInstance", "properties.currentProtectionState": "SoftDeleted",
		"properties.protectionStatus.status": "SoftDeleted", "properties.dataSourceInfo.resourceID": clusterAt,
		"properties.deletionInfo.deletionTime":       "2026-01-12T06:00:00.0000000Z",
		"properties.deletionInfo.scheduledPurgeTime": "2026-01-26T06:00:00.0000000Z",
	} {
		if got := d.at(path); got != want {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	}
	if id, _ := d.at("properties.deletionInfo.deleteActivityID").(string); len(id) != 36 || d.at("properties.deletionInfo.billingEndDate") == nil {
		t.Errorf("%s", d.raw)
	}
	if list := w.must(200, "GET", vaultAt+"/deletedBackupInstances", "").at("value").([]any); len(list) != 1 {
		t.Errorf("%v", list)
	}

	// Nothing that it would need again can go, and nothing takes its name.
	w.refused("PUT", at, testdata(t, "instance.json"), "UserErrorBackupInstanceIsSoftDeleted", "Undelete it")
	w.refused("DELETE", policyAt, "", "UserErrorPolicyHasProtectedItems", "2026-01-26")
	w.refused("DELETE", vaultAt, "", "UserErrorVaultHasProtectedItems", "deleted instances")

	if a := w.do("operator", "POST", deletedAt+"/undelete", ""); a.StatusCode != 403 {
		t.Errorf("an operator undeletes: %d", a.StatusCode)
	}
	if a := w.do("contributor", "GET", deletedAt, ""); a.StatusCode != 200 {
		t.Errorf("a contributor reads: %d", a.StatusCode)
	}
	w.act(deletedAt + "/undelete")
	if got := w.protection(); got != "ProtectionStopped/ProtectionStopped" {
		t.Errorf("undeleted: %s", got)
	}
	w.must(404, "GET", deletedAt, "")
	w.must(404, "POST", deletedAt+"/undelete", "")
	w.must(200, "GET", at+"/recoveryPoints/"+pointName, "")
	w.act(at + "/resumeProtection")
	if got := w.protection(); got != "ProtectionConfigured/ProtectionConfigured" {
		t.Errorf("resumed: %s", got)
	}
}

// TestOperationalTierIsNotSoftDeleted: without data in the vault, or with soft
// delete off, nothing is left that could be undeleted.
func TestOperationalTierIsNotSoftDeleted(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*world){
		"operational only": func(*world) {},
		"soft delete off": func(w *world) {
			w.vaultPoint()
			w.update(func(tx catalog.Tx) error {
				v, err := inventory.Vaults.Get(tx, vaultAt)
				if err == nil {
					v.SoftDelete.State = "Off"
					err = inventory.Vaults.Put(tx, v)
				}
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := protect(t)
			prepare(w)
			w.must(202, "DELETE", at, "")
			w.finish()
			w.must(404, "GET", at, "")
			if list := w.must(200, "GET", vaultAt+"/deletedBackupInstances", "").at("value").([]any); len(list) != 0 {
				t.Errorf("%v", list)
			}
			w.must(201, "PUT", at, testdata(t, "instance.json"))
		})
	}
}

// TestImmutableVaultRefusesDeletion until its recovery points have expired.
func TestImmutableVaultRefusesDeletion(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.vaultPoint()
	w.must(200, "PATCH", vaultAt, `{"properties":{"securitySettings":{"immutabilitySettings":{"state":"Unlocked"}}}}`)
	w.refused("DELETE", at, "", "UserErrorImmutableVaultDeleteNotAllowed", "Stop protection instead")
	w.clock.Advance(91 * 24 * time.Hour)
	w.must(202, "DELETE", at, "")
}

// TestUndeletedBesideAnother: the data comes back; protection goes on when the
// other instance of the same cluster and policy is gone.
func TestUndeletedBesideAnother(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.vaultPoint()
	w.must(202, "DELETE", at, "")
	w.finish()
	w.must(201, "PUT", vaultAt+"/backupInstances/i2", testdata(t, "instance.json"))
	w.finish()
	w.act(deletedAt + "/undelete")
	w.refused("POST", at+"/resumeProtection", "", "UserErrorDatasourceAlreadyProtectedWithPolicy", "Use another policy")
	w.must(202, "DELETE", vaultAt+"/backupInstances/i2", "")
	w.finish()
	w.act(at + "/resumeProtection")
}
