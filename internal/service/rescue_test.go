package service_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/rescue/rebuild"
	"holdfast.dev/holdfast/internal/service"
)

// The catalog is destroyed and rebuilt from the buckets: what must be as it was
// is, and a recovery point is restored from the vault into a new cluster.
func TestRescueOfTheCatalog(t *testing.T) {
	t.Parallel()
	w, lost := protectedWorld(t)
	w.protectVaulted()
	for _, rule := range []string{"Vault", "Default"} {
		job := w.jobOf(w.must(http.MethodPost, w.instance+"/backup", object{"backupRuleOptions": object{"ruleName": "BackupHourly",
			"triggerOption": object{"retentionTagOverride": rule}}}))
		if job["status"] != "Completed" {
			t.Fatalf("backup job = %v", job)
		}
	}
	before, subscription := w.rescuable(), w.admin.Subscription
	container := filepath.Join(w.dir, "storage", "operational", "prod")
	from := service.RescueOptions{Stores: []location.Location{{URL: "file://" + container}}}
	options := service.Options{DataDir: w.dir, Clock: clock.System{}}
	if _, err := service.Rescue(t.Context(), options, from); err == nil || !strings.Contains(err.Error(), "lock") {
		t.Fatalf("beside a running service: %v", err)
	}

	w.stop()
	for _, name := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm"} {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	dry := from
	dry.Dry = true
	planned, err := service.Rescue(t.Context(), options, dry)
	if err != nil || made(planned) != len(planned.Steps) || made(planned) < 7 {
		t.Fatalf("dry run: %+v %v", planned, err)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "catalog.db")); err == nil {
		t.Fatal("a dry run made a catalog")
	}
	done, err := service.Rescue(t.Context(), options, from)
	if err != nil || made(done) != made(planned) {
		t.Fatalf("rescue: %+v %v", done, err)
	}
	for _, told := range []string{"the protection of all is stopped", "connect it again", "create its storage account again"} {
		if !strings.Contains(strings.Join(done.Untold, "\n"), told) {
			t.Errorf("%q is not told of: %q", told, done.Untold)
		}
	}
	again, err := service.Rescue(t.Context(), options, from)
	if err != nil || made(again) != 0 || len(again.Steps) != len(done.Steps) {
		t.Fatalf("again: %+v %v", again, err)
	}

	w.start()
	w.admin.Subscription = subscription
	if state := w.must(http.MethodGet, w.instance, nil)["properties"].(object)["currentProtectionState"]; state != "ProtectionStopped" {
		t.Errorf("a rescued instance is %v", state)
	}
	if diff := cmp.Diff(before, w.rescuable()); diff != "" {
		t.Fatalf("the rebuilt catalog (+) is not the lost one (-):\n%s", diff)
	}
	w.restoreAfterRescue(t, lost)
}

func made(r service.Rescued) (count int) {
	for _, s := range r.Steps {
		if s.Made {
			count++
		}
	}
	return count
}

func (w *world) vaultRoles() {
	w.t.Helper()
	identity := principal(w.must(http.MethodGet, w.vault, nil))
	w.assign("7efff54f-a5b4-42b5-a1c5-5411624893ce", identity, w.group+"x")
	w.assign("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", identity, w.account)
}

// rescuable is what the public API shows of everything that is rebuilt, without
// what depends on the moment.
func (w *world) rescuable() map[string]any {
	w.t.Helper()
	all := map[string]any{}
	for _, id := range []string{w.group, w.group + "x", w.vault, w.policy, w.instance} {
		all[id] = stripped(w.must(http.MethodGet, id, nil))
	}
	for _, name := range w.points() {
		all[name] = stripped(w.must(http.MethodGet, w.instance+"/recoveryPoints/"+name, nil))
	}
	return all
}

// stripped removes times, versions of documents, the tenant, which is new, and what says that the instance is
// protected: it comes back stopped. The fake cluster's clock is wrong, so that its recovery points carry
// the time of their jobs.
func stripped(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for _, moment := range []string{"systemData", "etag", "eTag", "tenantId", "recoveryPointTime", "creationTime", "expiryTime", "retentionTagVersion", "recoveryPointCreationTime", "rehydrationExpiryTime", "holdfastSchedule", "currentProtectionState", "protectionStatus"} {
			delete(v, moment)
		}
		for key := range v {
			v[key] = stripped(v[key])
		}
	case []any:
		for i := range v {
			v[i] = stripped(v[i])
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	}
	return value
}

