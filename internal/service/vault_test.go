package service_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// A backup goes into the vault through the gate, is restored from there when the
// operational container is gone, and leaves nothing when its instance is deleted.
func TestVaultLoop(t *testing.T) {
	t.Parallel()
	w, cluster := protectedWorld(t)
	w.deleteAtOnce()
	w.vaultPolicy()
	w.refused("UserErrorVaultMSIMissingPermissions", http.MethodPost, w.instance+"/validateForModifyBackup", object{"backupInstance": w.instanceBody()})
	identity := principal(w.must(http.MethodGet, w.vault, nil))
	w.assign("7efff54f-a5b4-42b5-a1c5-5411624893ce", identity, w.group+"x")
	w.assign("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", identity, w.account)
	w.protect()

	job := w.jobOf(w.must(http.MethodPost, w.instance+"/backup", object{"backupRuleOptions": object{"ruleName": "BackupHourly",
		"triggerOption": object{"retentionTagOverride": "Vault"}}}))
	if job["status"] != "Completed" || len(job["extendedInfo"].(object)["subTasks"].([]any)) != 2 {
		t.Fatalf("backup job = %v", job)
	}
	point := w.points()[0]
	if stores := w.must(http.MethodGet, w.instance+"/recoveryPoints/"+point, nil)["properties"].(object)["recoveryPointDataStoresDetails"].([]any); len(stores) != 2 {
		t.Fatalf("stores = %v", stores)
	}

	box := filepath.Join(w.dir, "storage", "operational", "prod")
	if err := os.Rename(box, box+"-away"); err != nil {
		t.Fatal(err)
	}
	body := w.restoreBody(point)
	body["sourceDataStoreType"] = "VaultStore"
	w.must(http.MethodPost, w.instance+"/validateRestore", object{"restoreRequestObject": body})
	job = w.jobOf(w.must(http.MethodPost, w.instance+"/restore", body))
	if job["status"] != "Completed" || job["sourceDataStoreType"] != "VaultStore" || len(cluster.restored) != 1 {
		t.Fatalf("restore job = %v, cluster restored %v", job, cluster.restored)
	}
	checkNothingInClear(t, w.dir, cluster.keys)

	if err := os.Rename(box+"-away", box); err != nil {
		t.Fatal(err)
	}
	w.must(http.MethodDelete, w.instance, nil)
	for end := time.Now().Add(patience); len(files(t, filepath.Join(w.dir, "vaults"))) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("left in the vault: %v", files(t, filepath.Join(w.dir, "vaults")))
		}
	}
	if n := cluster.count(agentv1.KindDeleteRecoveryPoint); n != 1 {
		t.Fatalf("the cluster deleted %d recovery points, want 1", n)
	}
}

// vaultedPolicy is a policy with one more retention rule, for the vault alone.
func vaultedPolicy(policy object) object {
	properties := policy["properties"].(object)
	store := object{"dataStoreType": "VaultStore", "objectType": "DataStoreInfoBase"}
	properties["policyRules"] = append(properties["policyRules"].([]any), object{"name": "Vault", "objectType": "AzureRetentionRule", "isDefault": false,
		"lifecycles": []any{object{"sourceDataStore": store, "deleteAfter": object{"objectType": "AbsoluteDeleteOption", "duration": "P90D"}}}})
	return properties
}

// files lists what is stored below a folder.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			names = append(names, path)
		}
		return nil // what vanishes meanwhile is not there
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// vaultPolicy puts the instance under a policy that copies into the vault.
func (w *world) vaultPolicy() {
	w.t.Helper()
	w.must(http.MethodPut, w.policy+"-vaulted", object{"properties": vaultedPolicy(w.must(http.MethodGet, w.policy, nil))})
	w.policy += "-vaulted"
}

// protectVaulted protects the instance so, with the roles that this takes.
func (w *world) protectVaulted() {
	w.t.Helper()
	w.vaultPolicy()
	w.vaultRoles()
	w.protect()
}
