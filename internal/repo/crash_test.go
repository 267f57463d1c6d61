package repo_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

var errCrash = errors.New("the process died")

// dying returns a store that carries out n calls and then none any more, as if
// its process had died; lastCounts says whether the n-th has its effect, with
// the answer lost.
func dying(store objstore.Store, n int64, lastCounts bool) (objstore.Store, *atomic.Int64) {
	var calls atomic.Int64
	return objstoretest.Faulty(store, func(objstoretest.Call) objstoretest.Fault {
		switch at := calls.Add(1); {
		case at == n && lastCounts:
			return objstoretest.Fault{After: errCrash}
		case at >= n:
			return objstoretest.Fault{Before: errCrash}
		}
		return objstoretest.Fault{}
	}), &calls
}

// wholeBackup opens the repository and backs up, in small packs so that there
// are many calls to die at.
func wholeBackup(ctx context.Context, store objstore.Store, id string, content []repo.Record) error {
	r, err := repo.Open(ctx, store, testKey)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: id, PackSize: 64 << 10, Uploads: 2})
	if err != nil {
		return err
	}
	defer w.Close()
	m, err := writeStreams(w, content)
	if err != nil {
		return err
	}
	return w.Commit(ctx, m)
}

// writeStreams writes an archive and a volume.
func writeStreams(w *repo.Writer, content []repo.Record) (repo.Manifest, error) {
	a, err := w.Archive("objects")
	if err != nil {
		return repo.Manifest{}, err
	}
	v, err := w.Volume("volumes/data", repo.VolumeShape{Length: int64(len(content))*4096 - 100, BlockSize: 4096})
	if err != nil {
		return repo.Manifest{}, err
	}
	for i, record := range content {
		if err := a.Add(record.Key, record.Value); err != nil {
			return repo.Manifest{}, err
		}
		if i%3 == 0 || i == len(content)-1 {
			continue // a hole
		}
		block := make([]byte, 4096)
		copy(block, record.Value)
		if err := v.Write(int64(i), block); err != nil {
			return repo.Manifest{}, err
		}
	}
	objects, err := a.Close()
	if err != nil {
		return repo.Manifest{}, err
	}
	volume, err := v.Close()
	return repo.Manifest{Instance: "i", Streams: []repo.StreamRef{volume, objects},
		Volumes: []repo.Volume{{Namespace: "default", Claim: "data", Protected: true, Stream: volume.Name}}}, err
}

// readAll reads all streams of a recovery point, and returns how many records
// and blocks there are.
func readAll(ctx context.Context, r *repo.Repository, id string) (n int, err error) {
	m, err := r.Manifest(ctx, id)
	if err != nil {
		return 0, err
	}
	for _, ref := range m.Streams {
		if ref.Type == repo.TypeVolume {
			v, err := r.Volume(ctx, ref)
			if err != nil {
				return n, err
			}
			for _, err := range v.Blocks(ctx) {
				if err != nil {
					return n, err
				}
				n++
			}
			continue
		}
		a, err := r.Archive(ctx, ref)
		if err != nil {
			return n, err
		}
		for _, err := range a.All(ctx) {
			if err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

func TestACrashAtAnyCallLosesNothing(t *testing.T) {
	before := records(60, 800)
	after := records(160, 800)
	base := &objstoretest.Memory{}
	open(t, base)
	if err := wholeBackup(t.Context(), base, point(1), before); err != nil {
		t.Fatal(err)
	}
	counting, calls := dying(base.Clone(), 1<<40, false)
	if err := wholeBackup(t.Context(), counting, point(2), after); err != nil {
		t.Fatal(err)
	}
	t.Logf("a backup makes %d calls", calls.Load())
	for n := int64(1); n <= calls.Load(); n++ {
		for _, lastCounts := range []bool{false, true} {
			crashAt(t, base.Clone(), n, lastCounts, after)
		}
	}
}

func crashAt(t *testing.T, store *objstoretest.Memory, n int64, lastCounts bool, content []repo.Record) {
	t.Helper()
	where := fmt.Sprintf("death at call %d, effect %v", n, lastCounts)
	mortal, _ := dying(store, n, lastCounts)
	err := wholeBackup(t.Context(), mortal, point(2), content)
	if err != nil && !errors.Is(err, errCrash) {
		t.Fatalf("%s: %v", where, err)
	}
	r := open(t, store)
	if err := r.Verify(t.Context(), point(1)); err != nil {
		t.Fatalf("%s: the older recovery point: %v", where, err)
	}
	if err := r.Verify(t.Context(), point(2)); err != nil && !errors.Is(err, repo.ErrNoRecoveryPoint) {
		t.Fatalf("%s: a recovery point that is there does not verify: %v", where, err)
	}
	if err := wholeBackup(t.Context(), store, point(2), content); err != nil {
		t.Fatalf("%s: backing up again: %v", where, err)
	}
	if err := open(t, store).Verify(t.Context(), point(2)); err != nil {
		t.Fatalf("%s: after backing up again: %v", where, err)
	}
}

func TestAKilledBackupDoesNotStoreItsBlocksAgain(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	w, err := r.NewWriter(t.Context(), repo.WriterOptions{RecoveryPoint: point(1)})
	if err != nil {
		t.Fatal(err)
	}
	content := records(2000, 500)
	if _, err := writeStreams(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Close() // killed before the commit
	again, err := open(t, store).NewWriter(t.Context(), repo.WriterOptions{RecoveryPoint: point(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	m, err := writeStreams(again, content)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Commit(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if s := again.Stats(); s.NewBlocks != 0 || s.BytesStored != 0 || s.Blocks == 0 {
		t.Errorf("the second writer stored %+v", s)
	}
}

func TestAFlakyStoreGivesACompleteBackupOrAClearError(t *testing.T) {
	content := records(300, 300)
	for round := range 20 {
		var calls atomic.Int64
		memory := &objstoretest.Memory{}
		open(t, memory)
		store := objstoretest.Faulty(memory, func(c objstoretest.Call) objstoretest.Fault {
			if calls.Add(1)%20 == int64(round) {
				return objstoretest.Fault{Tear: c.Op == "get" || c.Op == "list", After: objstore.ErrUnavailable}
			}
			return objstoretest.Fault{}
		})
		err := wholeBackup(t.Context(), store, point(1), content)
		if err != nil {
			if !errors.Is(err, objstore.ErrUnavailable) {
				t.Errorf("round %d: %v", round, err)
			}
			continue
		}
		if err := open(t, memory).Verify(t.Context(), point(1)); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
	}
}
