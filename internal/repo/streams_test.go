package repo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

func TestAnyArchiveIsReadBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		content := rapid.MapOfN(rapid.StringMatching(`[a-c]{1,3}/[a-z]{1,2}`), rapid.SliceOfN(rapid.Byte(), 0, 50), 0, 120).Draw(rt, "content")
		var list []repo.Record
		for _, key := range slices.Sorted(maps.Keys(content)) {
			list = append(list, repo.Record{Key: key, Value: content[key]})
		}
		r := open(t, &objstoretest.Memory{})
		if _, err := backup(t.Context(), r, point(1), list); err != nil {
			rt.Fatal(err)
		}
		got, err := read(t.Context(), r, point(1))
		if err != nil {
			rt.Fatal(err)
		}
		requireEqual(t, got, list)
		requirePrefixes(t, r, list)
	})
}

func requirePrefixes(t *testing.T, r *repo.Repository, list []repo.Record) {
	t.Helper()
	m, err := r.Manifest(t.Context(), point(1))
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Archive(t.Context(), m.Streams[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"a", "b/", "c/z", "ab/", "d", "\x00"} {
		want := slices.DeleteFunc(slices.Clone(list), func(r repo.Record) bool { return !strings.HasPrefix(r.Key, prefix) })
		var got []repo.Record
		for record, err := range a.Prefix(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, record)
		}
		requireEqual(t, got, want)
	}
	for i, record := range list {
		if got, err := a.Get(t.Context(), record.Key); err != nil || !bytes.Equal(got.Value, record.Value) {
			t.Fatalf("record %d %q: %v", i, record.Key, err)
		}
		if _, err := a.Get(t.Context(), record.Key+"\x00"); !errors.Is(err, repo.ErrNoRecord) {
			t.Fatalf("absent record: %v", err)
		}
	}
}

func TestRecordsThatAreRefused(t *testing.T) {
	w := newWriter(t, open(t, &objstoretest.Memory{}), point(1))
	a, err := w.Archive("a")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key   string
		value []byte
		want  error
	}{{"", nil, repo.ErrTooLarge}, {"b", nil, nil}, {"b", nil, repo.ErrOrder}, {"a", nil, repo.ErrOrder}, {"b\x00", nil, nil},
		{strings.Repeat("c", 4097), nil, repo.ErrTooLarge}, {"c", make([]byte, 8<<20+1), repo.ErrTooLarge}, {"c", make([]byte, 8<<20), nil},
		{strings.Repeat("d", 4096), []byte("x"), nil}} {
		if err := a.Add(c.key, c.value); !errors.Is(err, c.want) {
			t.Errorf("%.20q, %d bytes: %v, want %v", c.key, len(c.value), err, c.want)
		}
	}
	ref, err := a.Close()
	if err != nil || ref.Records != 4 || ref.Bytes != 8<<20+1 {
		t.Fatalf("%+v, %v", ref, err)
	}
	if err := w.Commit(t.Context(), repo.Manifest{Streams: []repo.StreamRef{ref}}); err != nil {
		t.Fatal(err)
	}
}

