package objstoretest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/objstore/wrap"
	"holdfast.dev/holdfast/internal/repo"
)

// These tests show what becomes of those who use a store that fails, or that
// breaks a promise: retry or a clear failure, never less taken for all.

const (
	repositoryID = "00112233445566778899aabbccddeeff"
	records      = 40 // of a backup
)

var (
	testKey = repo.Key{1, 2, 3}
	quick   = wrap.Retries{First: 1, Longest: 1}
)

func point(n int) string { return fmt.Sprintf("%032x", n) }

// backup writes one recovery point of records that are like no other's.
func backup(ctx context.Context, store objstore.Store, n int) error {
	if err := repo.Create(ctx, store, testKey, repo.CreateOptions{ID: repositoryID}); err != nil {
		return err
	}
	r, err := repo.Open(ctx, store, testKey)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: point(n), PackSize: 1 << 20})
	if err != nil {
		return err
	}
	defer w.Close()
	a, err := w.Archive("objects")
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range records {
		if err := a.Add(fmt.Sprintf("apps/deployments/ns/%03d", i), fmt.Appendf(nil, "%d %x", n, rng.Uint64())); err != nil {
			return err
		}
	}
	ref, err := a.Close()
	if err != nil {
		return err
	}
	return w.Commit(ctx, repo.Manifest{ID: point(n), Created: time.Unix(1, 0), Instance: "i", Streams: []repo.StreamRef{ref}})
}

// inspect lists all recovery points and verifies them.
func inspect(ctx context.Context, store objstore.Store) (ids []string, err error) {
	r, err := repo.Open(ctx, store, testKey)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for info, err := range r.Manifests(ctx) {
		if err != nil {
			return ids, err
		}
		if err := r.Verify(ctx, info.ID); err != nil {
			return ids, err
		}
		ids = append(ids, info.ID)
	}
	return ids, nil
}

// unlucky fails calls at random, in all the ways stores do.
func unlucky(store objstore.Store, seed uint64, perMille int) objstore.Store {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 7))
	return objstoretest.Faulty(store, func(objstoretest.Call) objstoretest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(1000) >= perMille {
			return objstoretest.Fault{}
		}
		return []objstoretest.Fault{
			{Before: fmt.Errorf("429: %w", &objstore.Later{After: 1, Err: objstore.ErrUnavailable})},
			{Before: fmt.Errorf("503: %w", objstore.ErrUnavailable)},
			{After: fmt.Errorf("time-out: %w", objstore.ErrUnavailable)},
			{Tear: true},
			{Before: fmt.Errorf("403: %w", objstore.ErrForbidden)},
		}[rng.IntN(5)]
	})
}

func TestAnUnluckyStoreNeverMakesLessOfARepository(t *testing.T) {
	const seeds = 60
	whole := &objstoretest.Memory{}
	for n := range 3 {
		if err := backup(t.Context(), whole, n+1); err != nil {
			t.Fatal(err)
		}
	}
	written, read := 0, 0
	for seed := range uint64(seeds) {
		memory := whole.Clone()
		known := true
		switch err := backup(t.Context(), wrap.Retry(unlucky(memory, seed, 60), quick), 4); {
		case err == nil:
			written++
		case errors.Is(err, objstore.ErrForbidden), errors.Is(err, objstore.ErrUnavailable):
			known = false // its last answer may have been the one that was lost
		default:
			t.Errorf("seed %d: backup: %v", seed, err)
		}
		truth, err := inspect(t.Context(), memory)
		if err != nil || len(truth) < 3 || known && len(truth) != 4 {
			t.Fatalf("seed %d: %q, %v", seed, truth, err)
		}
		switch ids, err := inspect(t.Context(), wrap.Retry(unlucky(memory, seed+seeds, 60), quick)); {
		case err == nil && len(ids) == len(truth):
			read++
		case err == nil:
			t.Errorf("seed %d: %d of %d recovery points were taken for all", seed, len(ids), len(truth))
		case !errors.Is(err, objstore.ErrForbidden) && !errors.Is(err, objstore.ErrUnavailable):
			t.Errorf("seed %d: read: %v", seed, err)
		}
	}
	if written < seeds/4 || read < seeds/4 || written == seeds || read == seeds {
		t.Errorf("%d backups and %d readings of %d went well: the faults prove little", written, read, seeds)
	}
}

