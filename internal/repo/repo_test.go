package repo_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

const repositoryID = "00112233445566778899aabbccddeeff"

// smallPacks keeps tests light: most of them store little.
const smallPacks = 1 << 20

var testKey = repo.Key{1, 2, 3}

func point(n int) string { return fmt.Sprintf("%032x", n) }

func open(t testing.TB, store objstore.Store) *repo.Repository {
	t.Helper()
	ctx := t.Context()
	if err := repo.Create(ctx, store, testKey, repo.CreateOptions{ID: repositoryID}); err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(ctx, store, testKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// records makes n records of about size bytes each, compressible like JSON.
func records(n, size int) []repo.Record {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	out := make([]repo.Record, n)
	for i := range out {
		var value bytes.Buffer
		for value.Len() < size {
			fmt.Fprintf(&value, `{"name":"field-%d","value":"%x"}`, i, rng.Uint64())
		}
		out[i] = repo.Record{Key: fmt.Sprintf("apps/deployments/ns-%03d/name-%06d", i/100, i), Value: value.Bytes()}
	}
	return out
}

// backup writes one archive and commits it.
func backup(ctx context.Context, r *repo.Repository, id string, content []repo.Record) (repo.Stats, error) {
	w, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: id, PackSize: smallPacks})
	if err != nil {
		return repo.Stats{}, err
	}
	defer w.Close()
	a, err := w.Archive("objects")
	if err != nil {
		return repo.Stats{}, err
	}
	for _, record := range content {
		if err := a.Add(record.Key, record.Value); err != nil {
			return repo.Stats{}, err
		}
	}
	ref, err := a.Close()
	if err != nil {
		return repo.Stats{}, err
	}
	err = w.Commit(ctx, repo.Manifest{ID: id, Created: time.Unix(1, 0), Instance: "i", Streams: []repo.StreamRef{ref}})
	return w.Stats(), err
}

func read(ctx context.Context, r *repo.Repository, id string) ([]repo.Record, error) {
	m, err := r.Manifest(ctx, id)
	if err != nil {
		return nil, err
	}
	var out []repo.Record
	for _, ref := range m.Streams {
		a, err := r.Archive(ctx, ref)
		if err != nil {
			return nil, err
		}
		for record, err := range a.All(ctx) {
			if err != nil {
				return out, err
			}
			out = append(out, record)
		}
	}
	return out, nil
}

func TestBackupIsReadBackAndVerifies(t *testing.T) {
	for _, n := range []int{0, 1, 31, 1000, 20000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			store := &objstoretest.Memory{}
			r := open(t, store)
			want := records(n, 400)
			if _, err := backup(t.Context(), r, point(1), want); err != nil {
				t.Fatal(err)
			}
			fresh := open(t, store)
			got, err := read(t.Context(), fresh, point(1))
			if err != nil {
				t.Fatal(err)
			}
			requireEqual(t, got, want)
			if err := fresh.Verify(t.Context(), point(1)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func requireEqual(t *testing.T, got, want []repo.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Key != want[i].Key || !bytes.Equal(got[i].Value, want[i].Value) {
			t.Fatalf("record %d is %q, want %q", i, got[i].Key, want[i].Key)
		}
	}
}

func TestSecondBackupStoresOnlyWhatChanged(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	content := records(20000, 400)
	first, err := backup(t.Context(), r, point(1), content)
	if err != nil {
		t.Fatal(err)
	}
	content[12345].Value = []byte(`{"changed":true}`)
	second, err := backup(t.Context(), open(t, store), point(2), content)
	if err != nil {
		t.Fatal(err)
	}
	if second.NewBlocks > 5 || second.BytesStored > first.BytesStored/50 {
		t.Fatalf("one changed record of 20,000 stored %+v after %+v", second, first)
	}
	got, err := read(t.Context(), open(t, store), point(2))
	if err != nil {
		t.Fatal(err)
	}
	requireEqual(t, got, content)
}
