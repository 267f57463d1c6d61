package service

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
)

// A file of regions that does not make sense is refused with what to do.
func TestRegionsFile(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "west.key")
	if err := os.WriteFile(key, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const east = "regions:\n- {name: east, pairedRegion: west}\n"
	for name, c := range map[string]struct{ text, says string }{
		"good":            {east + "- {name: west, replicaStore: {url: 's3://west', account: a, keyFile: " + key + "}}\n", ""},
		"empty":           {"", "no region"},
		"not YAML":        {"regions: [", "docs/guide/regions.md"},
		"unknown word":    {east + "- {name: west, replicastores: {url: 'file:///x'}}\n", "docs/guide/regions.md"},
		"no store":        {east + "- {name: west}\n", "give it one"},
		"no url":          {east + "- {name: west, replicaStore: {account: a}}\n", "has no url"},
		"no key file":     {east + "- {name: west, replicaStore: {url: 's3://west', keyFile: " + key + "x}}\n", "key of the replicaStore of west"},
		"the vaults' own": {east + "- {name: west, replicaStore: {url: 'file:///vaults/'}}\n", "a store of its own"},
	} {
		file := filepath.Join(dir, "regions.yaml")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Options{RegionsFile: file, VaultStore: "file:///vaults"}.readRegions()
		if c.says == "" {
			if at := r.stores["west"]; err != nil || at.Key != "secret" || r.PairOf("east") != "west" {
				t.Errorf("%s: %v %v", name, r.Regions, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	if _, err := (Options{RegionsFile: filepath.Join(dir, "none")}).readRegions(); err == nil {
		t.Error("a file that is not there was read")
	}
}

// The stores of replicas are checked as the store of the vaults is.
func TestCheckOfReplicas(t *testing.T) {
	dir := t.TempDir()
	file, folder := filepath.Join(dir, "regions.yaml"), filepath.Join(dir, "west")
	text := "regions:\n- {name: east, pairedRegion: west}\n- {name: west, replicaStore: {url: 'file://" + folder + "'}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func() Finding {
		c := &checker{Options: Options{DataDir: dir, RegionsFile: file}}
		c.replicas(t.Context())
		if len(c.findings) != 1 {
			t.Fatalf("findings = %v", c.findings)
		}
		return c.findings[0]
	}
	if f := look(); f.Result != Problem || f.Check != "replica store west" || !strings.Contains(f.Detail, "make it") {
		t.Errorf("a folder that is not there: %+v", f)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if f := look(); f.Result != OK {
		t.Errorf("a folder: %+v", f)
	}
}

func TestReplicationMetrics(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	store := catalogtest.NewMemory()
	const vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"
	const instance = vault + "/backupInstances/i"
	err := store.Update(t.Context(), func(tx catalog.Tx) error {
		if err := inventory.Vaults.Put(tx, &backup.Vault{Meta: backup.Meta{ID: vault}, CrossRegion: "Enabled"}); err != nil {
			return err
		}
		if err := inventory.Instances.Put(tx, &backup.Instance{Meta: backup.Meta{ID: instance}}); err != nil {
			return err
		}
		done := &backup.Replica{Meta: backup.Meta{ID: instance + "/recoveryPoints/b"}, Region: "west", Time: now.Add(-2 * time.Hour),
			Due: now.Add(-time.Hour), Done: now.Add(-59 * time.Minute)}
		if err := inventory.Replicas.Put(tx, done); err != nil {
			return err
		}
		return inventory.Replicas.Put(tx, &backup.Replica{Meta: backup.Meta{ID: instance + "/recoveryPoints/a"}, Region: "west", Time: now, Due: now.Add(-10 * time.Second)})
	})
	if err != nil {
		t.Fatal(err)
	}
	m := replicationMetrics(store, clock.NewManual(now), slog.New(slog.DiscardHandler))
	labels := `{instance="` + instance + `",region="west"} `
	want := "# HELP holdfast_replication_lag_seconds How long the newest replicated recovery point took from the vault into the paired region.\n# TYPE holdfast_replication_lag_seconds gauge\n" +
		"holdfast_replication_lag_seconds" + labels + "60\n" +
		"# HELP holdfast_replication_pending_seconds How long the first of these is on its way; more than 43200 is late.\n# TYPE holdfast_replication_pending_seconds gauge\n" +
		"holdfast_replication_pending_seconds" + labels + "10\n" +
		"# HELP holdfast_replication_rpo_seconds Age of the newest recovery point of a backup instance in the paired region: what would be lost with the first region.\n# TYPE holdfast_replication_rpo_seconds gauge\n" +
		"holdfast_replication_rpo_seconds" + labels + "7200\n"
	if err := testutil.CollectAndCompare(m, strings.NewReader(want), "holdfast_replication_lag_seconds", "holdfast_replication_pending_seconds", "holdfast_replication_rpo_seconds"); err != nil {
		t.Error(err)
	}
}