func TestOneRecordMoreOrLessStoresLittle(t *testing.T) {
	content := records(6000, 200)
	for name, change := range map[string]func([]repo.Record) []repo.Record{
		"removed": func(c []repo.Record) []repo.Record { return slices.Delete(c, 4000, 4001) },
		"first":   func(c []repo.Record) []repo.Record { return slices.Insert(c, 0, repo.Record{Key: "a"}) },
		"last":    func(c []repo.Record) []repo.Record { return append(c, repo.Record{Key: "z"}) },
		"in between": func(c []repo.Record) []repo.Record {
			return slices.Insert(c, 5000, repo.Record{Key: c[4999].Key + "-x", Value: []byte("new")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &objstoretest.Memory{}
			if _, err := backup(t.Context(), open(t, store), point(1), content); err != nil {
				t.Fatal(err)
			}
			s, err := backup(t.Context(), open(t, store), point(2), change(slices.Clone(content)))
			if err != nil || s.NewBlocks > 8 {
				t.Errorf("stored %+v, %v", s, err)
			}
			if err := open(t, store).Verify(t.Context(), point(2)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnyVolumeIsReadBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const size = 4096
		length := rapid.Int64Range(0, 600*size).Draw(rt, "length")
		image := make([]byte, length)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		for block := range (length + size - 1) / size {
			if rng.IntN(4) == 0 {
				image[block*size] = byte(1 + rng.IntN(5)) // some blocks are equal
			}
		}
		store := &objstoretest.Memory{}
		w := newWriter(t, open(t, store), point(1))
		v, err := w.Volume("v", repo.VolumeShape{Length: length, BlockSize: size})
		if err != nil {
			rt.Fatal(err)
		}
		for at := int64(0); at < length; at += size {
			if err := v.Write(at/size, image[at:min(at+size, length)]); err != nil {
				rt.Fatal(err)
			}
		}
		commitVolume(rt, w, v)
		requireImage(rt, open(t, store), image)
	})
}

type fataler interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

func commitVolume(t fataler, w *repo.Writer, v *repo.VolumeWriter) {
	ref, err := v.Close()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := w.Commit(ctx, repo.Manifest{Streams: []repo.StreamRef{ref}}); err != nil {
		t.Fatal(err)
	}
}

func requireImage(t fataler, r *repo.Repository, want []byte) {
	ctx := context.Background()
	if err := r.Verify(ctx, point(1)); err != nil {
		t.Fatal(err)
	}
	m, err := r.Manifest(ctx, point(1))
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Volume(ctx, m.Streams[0])
	if err != nil {
		t.Fatal(err)
	}
	got, next := make([]byte, m.Streams[0].Length), int64(0)
	for block, err := range v.Blocks(ctx) {
		if err != nil || block.Offset < next {
			t.Fatalf("block at %d after %d: %v", block.Offset, next, err)
		}
		next = block.Offset + int64(len(block.Data))
		copy(got[block.Offset:], block.Data)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the image is another")
	}
}

func TestBlocksThatAreRefused(t *testing.T) {
	w := newWriter(t, open(t, &objstoretest.Memory{}), point(1))
	for _, shape := range []repo.VolumeShape{{Length: -1, BlockSize: 4096}, {Length: 1, BlockSize: 0}, {Length: 1, BlockSize: 5000}} {
		if _, err := w.Volume("bad", shape); err == nil {
			t.Errorf("%+v is taken", shape)
		}
	}
	v, err := w.Volume("v", repo.VolumeShape{Length: 3*4096 + 10, BlockSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		block int64
		size  int
		ok    bool
	}{{-1, 4096, false}, {1, 4096, true}, {1, 4096, false}, {0, 4096, false}, {2, 4095, false}, {2, 4097, false}, {3, 4096, false}, {3, 10, true}, {4, 10, false}} {
		if err := v.Write(c.block, make([]byte, c.size)); (err == nil) != c.ok {
			t.Errorf("block %d of %d bytes: %v", c.block, c.size, err)
		}
	}
	if ref, err := v.Close(); err != nil || ref.Root != "" || ref.Levels != 1 {
		t.Errorf("a volume of zeros: %+v, %v", ref, err)
	}
}

func TestAnIncrementOfAVolumeStoresBlocksAndPagesThatChanged(t *testing.T) {
	const size, blocks = 4096, 1500
	image := make([]byte, size*blocks)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range image {
		image[i] = byte(rng.Uint32())
	}
	store := &objstoretest.Memory{}
	write := func(id string) repo.Stats {
		w := newWriter(t, open(t, store), id)
		v, err := w.Volume("v", repo.VolumeShape{Length: int64(len(image)), BlockSize: size})
		if err != nil {
			t.Fatal(err)
		}
		for b := range int64(blocks) {
			if err := v.Write(b, image[b*size:(b+1)*size]); err != nil {
				t.Fatal(err)
			}
		}
		commitVolume(t, w, v)
		return w.Stats()
	}
	write(point(1))
	image[300*size]++
	image[301*size]++
	if s := write(point(2)); s.NewBlocks != 2+1+1 || s.BytesStored > 64<<10 {
		t.Errorf("two changed blocks stored %+v", s)
	}
}

func TestStreamsMayBeWrittenAtOnce(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	w := newWriter(t, r, point(1))
	refs := make([]repo.StreamRef, 8)
	var writing sync.WaitGroup
	for i := range refs {
		writing.Go(func() {
			a, err := w.Archive(fmt.Sprint("stream-", i))
			if err != nil {
				t.Error(err)
				return
			}
			for _, record := range records(2000, 100+i/2) { // pairs of streams are equal
				if err := a.Add(record.Key, record.Value); err != nil {
					t.Error(err)
					return
				}
			}
			if refs[i], err = a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	writing.Wait()
	if err := w.Commit(t.Context(), repo.Manifest{Streams: refs}); err != nil {
		t.Fatal(err)
	}
	if err := open(t, store).Verify(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	if s := w.Stats(); s.NewBlocks*2 > s.Blocks+10 {
		t.Errorf("equal streams were stored twice: %+v", s)
	}
}
