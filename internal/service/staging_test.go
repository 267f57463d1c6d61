package service_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// stagedBody is a restore from the vault through a staging account.
func (w *world) stagedBody(point string, keep bool) object {
	return w.stagedBodyIn(w.stagingAccount(), point, keep)
}

func (w *world) stagedBodyIn(account, point string, keep bool) object {
	body := w.restoreBody(point)
	body["sourceDataStoreType"] = "VaultStore"
	criteria := body["restoreTargetInfo"].(object)["restoreCriteria"].([]any)[0].(object)
	criteria["objectType"] = "KubernetesClusterVaultTierRestoreCriteria"
	criteria["stagingResourceGroupId"], criteria["stagingStorageAccountId"] = w.group+"s", account
	criteria["holdfastKeepStaging"] = keep
	return body
}

func (w *world) stagingAccount() string { return w.stagingAccountNamed("hydrated") }

func (w *world) stagingAccountNamed(name string) string {
	return w.group + "s/providers/Microsoft.Storage/storageAccounts/" + name
}

// allowStaging makes the places and gives the roles, one after the other, each of
// which is missed.
func (w *world) allowStaging(point string) {
	w.t.Helper()
	body := object{"restoreRequestObject": w.stagedBody(point, false)}
	validate := w.instance + "/validateRestore"
	w.refused("UserErrorGenericResourceNotFound", http.MethodPost, validate, body)
	w.must(http.MethodPut, w.group+"s", object{"location": "local"})
	w.refused("UserErrorGenericResourceNotFound", http.MethodPost, validate, body)
	w.must(http.MethodPut, w.stagingAccount(), object{"location": "local", "kind": "StorageV2", "sku": object{"name": "Standard_LRS"}})
	vault := principal(w.must(http.MethodGet, w.vault, nil))
	for _, role := range []struct{ id, scope string }{{"b24988ac-6180-42a0-ab88-20f7382dd24c", w.group + "s"},
		{"17d1049b-9a84-46fb-8f53-869881c3d3ab", w.stagingAccount()}, {"b7e6dc6d-f1e8-4753-8033-0f276bb0955b", w.stagingAccount()}} {
		w.refused("UserErrorVaultMSIMissingPermissions", http.MethodPost, validate, body)
		w.assign(role.id, vault, role.scope)
	}
	w.refused("UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation", http.MethodPost, validate, body)
	aks := w.must(http.MethodGet, w.extension, nil)["properties"].(object)["aksAssignedIdentity"].(object)
	w.assign("ba92f5b4-2d11-453d-a403-e96b0029c9fe", aks["principalId"].(string), w.stagingAccount())
	w.must(http.MethodPost, validate, body)
}

// "When backups are to be restored from Vault Tier, a staging resource group and
// storage account" are taken: the data is hydrated there, the extension restores from
// there through the gate, and nothing stays unless it is to be kept.
func TestFAQRestoreFromVaultTierThroughStaging(t *testing.T) {
	t.Parallel()
	w, cluster := protectedWorld(t)
	w.protectVaulted()
	point := w.vaulted()
	w.allowStaging(point)
	folder := filepath.Join(w.dir, "storage", "hydrated")

	job := w.jobOf(w.must(http.MethodPost, w.instance+"/restore", w.stagedBody(point, true)))
	staging := stagingOf(job)
	if job["status"] != "Completed" || staging["state"] != "Kept" || staging["bytes"].(float64) == 0 {
		t.Fatalf("job = %v", job)
	}
	kept := files(t, folder)
	if len(kept) == 0 || !strings.Contains(kept[0], filepath.Join("holdfast-staging", staging["prefix"].(string))) {
		t.Fatalf("kept %q at %v", kept, staging)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	// The vault goes away as soon as it was hydrated: the cluster is asked after that.
	w.loseVaultBefore(cluster)
	result := w.must(http.MethodPost, w.instance+"/restore", w.stagedBody(point, false))
	if job = w.jobOf(result); job["status"] != "Completed" || len(cluster.restorations()) != 2 {
		t.Fatalf("job = %v, restored %v", job, cluster.restorations())
	}
	tasks := job["extendedInfo"].(object)["subTasks"].([]any)
	if len(tasks) != 2 || tasks[0].(object)["taskName"] != "Hydrating" || tasks[0].(object)["taskStatus"] != "Completed" {
		t.Errorf("tasks = %v", tasks)
	}
	checkNothingInClear(t, w.dir, cluster.keys)
	await(t, "an empty staging account", func() (bool, any) { left := files(t, folder); return len(left) == 0, left })
}

func stagingOf(job object) object {
	return job["extendedInfo"].(object)["holdfastStaging"].(object)
}

// loseVaultBefore takes the vault away when the cluster is about to restore.
func (w *world) loseVaultBefore(cluster *fakeCluster) {
	vaults := filepath.Join(w.dir, "vaults", "vaults")
	cluster.mu.Lock()
	defer cluster.mu.Unlock()
	cluster.before = func(kind agentv1.Kind) error {
		if kind != agentv1.KindRestore {
			return nil
		}
		return os.Rename(vaults, vaults+"-away")
	}
}

// A service that is restarted while it hydrates, or after, ends what it began.
func TestStagedRestoreOverRestarts(t *testing.T) {
	t.Parallel()
	w, cluster := protectedWorld(t)
	w.protectVaulted()
	point := w.vaulted()
	w.allowStaging(point)
	first, err := w.api.Do(t.Context(), http.MethodPost, w.instance+"/restore", apiVersion, w.stagedBody(point, false))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.restart()
	}
	if _, _, err := w.api.Wait(t.Context(), first, nil); err != nil {
		t.Fatal(err)
	}
	if got := cluster.restorations(); len(got) != 1 {
		t.Errorf("restored %v", got)
	}
	w.restart()
	for end := time.Now().Add(patience); len(files(t, filepath.Join(w.dir, "storage", "hydrated"))) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("left: %q", files(t, filepath.Join(w.dir, "storage", "hydrated")))
		}
	}
}
