package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/rescue/rescuetest"
	"holdfast.dev/holdfast/internal/workflow"
)

func TestRescueCommand(t *testing.T) {
	const vault, uid = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v", "00112233445566778899aabbccddeeff"
	kept := backup.Keepsake{Vault: backup.Vault{Meta: backup.Meta{ID: vault, Location: "here"}, UID: "ffeeddccbbaa99887766554433221100"},
		Instance: backup.Instance{Meta: backup.Meta{ID: vault + "/backupInstances/shop"}, UID: uid, SnapshotGroupID: "/subscriptions/s/resourceGroups/g"}}
	text, err := kept.Encode()
	if err != nil {
		t.Fatal(err)
	}
	bucket := rescuetest.New(t)
	m := rescuetest.Manifest("aa000000000000000000000000000001", kept.Instance.ID, time.Now(), "shop")
	m.Facts[agentv1.FactKept] = text
	rescuetest.Write(t, bucket.Repository(t, workflow.VaultPrefix(&kept.Vault, uid), uid, workflow.VaultKeyName(uid)), rescuetest.Content{Manifest: m})

	data := filepath.Join(t.TempDir(), "data")
	run := func(args ...string) (string, string, error) {
		return holdfastd(append([]string{"rescue", "--data-dir", data, "--vault-store", bucket.URL()}, args...)...)
	}
	if _, errs, err := run("--dry-run"); err == nil || !strings.Contains(errs, "put the copy of the key file back") {
		t.Errorf("without a key: %v %s", err, errs)
	}
	key := "--key-provider=file://" + bucket.KeyFile
	for _, step := range []struct{ flag, want string }{
		{"--dry-run", "1 recovery points to be made, 0 there already"},
		{"--merge=false", "made    instance        " + kept.Instance.ID},
		{"--merge=false", "0 recovery points made, 1 there already"},
	} {
		out, errs, err := run(key, step.flag)
		if err != nil || !strings.Contains(out, step.want) || !strings.Contains(out, "connect it again") {
			t.Errorf("%s: %v %s\n%s", step.flag, err, errs, out)
		}
	}
	if _, err := os.Stat(filepath.Join(data, "kek")); err == nil {
		t.Error("a key file was made")
	}
}
