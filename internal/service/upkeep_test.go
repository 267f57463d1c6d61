package service_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/service"
)

// deleteAtOnce lets the vault keep nothing of deleted instances.
func (w *world) deleteAtOnce() {
	w.t.Helper()
	w.must(http.MethodPut, w.vault, object{"location": "local", "identity": object{"type": "SystemAssigned"}, "properties": object{
		"storageSettings":  []any{object{"datastoreType": "VaultStore", "type": "LocallyRedundant"}},
		"securitySettings": object{"softDeleteSettings": object{"state": "Off"}}}})
}

// upkeepWorld is a world with one recovery point in the vault.
func upkeepWorld(t *testing.T) (*world, string) {
	t.Helper()
	w, _ := protectedWorld(t)
	w.deleteAtOnce()
	w.protectVaulted()
	job := w.jobOf(w.must(http.MethodPost, w.instance+"/backup", object{"backupRuleOptions": object{"ruleName": "BackupHourly",
		"triggerOption": object{"retentionTagOverride": "Vault"}}}))
	if job["status"] != "Completed" {
		t.Fatalf("backup job = %v", job)
	}
	return w, w.points()[0]
}

// failedJob is the job of an action whose operation must fail with the code.
func (w *world) failedJob(code, path string, body any) object {
	w.t.Helper()
	first, err := w.api.Do(w.t.Context(), http.MethodPost, path, apiVersion, body)
	if err != nil {
		w.t.Fatal(err)
	}
	job := ""
	_, _, err = w.api.Wait(w.t.Context(), first, func(s *client.Status) {
		if s.JobID() != "" {
			job = s.JobID()
		}
	})
	var answer *client.Error
	if !errors.As(err, &answer) || answer.Code != code || job == "" {
		w.t.Fatalf("%s: %v, job %q, want the code %s", path, err, job, code)
	}
	return w.must(http.MethodGet, job, nil)["properties"].(object)
}

// What is in a vault is verified over the public API, by a job that names what is
// damaged, and collected, after a look at what would go.
func TestVaultUpkeep(t *testing.T) {
	t.Parallel()
	w, point := upkeepWorld(t)
	job := w.jobOf(w.must(http.MethodPost, w.vault+"/verify", object{"data": "all"}))
	details := job["extendedInfo"].(object)["additionalDetails"].(object)
	if job["status"] != "Completed" || job["operationCategory"] != "Verify" || job["sourceDataStoreType"] != "VaultStore" ||
		job["vaultName"] != "main" || details["recoveryPoints"] != "1" || details["bytesRead"] == "0" {
		t.Fatalf("job = %v", job)
	}
	job = w.jobOf(w.must(http.MethodPost, w.vault+"/collect", object{"backupInstanceName": "shop", "dryRun": true}))
	if text, _ := job["extendedInfo"].(object)["additionalDetails"].(object)["shop"].(string); job["operation"] != "Collect" || !strings.Contains(text, "1 recovery points need blocks of 1 packs") {
		t.Fatalf("job = %v", job)
	}
	flipPacks(t, filepath.Join(w.dir, "vaults"))
	job = w.failedJob("UserErrorVaultDamaged", w.vault+"/verify", object{"backupInstanceName": "shop", "data": "all"})
	raw, _ := json.Marshal(job["extendedInfo"].(object)["warningDetails"])
	if job["status"] != "Failed" || !bytes.Contains(raw, []byte("UserErrorVaultDataDamaged")) || !bytes.Contains(raw, []byte("recoveryPoints/"+point+" objects")) {
		t.Fatalf("job = %v", job)
	}
	w.refused("BMSUserErrorInvalidInput", http.MethodPost, w.vault+"/verify", object{"data": "half"})
	w.refused("UserErrorGenericResourceNotFound", http.MethodPost, w.vault+"/collect", object{"backupInstanceName": "nobody"})
}

// Nothing of a deleted instance stays, neither in the vault nor in the container.
func TestDeletedInstanceLeavesNothing(t *testing.T) {
	t.Parallel()
	w, _ := upkeepWorld(t)
	box := filepath.Join(w.dir, "storage", "operational", "prod")
	if len(files(t, box)) == 0 {
		t.Fatal("there is nothing in the container")
	}
	w.must(http.MethodDelete, w.instance, nil)
	left := func() []string { return append(files(t, filepath.Join(w.dir, "vaults")), files(t, box)...) }
	for end := time.Now().Add(patience); len(left()) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("left: %q", left())
		}
	}
}

func TestCareOptionsAreChecked(t *testing.T) {
	for name, care := range map[string]service.Care{
		"too often":    {CollectEvery: time.Second},
		"negative":     {VerifyEvery: -time.Hour},
		"a share":      {Sample: 1.5},
		"what to read": {VerifyData: "half"},
	} {
		o := service.Options{DataDir: t.TempDir(), Advertise: []string{"localhost"}, Care: care}
		if s, err := service.Open(t.Context(), o); err == nil {
			_ = s.Close()
			t.Errorf("%s: it was opened", name)
		}
	}
}
