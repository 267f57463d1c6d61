package service_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// When the file of regions names another paired region, a restart is all it takes: what
// was replicated before is replicated into the new region and listed there, and nothing
// is taken out of the store that the file has no more.
func TestThePairedRegionIsChanged(t *testing.T) {
	t.Parallel()
	w, _, regions, west := replicatedWorld(t)
	point := w.vaulted()
	w.awaitReplica(point)
	before := stamps(t, west)
	north := filepath.Join(t.TempDir(), "north")
	text := "regions:\n- name: local\n  pairedRegion: north\n- name: north\n  replicaStore:\n    url: file://" + north + "\n"
	if err := os.WriteFile(regions, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.restart() // the new store is not there yet
	await(t, "what is pending in the new region", func() (bool, any) {
		told := w.replication()
		return told["region"] == "north" && told["pending"] == 1.0 && told["newestRecoveryPointId"] == nil && told["error"] != nil, told
	})
	if err := os.Mkdir(north, 0o700); err != nil {
		t.Fatal(err)
	}
	w.restart()
	w.awaitReplica(point)
	ask := object{"sourceRegion": "local", "sourceBackupInstanceId": w.instance}
	at := w.group + "/providers/Microsoft.DataProtection/locations/"
	await(t, "the recovery point in the new region", func() (bool, any) {
		raw, err := w.try(http.MethodPost, at+"north/fetchSecondaryRecoveryPoints", ask)
		return err == nil && len(decoded(t, raw)["value"].([]any)) == 1, fmt.Sprint(string(raw), err)
	})
	w.refused("BMSUserErrorInvalidInput", http.MethodPost, at+"west/fetchSecondaryRecoveryPoints", ask)
	if after := stamps(t, west); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("in the old store: %q, before %q", after, before)
	}
}
