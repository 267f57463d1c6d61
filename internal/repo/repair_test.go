package repo_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

func verifyAll(t *testing.T, store objstore.Store) repo.VerifyReport {
	t.Helper()
	report, err := open(t, store).VerifyPoints(t.Context(), repo.VerifyOptions{Share: 1})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestRepairFromAReplicaHealsEveryDamage damages each object in each way.
func TestRepairFromAReplicaHealsEveryDamage(t *testing.T) {
	store, names := twoPoints(t)
	replica := store.Clone()
	for _, name := range names[point(1)] {
		other := names[point(2)][slices.IndexFunc(names[point(2)], func(n string) bool { return strings.HasPrefix(n, name[:5]) })]
		for how, damage := range damages {
			for i, data := range damage(store.Bytes(name), store.Bytes(other)) {
				what := fmt.Sprintf("%s %s %d", name, how, i)
				changed := store.Clone()
				if data == nil {
					_ = changed.Delete(t.Context(), name)
				} else {
					changed.Overwrite(name, data)
				}
				if strings.HasPrefix(name, "indexes/") && how == "flipped" && i == 1 {
					_, err := open(t, changed).Repair(t.Context(), verifyAll(t, changed), repo.RepairOptions{})
					if !errors.Is(err, repo.ErrVersion) {
						t.Errorf("%s: an index of a newer version: %v", what, err)
					}
					continue
				}
				healed := repair(t, changed, replica)
				if strings.HasPrefix(name, "manifests/") && (data == nil || how == "flipped" && i == 1) {
					continue // replicating brings a lost one back; one of a newer version is not touched
				}
				if len(healed.Lost) != 0 {
					t.Errorf("%s: lost %+v", what, healed.Lost)
				}
				collect(t, changed)
				if report := verifyAll(t, changed); len(report.Findings) != 0 || report.Points != 2 {
					t.Errorf("%s: still %+v", what, report)
				}
			}
		}
	}
}

func repair(t *testing.T, store, replica objstore.Store) repo.RepairReport {
	t.Helper()
	o := repo.RepairOptions{}
	if replica != nil {
		o.From = []*repo.Repository{open(t, replica)}
	}
	report, err := open(t, store).Repair(t.Context(), verifyAll(t, store), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestTheNextBackupHealsWhatItStillHas(t *testing.T) {
	for how, damage := range map[string]func(*objstoretest.Memory, string){
		"flipped": func(s *objstoretest.Memory, name string) { s.Overwrite(name, flip(s.Bytes(name), 500)) },
		"cut":     func(s *objstoretest.Memory, name string) { s.Overwrite(name, s.Bytes(name)[:500]) },
		"lost":    func(s *objstoretest.Memory, name string) { _ = s.Delete(t.Context(), name) },
	} {
		t.Run(how, func(t *testing.T) {
			store := &objstoretest.Memory{}
			open(t, store)
			content := records(100, 500)
			if err := wholeBackup(t.Context(), store, point(1), content); err != nil {
				t.Fatal(err)
			}
			for _, name := range store.Names("packs/") {
				damage(store, name)
			}
			if report := repair(t, store, nil); len(report.Lost) == 0 {
				t.Errorf("%+v", report)
			}
			if err := wholeBackup(t.Context(), store, point(2), content); err != nil {
				t.Fatal(err)
			}
			requireVerified(t, store, point(1), point(2))
			collect(t, store)
			if report := verifyAll(t, store); len(report.Findings) != 0 || report.Points != 2 {
				t.Errorf("%+v", report)
			}
			if names := store.Names("condemned/"); len(names) != 0 {
				t.Errorf("left over: %q", names)
			}
		})
	}
}

func TestAPackThatCannotBeEmptiedStays(t *testing.T) {
	base := &objstoretest.Memory{}
	open(t, base)
	if err := wholeBackup(t.Context(), base, point(1), records(400, 4000)); err != nil {
		t.Fatal(err)
	}
	stayed := 0
	for _, name := range base.Names("packs/") {
		store := base.Clone()
		store.Overwrite(name, flip(store.Bytes(name), 500))
		before := verifyAll(t, store)
		if report := repair(t, store, nil); len(report.Condemned) != 1 || len(report.Lost) == 0 {
			t.Fatalf("%+v", report)
		}
		result, err := open(t, store).CollectGarbage(t.Context(), repo.GCOptions{})
		if errors.Is(err, repo.ErrDamaged) { // a page was hit
			continue
		}
		if err != nil || len(result.Pending) != 1 || store.Bytes(name) == nil {
			t.Errorf("%+v, %v", result, err)
		}
		stayed++
		if after := verifyAll(t, store); !slices.Equal(before.Damaged(), after.Damaged()) {
			t.Errorf("damaged before %q, after %q", before.Damaged(), after.Damaged())
		}
	}
	if stayed == 0 {
		t.Error("no pack of blocks was hit")
	}
}

func TestAnIndexIsMadeAnewFromPacks(t *testing.T) {
	store, _ := twoPoints(t)
	for _, name := range store.Names("indexes/") {
		_ = store.Delete(t.Context(), name)
	}
	if report := verifyAll(t, store); len(report.Damaged()) != 2 {
		t.Errorf("%+v", report)
	}
	counting, calls := dying(store.Clone(), 1<<40, false)
	if _, err := open(t, counting).Reindex(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := int64(1); n <= calls.Load(); n++ {
		for _, counts := range []bool{false, true} {
			changed := store.Clone()
			mortal, _ := dying(changed, n, counts)
			if r, err := repo.Open(t.Context(), mortal, testKey); err == nil {
				if _, err := r.Reindex(t.Context()); err != nil && !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				r.Close()
			}
			if _, err := open(t, changed).Reindex(t.Context()); err != nil {
				t.Fatal(err)
			}
			if names := changed.Names("indexes/"); len(names) != 1 {
				t.Errorf("death at call %d: segments %q", n, names)
			}
			requireVerified(t, changed, point(1), point(2))
		}
	}
}

// TestWhatComesBackFromAnOlderState replays each object that was deleted.
func TestWhatComesBackFromAnOlderState(t *testing.T) {
	store, _ := twoPoints(t)
	old := store.Clone()
	if err := open(t, store).DeleteManifest(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	collect(t, store)
	for _, name := range old.Names("") {
		if store.Bytes(name) != nil {
			continue
		}
		changed := store.Clone()
		changed.Overwrite(name, old.Bytes(name))
		report := verifyAll(t, changed)
		if replayed := strings.HasPrefix(name, "manifests/"); replayed != slices.Contains(report.Damaged(), point(1)) || slices.Contains(report.Damaged(), point(2)) {
			t.Errorf("%s: %+v", name, report)
		}
		if err := wholeBackup(t.Context(), changed, point(3), records(150, 700)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		requireVerified(t, changed, point(2), point(3)) // nothing that is back was relied upon
		_ = open(t, changed).DeleteManifest(t.Context(), point(1))
		collect(t, changed)
		requireVerified(t, changed, point(2), point(3))
	}
}
