package repo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

// collect collects garbage, believing every writer dead.
func collect(t *testing.T, store objstore.Store) repo.GCResult {
	t.Helper()
	result, err := open(t, store).CollectGarbage(t.Context(), repo.GCOptions{Dead: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func requireVerified(t *testing.T, store objstore.Store, points ...string) {
	t.Helper()
	r := open(t, store)
	for _, id := range points {
		if err := r.Verify(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGarbageGoesAndNothingElse(t *testing.T) {
	store, _ := twoPoints(t)
	before := len(store.Names("packs/"))
	if result := collect(t, store); result.Deleted != 0 || len(store.Names("packs/")) != before {
		t.Errorf("there was no garbage: %+v", result)
	}
	if err := open(t, store).DeleteManifest(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	plan, err := open(t, store).PlanGC(t.Context(), repo.GCOptions{})
	if err != nil || len(plan.Delete) == 0 || len(store.Names("condemned/")) != 0 {
		t.Fatalf("%+v, %v", plan, err)
	}
	result := collect(t, store)
	if result.Deleted != len(plan.Delete)+len(plan.Rewrite) || result.Freed == 0 {
		t.Errorf("planned %+v, did %+v", plan, result)
	}
	requireVerified(t, store, point(2))
	if err := open(t, store).DeleteManifest(t.Context(), point(2)); err != nil {
		t.Fatal(err)
	}
	collect(t, store)
	if names := store.Names(""); len(names) != 1 {
		t.Errorf("left over: %q", names)
	}
}

func TestSparsePacksAreRewritten(t *testing.T) {
	store := &objstoretest.Memory{}
	content := records(3000, 400)
	r := open(t, store)
	if _, err := backup(t.Context(), r, point(1), content); err != nil {
		t.Fatal(err)
	}
	kept := content[:300]
	if _, err := backup(t.Context(), r, point(2), kept); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteManifest(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	plan, err := r.PlanGC(t.Context(), repo.GCOptions{})
	if err != nil || len(plan.Rewrite) == 0 || !strings.Contains(plan.String(), "store again what is needed of them") {
		t.Fatalf("%v, %v", plan, err)
	}
	size := total(store)
	result := collect(t, store)
	if result.Carried == 0 || total(store) > size/3 {
		t.Errorf("%d bytes left of %d: %+v", total(store), size, result)
	}
	got, err := read(t.Context(), open(t, store), point(2))
	if err != nil {
		t.Fatal(err)
	}
	requireEqual(t, got, kept)
	// A reader that was open before finds the blocks in their new place.
	if got, err = read(t.Context(), r, point(2)); err != nil {
		t.Fatal(err)
	}
	requireEqual(t, got, kept)
}

func total(store *objstoretest.Memory) (n int) {
	for _, name := range store.Names("") {
		n += len(store.Bytes(name))
	}
	return n
}

func TestGarbageIsNotCollectedWhileItCannotBeTold(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	w := newWriter(t, r, point(1))
	m, err := writeStreams(w, records(100, 500))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CollectGarbage(t.Context(), repo.GCOptions{}); !errors.Is(err, repo.ErrBusy) || !strings.Contains(err.Error(), point(1)) {
		t.Fatalf("with a writer at work: %v", err)
	}
	plan, err := r.PlanGC(t.Context(), repo.GCOptions{})
	if err != nil || len(plan.Writing) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	waited := 0
	result, err := r.CollectGarbage(t.Context(), repo.GCOptions{Wait: func(ctx context.Context, ids []string) error {
		waited++
		return w.Commit(ctx, m)
	}})
	if err != nil || waited != 1 || result.Deleted != 0 {
		t.Fatalf("waited %d times, %+v, %v", waited, result, err)
	}
	requireVerified(t, store, point(1))
}

func TestADeadWriterIsFencedAndItsBlocksGo(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	w := newWriter(t, r, point(1))
	m, err := writeStreams(w, records(100, 500))
	if err == nil {
		err = w.Flush(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if result := collect(t, store); len(result.Voided) != 1 || result.Deleted == 0 {
		t.Errorf("%+v", result)
	}
	if err := w.Commit(t.Context(), m); !errors.Is(err, repo.ErrVoid) {
		t.Errorf("the dead writer's commit: %v", err)
	}
	if names := store.Names("packs/"); len(names) != 0 {
		t.Errorf("left over: %q", names)
	}
}

func TestAMoverThatMayNotDeleteCommitsAndGCTidiesUp(t *testing.T) {
	store := &objstoretest.Memory{}
	open(t, store)
	gate := objstoretest.Faulty(store, func(c objstoretest.Call) objstoretest.Fault {
		if c.Op == "delete" {
			return objstoretest.Fault{Before: objstore.ErrForbidden}
		}
		return objstoretest.Fault{}
	})
	if err := wholeBackup(t.Context(), gate, point(1), records(50, 300)); err != nil {
		t.Fatal(err)
	}
	if names := store.Names("writers/"); len(names) != 1 {
		t.Fatalf("announcements: %q", names)
	}
	left := store.Clone()
	if _, err := open(t, store).CollectGarbage(t.Context(), repo.GCOptions{}); err != nil {
		t.Fatal(err)
	}
	if names := store.Names("writers/"); len(names) != 0 {
		t.Errorf("spent announcements left: %q", names)
	}
	// Deleting the recovery point must not bring the announcement back to life.
	if err := open(t, left).DeleteManifest(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, left).CollectGarbage(t.Context(), repo.GCOptions{}); err != nil {
		t.Fatal(err)
	}
	if names := left.Names(""); len(names) != 1 {
		t.Errorf("left over: %q", names)
	}
}

func TestGarbageIsNotCollectedBelowWhatIsMissing(t *testing.T) {
	store, names := twoPoints(t)
	for _, name := range names[point(1)] {
		if strings.HasPrefix(name, "packs/") {
			_ = store.Delete(t.Context(), name)
		}
	}
	before := store.Names("packs/")
	if _, err := open(t, store).CollectGarbage(t.Context(), repo.GCOptions{}); !errors.Is(err, repo.ErrDamaged) {
		t.Errorf("pages are missing: %v", err)
	}
	store.Overwrite("manifests/"+point(1), store.Bytes("manifests/" + point(1))[:100])
	if _, err := open(t, store).CollectGarbage(t.Context(), repo.GCOptions{}); !errors.Is(err, repo.ErrDamaged) {
		t.Errorf("a manifest is damaged: %v", err)
	}
	if got := store.Names("packs/"); len(got) != len(before) {
		t.Errorf("%d of %d packs left", len(got), len(before))
	}
}

func TestALostIndexDoesNotMakeGarbage(t *testing.T) {
	for how, damage := range map[string]func(*objstoretest.Memory, string){
		"deleted": func(s *objstoretest.Memory, name string) { _ = s.Delete(context.Background(), name) },
		"cut":     func(s *objstoretest.Memory, name string) { s.Overwrite(name, s.Bytes(name)[:50]) },
		"flipped": func(s *objstoretest.Memory, name string) {
			data := s.Bytes(name)
			data[20] ^= 1
			s.Overwrite(name, data)
		},
	} {
		t.Run(how, func(t *testing.T) {
			store, _ := twoPoints(t)
			for _, name := range store.Names("indexes/") {
				damage(store, name)
			}
			if result := collect(t, store); result.Deleted != 0 {
				t.Errorf("%+v", result)
			}
			requireVerified(t, store, point(1), point(2))
		})
	}
}

func TestManySegmentsBecomeFew(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	var points []string
	for n := range 20 {
		if _, err := backup(t.Context(), r, point(n), records(20+n, 100)); err != nil {
			t.Fatal(err)
		}
		points = append(points, point(n))
	}
	before := len(store.Names("indexes/"))
	collect(t, store)
	if after := len(store.Names("indexes/")); before != 20 || after != 1 {
		t.Errorf("%d segments became %d", before, after)
	}
	requireVerified(t, store, points...)
	second, err := backup(t.Context(), open(t, store), point(100), records(30, 100))
	if err != nil || second.NewBlocks != 0 {
		t.Errorf("stored again: %+v, %v", second, err)
	}
}

func TestTheSameBlocksTwiceAreKeptOnce(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	content := records(200, 300)
	writers := []*repo.Writer{newWriter(t, r, point(1)), newWriter(t, open(t, store), point(2))}
	for _, w := range writers {
		m, err := writeStreams(w, content)
		if err == nil {
			err = w.Commit(t.Context(), m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(store.Names("packs/")); n != 2 {
		t.Fatalf("%d packs", n)
	}
	collect(t, store)
	if n := len(store.Names("packs/")); n != 1 {
		t.Errorf("%d packs", n)
	}
	requireVerified(t, store, point(1), point(2))
}

func TestGCStopsAtAnyCallLosesNothingAndIsFinishedByTheNext(t *testing.T) {
	base := &objstoretest.Memory{}
	open(t, base)
	for n, count := range []int{60, 90, 20} {
		if err := wholeBackup(t.Context(), base, point(n), records(count, 600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(t, base).DeleteManifest(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	run := func(store objstore.Store) error {
		r, err := repo.Open(t.Context(), store, testKey)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = r.CollectGarbage(t.Context(), repo.GCOptions{Live: 0.9})
		return err
	}
	want := base.Clone()
	counting, calls := dying(want, 1<<40, false)
	if err := run(counting); err != nil {
		t.Fatal(err)
	}
	t.Logf("collecting makes %d calls", calls.Load())
	for n := int64(1); n <= calls.Load(); n++ {
		for _, counts := range []bool{false, true} {
			where := fmt.Sprintf("death at call %d, effect %v", n, counts)
			store := base.Clone()
			mortal, _ := dying(store, n, counts)
			if err := run(mortal); err != nil && !errors.Is(err, errCrash) {
				t.Fatalf("%s: %v", where, err)
			}
			requireVerified(t, store, point(0), point(2))
			if err := run(store); err != nil {
				t.Fatalf("%s: again: %v", where, err)
			}
			requireVerified(t, store, point(0), point(2))
			for _, prefix := range []string{"condemned/", "writers/"} {
				if names := store.Names(prefix); len(names) != 0 {
					t.Fatalf("%s: left over: %q", where, names)
				}
			}
			if got, want := len(store.Names("packs/")), len(want.Names("packs/")); got > want+1 {
				t.Fatalf("%s: %d packs left, want about %d", where, got, want)
			}
		}
	}
}

// between runs act once, before the first call of the store that matches.
func between(store objstore.Store, op, prefix string, act func()) objstore.Store {
	done := false
	return objstoretest.Faulty(store, func(c objstoretest.Call) objstoretest.Fault {
		if !done && c.Op == op && strings.HasPrefix(c.Name, prefix) {
			done = true
			act()
		}
		return objstoretest.Fault{}
	})
}

// TestAWriterThatReliesOnGarbage begins a backup at each stage of a garbage
// collection, of what is garbage at that moment, and commits it when it is
// waited for, else at the end.
func TestAWriterThatReliesOnGarbage(t *testing.T) {
	content := records(80, 500)
	for _, stage := range [][2]string{{"list", "packs/"}, {"list", "writers/"}, {"list", "condemned/"}, {"list", "indexes/"}, {"list", "manifests/"},
		{"put", "condemned/"}, {"put", "indexes/"}, {"delete", "indexes/"}, {"delete", "packs/"}, {"delete", "condemned/"}} {
		t.Run(strings.Join(stage[:], " "), func(t *testing.T) {
			store := &objstoretest.Memory{}
			open(t, store)
			for n, of := range [][]repo.Record{content, content[:30]} {
				if err := wholeBackup(t.Context(), store, point(n), of); err != nil {
					t.Fatal(err)
				}
			}
			if err := open(t, store).DeleteManifest(t.Context(), point(0)); err != nil {
				t.Fatal(err)
			}
			var w *repo.Writer
			var m repo.Manifest
			began := between(store, stage[0], stage[1], func() {
				w = newWriter(t, open(t, store), point(5))
				var err error
				if m, err = writeStreams(w, content); err == nil {
					err = w.Flush(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
			})
			r := open(t, store)
			r.Close()
			r, err := repo.Open(t.Context(), began, testKey)
			if err != nil {
				t.Fatal(err)
			}
			committed := false
			_, err = r.CollectGarbage(t.Context(), repo.GCOptions{Live: 0.9, Wait: func(ctx context.Context, _ []string) error {
				committed = true
				return w.Commit(ctx, m)
			}})
			if err != nil {
				t.Fatal(err)
			}
			if w == nil {
				t.Fatal("the stage was not reached")
			}
			if !committed {
				if err := w.Commit(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			requireVerified(t, store, point(1), point(5))
			collect(t, store)
			requireVerified(t, store, point(1), point(5))
		})
	}
}

// TestStoreErrorsStopACollectionAndLoseNothing lets the store answer with
// errors, and break off in the middle of bodies and listings, at each call.
func TestStoreErrorsStopACollectionAndLoseNothing(t *testing.T) {
	base := &objstoretest.Memory{}
	open(t, base)
	for n := range 6 {
		if err := wholeBackup(t.Context(), base, point(n), records(30+n*9, 300)); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{0, 2, 3} {
		if err := open(t, base).DeleteManifest(t.Context(), point(n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, fault := range []objstoretest.Fault{{Tear: true}, {Before: objstore.ErrForbidden}, {Before: objstore.ErrUnavailable}, {After: objstore.ErrUnavailable},
		{Before: objstore.ErrNoBucket}, {Before: context.DeadlineExceeded}} {
		for at := int64(1); ; at++ {
			store := base.Clone()
			var calls atomic.Int64
			broken := objstoretest.Faulty(store, func(objstoretest.Call) objstoretest.Fault {
				if calls.Add(1) == at {
					return fault
				}
				return objstoretest.Fault{}
			})
			r, err := repo.Open(t.Context(), broken, testKey)
			if err == nil {
				_, err = r.CollectGarbage(t.Context(), repo.GCOptions{})
				r.Close()
			}
			for _, known := range []error{fault.Before, fault.After, objstore.ErrUnavailable} {
				if known != nil && errors.Is(err, known) {
					err = nil
				}
			}
			if err != nil {
				t.Fatalf("%+v at call %d: %v", fault, at, err)
			}
			requireVerified(t, store, point(1), point(4), point(5))
			if calls.Load() < at {
				break
			}
		}
	}
}