func text(value any) string {
	raw, _ := json.Marshal(value) // it was decoded from JSON
	return string(raw)
}

// restoreAfterRescue connects a cluster anew, and restores what is in the vault.
func (w *world) restoreAfterRescue(t *testing.T, lost *fakeCluster) {
	t.Helper()
	vaulted := ""
	for _, name := range w.points() {
		stores := w.must(http.MethodGet, w.instance+"/recoveryPoints/"+name, nil)["properties"].(object)["recoveryPointDataStoresDetails"].([]any)
		if len(stores) == 2 {
			vaulted = name
		}
	}
	identity := principal(w.must(http.MethodGet, w.vault, nil))
	w.must(http.MethodPut, w.cluster, object{"location": "local", "identity": object{"type": "SystemAssigned"}})
	w.must(http.MethodPut, w.account, object{"location": "local", "kind": "StorageV2", "sku": object{"name": "Standard_LRS"}})
	w.must(http.MethodPut, w.container, object{"properties": object{}})
	w.must(http.MethodPut, w.cluster+"/trustedAccessRoleBindings/vault", object{"properties": object{
		"sourceResourceId": w.vault, "roles": []string{"Microsoft.DataProtection/backupVaults/backup-operator"}}})
	cluster := w.connect()
	w.declareExtension()
	w.grantRoles()
	w.vaultRoles()
	if now := principal(w.must(http.MethodGet, w.vault, nil)); now != identity {
		t.Errorf("the vault's identity was %s and is %s", identity, now)
	}
	for _, tier := range []string{"VaultStore", "OperationalStore"} {
		body := w.restoreBody(vaulted)
		body["sourceDataStoreType"] = tier
		if job := w.jobOf(w.must(http.MethodPost, w.instance+"/restore", body)); job["status"] != "Completed" {
			t.Fatalf("restore from %s = %v", tier, job)
		}
	}
	// The lost service's agent may still be at work: its certificate is good.
	restored := append(lost.restorations(), cluster.restorations()...)
	if !reflect.DeepEqual(restored, []string{vaulted + " to shop2", vaulted + " to shop2"}) {
		t.Errorf("restored %v", restored)
	}
	w.must(http.MethodPost, w.instance+"/resumeProtection", object{})
	if job := w.jobOf(w.must(http.MethodPost, w.instance+"/backup", backupBody)); job["status"] != "Completed" {
		t.Errorf("the next backup = %v", job)
	}
}

func TestRescueRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	options := service.Options{DataDir: dir, Clock: clock.System{}, VaultStore: "file://" + dir}
	if _, err := service.Rescue(t.Context(), options, service.RescueOptions{}); err == nil || !strings.Contains(err.Error(), "put the copy of the key file back") {
		t.Errorf("without a key: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("a refusal made %v", left)
	}

	w, _ := protectedWorld(t)
	w.must(http.MethodPost, w.instance+"/backup", backupBody)
	point := w.points()[0]
	w.stop()
	options = service.Options{DataDir: w.dir, Clock: clock.System{}}
	from := service.RescueOptions{Stores: []location.Location{{URL: "file://" + filepath.Join(w.dir, "storage", "operational", "prod")}}}
	w.forget(t, w.instance+"/recoveryPoints/"+point)
	if _, err := service.Rescue(t.Context(), options, from); !errors.Is(err, rebuild.ErrNotEmpty) {
		t.Errorf("into a catalog that has vaults: %v", err)
	}
	from.Merge = true
	if done, err := service.Rescue(t.Context(), options, from); err != nil || made(done) != 1 {
		t.Errorf("merge: %+v %v", done, err)
	}
	w.start()
	if got := w.points(); len(got) != 1 || got[0] != point {
		t.Errorf("after the merge: %v", got)
	}
}

func (f *fakeCluster) restorations() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.restored)
}

// forget deletes a recovery point's document from the catalog of a service that
// is stopped.
func (w *world) forget(t *testing.T, id string) {
	t.Helper()
	db, err := sqlstore.OpenSQLite(filepath.Join(w.dir, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	err = sqlstore.New(db, nil).Update(t.Context(), func(tx catalog.Tx) error { return inventory.RecoveryPoints.Delete(tx, id) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
