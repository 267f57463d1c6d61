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

// hurt damages the first of the objects below a prefix.
func hurt(t *testing.T, store *objstoretest.Memory, names []string, prefix string) {
	t.Helper()
	i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, prefix) })
	if i < 0 {
		t.Fatalf("no object below %s in %q", prefix, names)
	}
	store.Overwrite(names[i], flip(store.Bytes(names[i]), 100))
}

// repairWith repairs what a report says, in a store that may die.
func repairWith(t *testing.T, store objstore.Store, found repo.VerifyReport, replica objstore.Store) error {
	t.Helper()
	r, err := repo.Open(t.Context(), store, testKey)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.Repair(t.Context(), found, repo.RepairOptions{From: []*repo.Repository{open(t, replica)}})
	return err
}

// TestRepairStopsAtAnyCallLosesNothingAndIsFinishedByTheNext kills a repair at
// each call of the store: what was well stays well, and the next repair heals
// everything.
func TestRepairStopsAtAnyCallLosesNothingAndIsFinishedByTheNext(t *testing.T) {
	for _, kind := range []string{"packs/", "indexes/", "manifests/"} {
		t.Run(kind, func(t *testing.T) {
			base, names := twoPoints(t)
			replica := base.Clone()
			hurt(t, base, names[point(1)], kind)
			killRepairs(t, base, replica)
		})
	}
}

func killRepairs(t *testing.T, base, replica *objstoretest.Memory) {
	found := verifyAll(t, base)
	if damaged := found.Damaged(); !slices.Equal(damaged, []string{point(1)}) {
		t.Fatalf("damaged %q", damaged)
	}
	counting, calls := dying(base.Clone(), 1<<40, false)
	if err := repairWith(t, counting, found, replica); err != nil {
		t.Fatal(err)
	}
	t.Logf("repairing makes %d calls", calls.Load())
	for n := int64(1); n <= calls.Load(); n++ {
		for _, counts := range []bool{false, true} {
			where := fmt.Sprintf("death at call %d, effect %v", n, counts)
			store := base.Clone()
			mortal, _ := dying(store, n, counts)
			if err := repairWith(t, mortal, found, replica); err != nil && !errors.Is(err, errCrash) {
				t.Fatalf("%s: %v", where, err)
			}
			requireVerified(t, store, point(2))
			if err := repairWith(t, store, found, replica); err != nil {
				t.Fatalf("%s: again: %v", where, err)
			}
			requireVerified(t, store, point(1), point(2))
			collect(t, store)
			if report := verifyAll(t, store); len(report.Findings) != 0 || report.Points != 2 {
				t.Fatalf("%s: still %+v", where, report)
			}
			if left := append(store.Names("condemned/"), store.Names("writers/")...); len(left) != 0 {
				t.Fatalf("%s: left over: %q", where, left)
			}
		}
	}
}

// TestRepairDoesNotBringBackWhatWasDeleted deletes a recovery point between its
// verification and its repair.
func TestRepairDoesNotBringBackWhatWasDeleted(t *testing.T) {
	store, names := twoPoints(t)
	replica := store.Clone()
	hurt(t, store, names[point(1)], "manifests/")
	found := verifyAll(t, store)
	if err := open(t, store).DeleteManifest(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	if err := repairWith(t, store, found, replica); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, store).Manifest(t.Context(), point(1)); !errors.Is(err, repo.ErrNoRecoveryPoint) {
		t.Errorf("the recovery point is back: %v", err)
	}
	requireVerified(t, store, point(2))
}
