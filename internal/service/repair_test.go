package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// flipPacks damages every pack below a folder.
func flipPacks(t *testing.T, folder string) {
	t.Helper()
	for _, pack := range files(t, folder) {
		if !strings.Contains(pack, "/packs/") {
			continue
		}
		data, err := os.ReadFile(pack)
		if err != nil {
			t.Fatal(err)
		}
		data[40] ^= 1
		if err := errors.Join(os.Chmod(pack, 0o600), os.WriteFile(pack, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// vaultStore is what the API tells of a recovery point in the vault.
func (w *world) vaultStore(point string) object {
	w.t.Helper()
	p := w.must(http.MethodGet, w.instance+"/recoveryPoints/"+point, nil)["properties"].(object)
	for _, s := range p["recoveryPointDataStoresDetails"].([]any) {
		if s := s.(object); s["type"] == "VaultStore" {
			return s
		}
	}
	w.t.Fatalf("recovery point %s is not in the vault: %v", point, p)
	return nil
}

func (w *world) fromVault(point string) object {
	body := w.restoreBody(point)
	body["sourceDataStoreType"] = "VaultStore"
	body["restoreTargetInfo"].(object)["restoreCriteria"].([]any)[0].(object)["objectType"] = "KubernetesClusterVaultTierRestoreCriteria"
	return body
}

// What verification finds is marked and refused; what the replica has is brought back;
// and when both are damaged the loss is named, and stays marked.
func TestVaultRepair(t *testing.T) {
	t.Parallel()
	w, _, _, folder := replicatedWorld(t)
	point := w.vaulted()
	w.awaitReplica(point)
	vaults := filepath.Join(w.dir, "vaults")
	flipPacks(t, vaults)
	w.failedJob("UserErrorVaultDamaged", w.vault+"/verify", object{"backupInstanceName": "shop", "data": "all"})
	if damage, _ := w.vaultStore(point)["holdfastDamage"].(object); damage["code"] != "UserErrorVaultDataDamaged" || damage["objects"] != true {
		t.Errorf("damage = %v", damage)
	}
	w.refused("UserErrorRecoveryPointDamaged", http.MethodPost, w.instance+"/validateRestore", object{"restoreRequestObject": w.fromVault(point)})
	w.refused("UserErrorRecoveryPointDamaged", http.MethodPost, w.instance+"/restore", w.fromVault(point))

	plan := w.jobOf(w.must(http.MethodPost, w.vault+"/repair", object{"backupInstanceName": "shop", "dryRun": true}))
	if text := fmt.Sprint(plan["extendedInfo"].(object)["additionalDetails"]); plan["status"] != "Completed" || !strings.Contains(text, "blocks are stored again") {
		t.Errorf("plan = %v", plan)
	}
	job := w.jobOf(w.must(http.MethodPost, w.vault+"/repair", object{"backupInstanceName": "shop"}))
	if job["status"] != "Completed" || job["operation"] != "Repair" || w.vaultStore(point)["holdfastDamage"] != nil {
		t.Errorf("job = %v, store = %v", job, w.vaultStore(point))
	}
	if job := w.jobOf(w.must(http.MethodPost, w.vault+"/verify", object{"data": "all"})); job["status"] == "Failed" {
		t.Errorf("job = %v", job)
	}
	w.must(http.MethodPost, w.instance+"/validateRestore", object{"restoreRequestObject": w.fromVault(point)})

	flipPacks(t, vaults) // those given up are well again now, and what took their place is not
	flipPacks(t, folder)
	for _, pack := range files(t, vaults) {
		if strings.Contains(pack, "/packs/") {
			if err := os.Remove(pack); err != nil {
				t.Fatal(err)
			}
		}
	}
	job = w.jobOf(w.must(http.MethodPost, w.vault+"/repair", object{}))
	raw, _ := json.Marshal(job["extendedInfo"].(object)["warningDetails"])
	if job["status"] != "CompletedWithWarnings" || !strings.Contains(string(raw), "recoveryPoints/"+point+" objects") || !strings.Contains(string(raw), "recoveryPoints/"+point+" objects in west") {
		t.Errorf("job = %v", job)
	}
	w.refused("UserErrorRecoveryPointDamaged", http.MethodPost, w.instance+"/restore", w.fromVault(point))
}
