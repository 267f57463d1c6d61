package repo_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

func testKeys() *seal.Keys { return seal.Derive(testKey, mustID(repositoryID)) }

// condemn says that packs are about to be deleted.
func condemn(t *testing.T, store *objstoretest.Memory, version int, packs ...string) {
	t.Helper()
	ids := make([]string, len(packs))
	for i, name := range packs {
		ids[i] = name[strings.LastIndexByte(name, '/')+1:]
	}
	content, err := json.Marshal(map[string]any{"version": version, "packs": ids})
	if err != nil {
		t.Fatal(err)
	}
	id := layout.NewID()
	data, err := manifest.EncodeDocument(testKeys(), seal.Condemned, mustID(repositoryID), id, [16]byte{}, content)
	if err != nil {
		t.Fatal(err)
	}
	store.Overwrite(layout.Condemned(id), data)
}

func TestAWriterDoesNotRelyOnCondemnedPacks(t *testing.T) {
	store := &objstoretest.Memory{}
	content := records(500, 200)
	if _, err := backup(t.Context(), open(t, store), point(1), content); err != nil {
		t.Fatal(err)
	}
	old := store.Names(layout.Packs)
	condemn(t, store, 1, old...)
	for _, id := range []string{point(2), point(3)} {
		if _, err := backup(t.Context(), open(t, store), id, content); err != nil {
			t.Fatal(err)
		}
	}
	if added := len(store.Names(layout.Packs)) - len(old); added != 1 {
		t.Errorf("%d packs were added; the second backup should have stored all, the third nothing", added)
	}
	for _, name := range old {
		if err := store.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	fresh := open(t, store)
	for n := range 3 {
		if err := fresh.Verify(t.Context(), point(n+1)); err != nil {
			t.Errorf("what was stored again is not found: %v", err)
		}
	}
	condemn(t, store, 99)
	if _, err := backup(t.Context(), fresh, point(4), content); !errors.Is(err, repo.ErrVersion) {
		t.Errorf("a condemnation that is not understood: %v", err)
	}
}

// TestABlockIsNeverTakenForAnother gives the reader an index that is sealed as
// it should be, but wrong.
func TestABlockIsNeverTakenForAnother(t *testing.T) {
	store := &objstoretest.Memory{}
	open(t, store)
	if err := wholeBackup(t.Context(), store, point(1), records(60, 100)); err != nil {
		t.Fatal(err)
	}
	name := store.Names(layout.Indexes)[0]
	id, err := layout.Parse(layout.Indexes, name)
	if err != nil {
		t.Fatal(err)
	}
	data := store.Bytes(name)
	segment, err := index.Open(bytes.NewReader(data), int64(len(data)), index.Cipher(testKeys(), id))
	if err != nil {
		t.Fatal(err)
	}
	var entries []index.Entry
	for e, err := range segment.All() {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	var equal []index.Place // blocks of one size: only their names tell them apart
	for _, e := range entries {
		if e.Place.Length == 4096 {
			equal = append(equal, e.Place)
		}
	}
	for what, spoil := range map[string]func(i int, p *index.Place){
		"another block": func(i int, p *index.Place) { *p = entries[(i+1)%len(entries)].Place },
		"another of its size": func(_ int, p *index.Place) {
			if p.Length == 4096 {
				*p = equal[(slices.Index(equal, *p)+1)%len(equal)]
			}
		},
		"a byte further":  func(_ int, p *index.Place) { p.Start++ },
		"a byte less":     func(_ int, p *index.Place) { p.Length-- },
		"beyond the end":  func(_ int, p *index.Place) { p.Start = 1<<32 - 1 },
		"a huge frame":    func(_ int, p *index.Place) { p.Sealed = 1<<32 - 1 },
		"no frame at all": func(_ int, p *index.Place) { p.Sealed = 0 },
		"another pack":    func(_ int, p *index.Place) { p.Pack = [16]byte{1} },
	} {
		spoiled := store.Clone()
		var out bytes.Buffer
		w, err := index.NewWriter(&out, index.Cipher(testKeys(), id), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			spoil(i, &e.Place)
			if err := w.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		spoiled.Overwrite(name, out.Bytes())
		if err := open(t, spoiled).Verify(t.Context(), point(1)); !errors.Is(err, repo.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestManyBlocks crosses the limits at which segments are stored early, and
// kept in files when loaded.
func TestManyBlocks(t *testing.T) {
	const size, blocks = 4096, 70_000
	store := &objstoretest.Memory{}
	write := func(id string) repo.Stats {
		w := newWriter(t, open(t, store), id)
		v, err := w.Volume("v", repo.VolumeShape{Length: size * blocks, BlockSize: size})
		if err != nil {
			t.Fatal(err)
		}
		block := make([]byte, size)
		for b := range int64(blocks) {
			binary.BigEndian.PutUint64(block[100:], uint64(b+1))
			if err := v.Write(b, block); err != nil {
				t.Fatal(err)
			}
		}
		commitVolume(t, w, v)
		return w.Stats()
	}
	if s := write(point(1)); s.NewBlocks != blocks+274+2+1 {
		t.Errorf("stored %+v", s)
	}
	if s := write(point(2)); s.NewBlocks != 0 {
		t.Errorf("stored again %+v", s)
	}
	if err := open(t, store).Verify(t.Context(), point(2)); err != nil {
		t.Fatal(err)
	}
	largest := 0
	for _, name := range store.Names(layout.Indexes) {
		largest = max(largest, len(store.Bytes(name)))
	}
	if largest <= 1<<20 {
		t.Errorf("the largest segment has %d bytes; this test should make one that goes to a file", largest)
	}
}
