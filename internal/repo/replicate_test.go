package repo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

func replicate(ctx context.Context, from, to objstore.Store, id string) (repo.Stats, error) {
	a, err := repo.Open(ctx, from, testKey)
	if err != nil {
		return repo.Stats{}, err
	}
	defer a.Close()
	b, err := repo.Open(ctx, to, testKey)
	if err != nil {
		return repo.Stats{}, err
	}
	defer b.Close()
	return repo.Replicate(ctx, a, b, id, repo.ReplicateOptions{PackSize: 64 << 10, Uploads: 2})
}

func TestAReplicaStandsAlone(t *testing.T) {
	from, to := &objstoretest.Memory{}, &objstoretest.Memory{}
	open(t, from)
	open(t, to)
	contents := [][]repo.Record{records(150, 700), records(170, 700)}
	for n, content := range contents {
		if err := wholeBackup(t.Context(), from, point(n), content); err != nil {
			t.Fatal(err)
		}
		stats, err := replicate(t.Context(), from, to, point(n))
		if err != nil || stats.NewBlocks == 0 {
			t.Fatalf("%+v, %v", stats, err)
		}
	}
	if !slices.Equal(from.Bytes("manifests/"+point(0)), to.Bytes("manifests/"+point(0))) {
		t.Error("the manifest is not the same object")
	}
	if names := to.Names("writers/"); len(names) != 0 {
		t.Errorf("announcements left: %q", names)
	}
	for _, name := range from.Names("") {
		_ = from.Delete(t.Context(), name)
	}
	requireVerified(t, to, point(0), point(1))
	if _, err := replicate(t.Context(), to, to, point(1)); err != nil {
		t.Errorf("to itself: %v", err)
	}
}

// Who watches sees the copying go on, pack by pack, towards what it will be about.
func TestReplicationTellsItsProgress(t *testing.T) {
	from, to := &objstoretest.Memory{}, &objstoretest.Memory{}
	r, other := open(t, from), open(t, to)
	for n := 1; n < 5; n++ { // each in packs of its own
		if err := wholeBackup(t.Context(), from, point(n), records(100*n, 700)); err != nil {
			t.Fatal(err)
		}
	}
	id := point(4)
	var stored, planned []int64
	_, err := repo.Replicate(t.Context(), r, other, id, repo.ReplicateOptions{PackSize: 64 << 10, Uploads: 1,
		Progress: func(s, p int64) { stored, planned = append(stored, s), append(planned, p) }})
	if err != nil {
		t.Fatal(err)
	}
	last := len(stored) - 1
	if last < 2 || stored[0] != 0 || planned[0] == 0 || !slices.IsSorted(stored) || !slices.IsSorted(planned) {
		t.Fatalf("%v of %v", stored, planned)
	}
	if stored[last] < planned[last]*9/10 || stored[last] > planned[last]*3/2 { // small packs have large tables
		t.Errorf("%d bytes are about %d", stored[last], planned[last])
	}
}

func TestReplicatingAgainStoresNothing(t *testing.T) {
	from, to := &objstoretest.Memory{}, &objstoretest.Memory{}
	open(t, to)
	r := open(t, from)
	if err := wholeBackup(t.Context(), from, point(1), records(100, 400)); err != nil {
		t.Fatal(err)
	}
	if _, err := replicate(t.Context(), from, to, point(1)); err != nil {
		t.Fatal(err)
	}
	names := to.Names("")
	for range 2 {
		if stats, err := replicate(t.Context(), from, to, point(1)); err != nil || stats.BytesStored != 0 {
			t.Errorf("%+v, %v", stats, err)
		}
		_ = to.Delete(t.Context(), "manifests/"+point(1)) // as if it had been killed before its last step
	}
	if _, err := replicate(t.Context(), from, to, point(1)); err != nil || !slices.Equal(to.Names(""), names) {
		t.Errorf("%v, there is %q\nwant %q", err, to.Names(""), names)
	}
	if _, err := replicate(t.Context(), from, to, point(7)); !errors.Is(err, repo.ErrNoRecoveryPoint) {
		t.Errorf("a recovery point there is not: %v", err)
	}
	if _, err := repo.ReplicateAll(t.Context(), r, open(t, to), repo.ReplicateOptions{}); err != nil {
		t.Error(err)
	}
}

