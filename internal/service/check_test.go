package service_test

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
)

// check returns the findings about a data directory at a moment, by what was
// looked at; of several about the same, the last.
func check(t *testing.T, dir string, now time.Time) map[string]service.Finding {
	t.Helper()
	found := map[string]service.Finding{}
	for _, f := range service.Check(t.Context(), service.Options{DataDir: dir, Clock: clock.NewManual(now)}) {
		found[f.Check] = f
	}
	return found
}

func TestCheckBesideARunningService(t *testing.T) {
	w, _ := protectedWorld(t)
	found := check(t, w.dir, time.Now())
	for _, name := range []string{"database", "schema", "key file", "repository keys", "sealed secrets", "certificate", "agent authority", "store prod"} {
		if found[name].Result != service.OK {
			t.Errorf("%s: %+v", name, found[name])
		}
	}
	if got := found["repository keys"].Detail + ", " + found["sealed secrets"].Detail; got != "1 readable, 2 readable" {
		t.Error(got)
	}
}

// Everything that may go wrong is seen, named and told apart.
func TestCheckFinds(t *testing.T) {
	w := newWorld(t)
	w.must(http.MethodPut, w.group, object{"location": "local"})
	for name, url := range map[string]string{"": "", "azure": "https://127.0.0.1:1"} {
		properties := object{}
		if url != "" {
			properties["holdfastStore"] = object{"url": url, "accountName": "azure", "accountKey": storeKey}
		}
		w.must(http.MethodPut, w.account+name, object{"location": "local", "kind": "StorageV2", "sku": object{"name": "Standard_LRS"}, "properties": properties})
	}
	w.must(http.MethodPut, w.container, object{"properties": object{}})
	w.stop()
	cases := map[string]struct {
		spoil  func(dir string) error
		later  time.Duration
		check  string
		result service.Result
		detail string
	}{
		"no data":              {func(dir string) error { return os.RemoveAll(dir) }, 0, "database", service.Problem, "--data-dir"},
		"no key file":          {remove("kek"), 0, "key file", service.Problem, "put the copy back"},
		"key file for all":     {func(dir string) error { return os.Chmod(filepath.Join(dir, "kek"), 0o644) }, 0, "key file", service.Warning, "chmod 600"},
		"another key file":     {overwrite("kek", strings.Repeat("k", 32)), 0, "sealed secrets", service.Problem, "storageaccounts/operationalazure"},
		"damaged key file":     {overwrite("kek", "short"), 0, "key file", service.Problem, "5 bytes"},
		"not a database":       {overwrite("catalog.db", strings.Repeat("nonsense", 1000)), 0, "database", service.Problem, "not a database"},
		"older schema":         {execute(`DELETE FROM goose_db_version WHERE version_id > 0`), 0, "schema", service.Problem, "holdfastd migrate"},
		"newer schema":         {execute(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`), 0, "schema", service.Problem, "newer program"},
		"older job engine":     {execute(`DELETE FROM river_migration WHERE version = (SELECT max(version) FROM river_migration)`), 0, "schema", service.Problem, "holdfastd migrate"},
		"vault store gone":     {remove("vaults"), 0, "vault store", service.Problem, "put it back"},
		"vault store is well":  {nil, 0, "vault store", service.OK, "overwrites nothing"},
		"store gone":           {remove("storage"), 0, "store prod", service.Problem, "does not exist"},
		"certificate ends":     {nil, 360 * 24 * time.Hour, "certificate", service.Warning, "restart the service"},
		"certificate ended":    {nil, 400 * 24 * time.Hour, "certificate", service.Problem, "ended on"},
		"clock is wrong":       {nil, -24 * time.Hour, "certificate", service.Problem, "clock"},
		"no certificate":       {remove("tls"), 0, "certificate", service.Problem, "tls.crt"},
		"all is well":          {nil, 0, "store prod", service.OK, "reachable, empty"},
		"agent authority ends": {nil, 11 * 365 * 24 * time.Hour, "agent authority", service.Problem, "connect every cluster again"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(w.dir)); err != nil {
				t.Fatal(err)
			}
			for _, private := range []string{"kek", "tls/tls.key"} { // CopyFS does not keep modes
				if err := os.Chmod(filepath.Join(dir, private), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.spoil != nil {
				if err := c.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			got := check(t, dir, time.Now().Add(c.later))[c.check]
			if got.Result != c.result || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%+v, want %s with %q", got, c.result, c.detail)
			}
			if strings.Contains(got.Detail, storeKey) {
				t.Error("the finding tells a secret")
			}
			for _, made := range []string{"kek", "catalog.db"} {
				if _, err := os.Stat(filepath.Join(dir, made)); err == nil && (name == "no data" || name == "no key file" && made == "kek") {
					t.Errorf("the check made %s", made)
				}
			}
		})
	}
}

func remove(name string) func(string) error {
	return func(dir string) error { return os.RemoveAll(filepath.Join(dir, name)) }
}

func overwrite(name, content string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600) }
}

func execute(statement string) func(string) error {
	return func(dir string) error {
		db, err := sql.Open("sqlite", filepath.Join(dir, "catalog.db"))
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.ExecContext(context.Background(), statement)
		return err
	}
}