// TestTornWrites tears the first put of each kind of object: a backup over it
// fails clearly, and the next one is not harmed.
func TestTornWrites(t *testing.T) {
	memory := &objstoretest.Memory{}
	if err := backup(t.Context(), memory, 1); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, name := range memory.Names("") {
		kind, _, below := strings.Cut(name, "/")
		if below {
			kinds[kind+"/"] = true
		}
	}
	if len(kinds) < 3 {
		t.Fatalf("a repository holds %v", kinds)
	}
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			store, torn := memory.Clone(), false
			err := backup(t.Context(), wrap.Retry(objstoretest.Tearing{Memory: store, When: func(name string) bool {
				first := strings.HasPrefix(name, kind) && !torn
				torn = torn || first
				return first
			}}, quick), 2)
			if err == nil || !torn {
				t.Fatalf("half an object was taken for whole: %v", err)
			}
			r, err := repo.Open(t.Context(), store, testKey)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.Verify(t.Context(), point(1)); err != nil {
				t.Errorf("the earlier recovery point: %v", err)
			}
			if err := r.Verify(t.Context(), point(2)); err == nil {
				t.Error("the failed backup is a recovery point")
			}
			if err := backup(t.Context(), store, 3); err != nil {
				t.Errorf("the next backup: %v", err)
			} else if err := r.Verify(t.Context(), point(3)); err != nil {
				t.Errorf("the next recovery point: %v", err)
			}
		})
	}
}

// TestListingsThatLie shows that what a listing leaves out is missed when it is
// needed: data that cannot be found is an error. That a recovery point is not
// listed nobody can notice, which is why such stores are refused beforehand.
func TestListingsThatLie(t *testing.T) {
	failed := 0
	for behind := 1; behind < 12; behind++ {
		stale := &objstoretest.StaleLists{Store: &objstoretest.Memory{}, Behind: behind}
		for n := range 2 {
			if err := backup(t.Context(), stale, n+1); err != nil {
				t.Logf("stale by %d: backup %d: %v", behind, n+1, err)
				break
			}
		}
		failed += mayFailOnly(t, fmt.Sprintf("stale by %d", behind), stale, stale.Store)
	}
	memory := &objstoretest.Memory{}
	for n := range 3 {
		if err := backup(t.Context(), memory, n+1); err != nil {
			t.Fatal(err)
		}
	}
	for at := range 4 {
		failed += mayFailOnly(t, fmt.Sprintf("short at %d", at), objstoretest.ShortLists{Store: memory, At: at}, memory)
	}
	if failed == 0 {
		t.Error("nothing was missed: the lies prove nothing")
	}
}

// mayFailOnly reads every recovery point there is through a store that lies:
// all of it, or with an error. It returns the number of those.
func mayFailOnly(t *testing.T, name string, lying, honest objstore.Store) (failed int) {
	t.Helper()
	truth, err := inspect(t.Context(), honest)
	if err != nil {
		t.Fatalf("%s: the truth: %v", name, err)
	}
	r, err := repo.Open(t.Context(), lying, testKey)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer r.Close()
	for _, id := range truth {
		n, err := count(t.Context(), r, id)
		if err != nil {
			failed++
		} else if n != records {
			t.Errorf("%s: %s: %d of %d records were taken for all", name, id, n, records)
		}
	}
	return failed
}

// count reads a recovery point and counts its records.
func count(ctx context.Context, r *repo.Repository, id string) (n int, err error) {
	m, err := r.Manifest(ctx, id)
	if err != nil {
		return 0, err
	}
	for _, ref := range m.Streams {
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