func TestReplicatingToARepositoryWithAnotherKey(t *testing.T) {
	from, to := &objstoretest.Memory{}, &objstoretest.Memory{}
	r := open(t, from)
	content := records(100, 400)
	if err := wholeBackup(t.Context(), from, point(1), content); err != nil {
		t.Fatal(err)
	}
	otherKey := repo.Key{9}
	if err := repo.Create(t.Context(), to, otherKey, repo.CreateOptions{ID: point(99)}); err != nil {
		t.Fatal(err)
	}
	other, err := repo.Open(t.Context(), to, otherKey)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for range 2 {
		if _, err := repo.ReplicateAll(t.Context(), r, other, repo.ReplicateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Verify(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	m, err := other.Manifest(t.Context(), point(1))
	if err != nil {
		t.Fatal(err)
	}
	a, err := other.Archive(t.Context(), m.Streams[0])
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for record, err := range a.All(t.Context()) {
		if err != nil || string(record.Value) != string(content[n].Value) {
			t.Fatalf("record %d: %v", n, err)
		}
		n++
	}
	if n != len(content) {
		t.Errorf("%d records", n)
	}
}

func TestReplicationNeverPassesDamageOn(t *testing.T) {
	store, names := twoPoints(t)
	for _, name := range names[point(1)] {
		if strings.HasPrefix(name, "indexes/") {
			continue // taken from the packs
		}
		for how, damage := range damages {
			if how == "grown" || how == "swapped" && strings.HasPrefix(name, "manifests/") {
				continue
			}
			for i, data := range damage(store.Bytes(name), store.Bytes(names[point(2)][0])) {
				from, to := store.Clone(), &objstoretest.Memory{}
				open(t, to)
				if data == nil {
					_ = from.Delete(t.Context(), name)
				} else {
					from.Overwrite(name, data)
				}
				if _, err := replicate(t.Context(), from, to, point(1)); err == nil {
					requireVerified(t, to, point(1)) // what is damaged was not needed
				} else if len(to.Names("manifests/")) != 0 {
					t.Errorf("%s %s %d: a recovery point came to be, and %v", name, how, i, err)
				}
			}
		}
	}
}

func TestReplicationStopsAtAnyCallAndIsFinishedByTheNext(t *testing.T) {
	from, base := &objstoretest.Memory{}, &objstoretest.Memory{}
	open(t, from)
	open(t, base)
	for n, content := range [][]repo.Record{records(60, 800), records(160, 800)} {
		if err := wholeBackup(t.Context(), from, point(n), content); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := replicate(t.Context(), from, base, point(0)); err != nil {
		t.Fatal(err)
	}
	counting, calls := dying(base.Clone(), 1<<40, false)
	if _, err := replicate(t.Context(), from, counting, point(1)); err != nil {
		t.Fatal(err)
	}
	t.Logf("replicating makes %d calls", calls.Load())
	for n := int64(1); n <= calls.Load(); n++ {
		for _, counts := range []bool{false, true} {
			where := fmt.Sprintf("death at call %d, effect %v", n, counts)
			to := base.Clone()
			mortal, _ := dying(to, n, counts)
			if _, err := replicate(t.Context(), from, mortal, point(1)); err != nil && !errors.Is(err, errCrash) {
				t.Fatalf("%s: %v", where, err)
			}
			r := open(t, to)
			if err := r.Verify(t.Context(), point(1)); err != nil && !errors.Is(err, repo.ErrNoRecoveryPoint) {
				t.Fatalf("%s: %v", where, err)
			}
			if _, err := replicate(t.Context(), from, to, point(1)); err != nil {
				t.Fatalf("%s: again: %v", where, err)
			}
			requireVerified(t, to, point(0), point(1))
		}
	}
}

func TestReplicatingWhatWasDeletedThereBefore(t *testing.T) {
	from, to := &objstoretest.Memory{}, &objstoretest.Memory{}
	open(t, from)
	open(t, to)
	if err := wholeBackup(t.Context(), from, point(1), records(100, 400)); err != nil {
		t.Fatal(err)
	}
	if _, err := replicate(t.Context(), from, to, point(1)); err != nil {
		t.Fatal(err)
	}
	packs := to.Names("packs/")
	if err := open(t, to).DeleteManifest(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	collect(t, to)
	if _, err := replicate(t.Context(), from, to, point(1)); err != nil {
		t.Fatal(err)
	}
	for _, name := range packs { // a collector that was slow deletes them once more
		_ = to.Delete(t.Context(), name)
	}
	requireVerified(t, to, point(1))
}
