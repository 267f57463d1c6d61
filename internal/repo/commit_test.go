package repo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

func newWriter(t *testing.T, r *repo.Repository, id string) *repo.Writer {
	t.Helper()
	w, err := r.NewWriter(t.Context(), repo.WriterOptions{RecoveryPoint: id, PackSize: smallPacks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func TestCommittingTwice(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	content := records(10, 100)
	for range 2 {
		if _, err := backup(t.Context(), r, point(1), content); err != nil {
			t.Fatalf("the same content: %v", err)
		}
	}
	if _, err := backup(t.Context(), r, point(1), content[1:]); !errors.Is(err, repo.ErrConflict) {
		t.Errorf("other content: %v", err)
	}
	got, err := read(t.Context(), r, point(1))
	if err != nil {
		t.Fatal(err)
	}
	requireEqual(t, got, content)
	if names := store.Names("writers/"); len(names) != 1 {
		t.Errorf("announcements left: %q, want that of the failed one only", names)
	}
}

func TestAVoidRecoveryPointNeverComesToBe(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	w := newWriter(t, r, point(1))
	for range 2 {
		if err := r.Void(t.Context(), point(1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(t.Context(), repo.Manifest{}); !errors.Is(err, repo.ErrVoid) {
		t.Errorf("the fenced writer's commit: %v", err)
	}
	if _, err := r.Manifest(t.Context(), point(1)); !errors.Is(err, repo.ErrVoid) {
		t.Errorf("manifest: %v", err)
	}
	if _, err := backup(t.Context(), r, point(2), records(1, 1)); err != nil {
		t.Fatal(err)
	}
	if err := r.Void(t.Context(), point(2)); !errors.Is(err, repo.ErrConflict) {
		t.Errorf("a recovery point that exists was made void: %v", err)
	}
}

func TestNothingIsARecoveryPointBeforeItsCommit(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	w := newWriter(t, r, point(1))
	m, err := writeStreams(w, records(50, 100))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for info, err := range r.Manifests(t.Context()) {
		t.Errorf("listed %+v, %v", info, err)
	}
	if _, err := r.Manifest(t.Context(), point(1)); !errors.Is(err, repo.ErrNoRecoveryPoint) {
		t.Errorf("manifest: %v", err)
	}
	if len(store.Names("writers/")) != 1 {
		t.Error("the writer was not announced")
	}
	if err := w.Commit(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if names := store.Names("writers/"); len(names) != 0 {
		t.Errorf("announcements left: %q", names)
	}
	if err := r.DeleteManifest(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteManifest(t.Context(), point(1)); err != nil {
		t.Errorf("a second delete: %v", err)
	}
	if err := r.Verify(t.Context(), point(1)); !errors.Is(err, repo.ErrNoRecoveryPoint) {
		t.Errorf("verify after delete: %v", err)
	}
}

func TestStreamsMustBeClosedAndNamedOnce(t *testing.T) {
	w := newWriter(t, open(t, &objstoretest.Memory{}), point(1))
	a, err := w.Archive("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Archive("a"); !errors.Is(err, repo.ErrConflict) {
		t.Errorf("a second stream of that name: %v", err)
	}
	if _, err := w.Archive(""); err == nil {
		t.Error("a stream without a name")
	}
	if err := w.Commit(t.Context(), repo.Manifest{}); err == nil {
		t.Error("committed with an open stream")
	}
	first, err := a.Close()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.Close(); err != nil || again != first {
		t.Errorf("closed twice: %+v, %v", again, err)
	}
	if err := a.Add("x", nil); err == nil {
		t.Error("added to a closed archive")
	}
	if err := w.Commit(t.Context(), repo.Manifest{ID: point(2)}); err == nil {
		t.Error("committed under another id")
	}
	if err := w.Commit(t.Context(), repo.Manifest{Streams: []repo.StreamRef{first}}); err != nil {
		t.Fatal(err)
	}
}

func TestManifestsAreListedCompletelyOrWithAnError(t *testing.T) {
	memory := &objstoretest.Memory{}
	r := open(t, memory)
	var want []string
	for n := range 5 {
		if _, err := backup(t.Context(), r, point(n), records(n, 10)); err != nil {
			t.Fatal(err)
		}
		want = append(want, point(n))
	}
	memory.Overwrite("manifests/not-an-id", nil)
	list := func(r *repo.Repository) (ids []string, failed error) {
		for info, err := range r.Manifests(t.Context()) {
			if err != nil {
				return ids, err
			}
			ids = append(ids, info.ID)
		}
		return ids, nil
	}
	if got, err := list(r); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	torn := objstoretest.Faulty(memory, func(c objstoretest.Call) objstoretest.Fault {
		return objstoretest.Fault{Tear: c.Op == "list"}
	})
	broken, err := repo.Open(t.Context(), torn, testKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := list(broken); !errors.Is(err, objstore.ErrUnavailable) {
		t.Errorf("a listing that broke off gave %q, %v", got, err)
	}
	if err := broken.Verify(t.Context(), point(4)); !errors.Is(err, objstore.ErrUnavailable) || errors.Is(err, repo.ErrDamaged) {
		t.Errorf("an index listing that broke off: %v", err)
	}
}

func TestAWriterStopsWithItsContext(t *testing.T) {
	r := open(t, &objstoretest.Memory{})
	ctx, cancel := context.WithCancel(t.Context())
	w, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: point(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	a, err := w.Archive("a")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for i := 0; err == nil && i < 1_000_000; i++ {
		err = a.Add(fmt.Sprintf("%08d", i), []byte("x"))
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("add: %v", err)
	}
	if err := w.Flush(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("flush: %v", err)
	}
}

func TestReadingStopsWithItsContextAndSaysSo(t *testing.T) {
	r := open(t, &objstoretest.Memory{})
	if _, err := backup(t.Context(), r, point(1), records(5000, 50)); err != nil {
		t.Fatal(err)
	}
	m, err := r.Manifest(t.Context(), point(1))
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Archive(t.Context(), m.Streams[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen, last := 0, error(nil)
	for _, last = range a.All(ctx) {
		if seen++; seen == 100 {
			cancel()
		}
	}
	cancel()
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ended after %d records with %v", seen, last)
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	key, err := repo.ParseKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s", key, key, key, key)} {
		if slices.Contains([]rune(text), '0') {
			t.Error(text)
		}
	}
	if _, err := key.MarshalText(); err == nil {
		t.Error("a key was written out")
	}
	if _, err := repo.ParseKey(make([]byte, 31)); err == nil {
		t.Error("a short key was taken")
	}
}

func TestManifestFactsAreKept(t *testing.T) {
	r := open(t, &objstoretest.Memory{})
	w := newWriter(t, r, point(1))
	want := repo.Manifest{Created: time.Unix(1000, 5), Instance: "i", Facts: map[string]string{"a": "b"},
		Volumes:  []repo.Volume{{Namespace: "n", Claim: "c", ReasonCode: "HostPath", CutAt: time.Unix(5, 0).UTC()}},
		Kinds:    []repo.Kind{{Version: "v1", Kind: "Pod", Resource: "pods", ResourceVersion: "7"}},
		Warnings: []repo.Warning{{Resource: "x", Code: "y", Message: "z", Actions: []string{"do"}}}}
	if err := w.Commit(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := r.Manifest(t.Context(), point(1))
	if err != nil || !got.Created.Equal(want.Created) || got.Facts["a"] != "b" || got.Volumes[0].CutAt != want.Volumes[0].CutAt ||
		got.Kinds[0] != want.Kinds[0] || !cmp.Equal(got.Warnings, want.Warnings) || got.ID != point(1) {
		t.Errorf("%+v, %v", got, err)
	}
}
