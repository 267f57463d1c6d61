package service_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/service"
	"holdfast.dev/holdfast/test/vault"
)

// All that a service has wrapped is wrapped by Vault instead, and the old key
// file thrown away: backups and restores go on, and the bucket's form says the same.
func TestRotateFromAFileToVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.furnish()
	cluster := w.connect()
	w.declareExtension()
	w.grantRoles()
	w.protect()
	w.must(http.MethodPost, w.instance+"/backup", backupBody)
	key := cluster.keys[len(cluster.keys)-1]

	v := vault.Start(t)
	v.Do("POST", "/v1/transit/keys/holdfast", "{}")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(vault.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	transit := "vault-transit://" + v.Address + "/transit/holdfast?plain=true&token-file=" + token
	o := service.Options{DataDir: w.dir, Clock: clock.System{}, KeyProvider: transit, OldKeyProviders: []string{"file://" + filepath.Join(w.dir, "kek")}}
	rotate := func(dry bool) (count map[keys.Action]int) {
		t.Helper()
		count = map[keys.Action]int{}
		if err := service.RotateKeys(t.Context(), o, dry, func(s keys.Step) { count[s.Action]++ }); err != nil {
			t.Fatal(err)
		}
		return count
	}
	w.stop()
	plan, done := rotate(true), rotate(false)
	for _, action := range []keys.Action{keys.Rewrap, keys.Publish, keys.Remove} {
		if plan[action] != done[action] || done[action] == 0 {
			t.Errorf("%s: %d planned, %d done", action, plan[action], done[action])
		}
	}
	if again := rotate(false); again[keys.Keep] == 0 || len(again) != 1 {
		t.Errorf("again: %v", again)
	}
	if err := os.Rename(filepath.Join(w.dir, "kek"), filepath.Join(t.TempDir(), "kek")); err != nil {
		t.Fatal(err)
	}
	w.options = service.Options{KeyProvider: transit}
	w.start()
	w.must(http.MethodPost, w.instance+"/restore", w.restoreBody(w.points()[0]))
	if last := cluster.keys[len(cluster.keys)-1]; !bytes.Equal(last, key) {
		t.Error("the data key has changed")
	}
	for _, finding := range service.Check(t.Context(), service.Options{DataDir: w.dir, Clock: clock.System{}, KeyProvider: transit}) {
		if strings.Contains(finding.Check, "key") && finding.Result != service.OK {
			t.Errorf("check: %+v", finding)
		}
	}
	wrappedIn(t, w.dir, "vault-transit")
}

// wrappedIn checks who wrapped the keys in the buckets.
func wrappedIn(t *testing.T, dir, by string) {
	t.Helper()
	bucket, err := filesystem.Open(filepath.Join(dir, "storage"))
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	found := 0
	for info, err := range bucket.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(info.Name, "/keys/") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, "storage", info.Name))
		if err != nil {
			t.Fatal(err)
		}
		var doc keys.Document
		if err := json.Unmarshal(content, &doc); err != nil || doc.Provider != by {
			t.Errorf("%s: wrapped by %q, %v", info.Name, doc.Provider, err)
		}
		found++
	}
	if found == 0 {
		t.Error("there is no wrapped key in any bucket")
	}
}
