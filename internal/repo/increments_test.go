package repo_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/repo/layout"
)

const testBlock = 4096

// sparse is the model of a volume: its blocks that are not zero.
type sparse struct {
	length int64
	blocks map[int64][]byte
}

func (s sparse) count() int64 { return (s.length + testBlock - 1) / testBlock }

func (s sparse) size(block int64) int64 { return min(testBlock, s.length-block*testBlock) }

func (s sparse) put(block int64, content []byte) {
	if bytes.Equal(content, make([]byte, len(content))) {
		delete(s.blocks, block)
	} else {
		s.blocks[block] = bytes.Clone(content)
	}
}

// resized is the volume cut or grown to another length.
func (s sparse) resized(length int64) sparse {
	next := sparse{length, map[int64][]byte{}}
	for block, content := range s.blocks {
		if block < next.count() {
			whole := make([]byte, next.size(block))
			copy(whole, content)
			next.put(block, whole)
		}
	}
	return next
}

// ReadAt reads as a device of this content does.
func (s sparse) ReadAt(p []byte, offset int64) (int, error) {
	if offset+int64(len(p)) > s.length {
		return 0, io.EOF
	}
	clear(p)
	for block := offset / testBlock; block*testBlock < offset+int64(len(p)); block++ {
		if content := s.blocks[block]; content != nil {
			copy(p[block*testBlock-offset:], content)
		}
	}
	return len(p), nil
}

// change draws changes, makes them in the model, and gives them to the writer.
func (s sparse) change(t *rapid.T, v *repo.VolumeWriter) {
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	content := func(block int64) []byte {
		c := make([]byte, s.size(block))
		c[len(c)-1] = rapid.ByteRange(0, 3).Draw(t, "byte")
		return c
	}
	for next := int64(0); next < s.count(); {
		from := rapid.Int64Range(next, min(s.count()-1, next+2*s.count()/3)).Draw(t, "from")
		to := rapid.Int64Range(from+1, min(s.count(), from+1+rapid.SampledFrom([]int64{1, 5, 300, 70000}).Draw(t, "up to"))).Draw(t, "to")
		switch rapid.IntRange(0, 3).Draw(t, "step") {
		case 0:
			must(v.Hole(from, to))
			maps.DeleteFunc(s.blocks, func(block int64, _ []byte) bool { return from <= block && block < to })
		case 1:
			to = min(to, from+3)
			for block := from; block < to; block++ {
				s.put(block, content(block))
			}
			device := sparse{s.length, maps.Clone(s.blocks)} // is read later
			must(v.Copy(device, from, to))
		default:
			to = min(to, from+3)
			for block := from; block < to; block++ {
				c := content(block)
				must(v.Write(block, c))
				s.put(block, c)
				clear(c) // may be reused
			}
		}
		next = to
	}
}

func TestAnyIncrementsAreReadBack(t *testing.T) {
	lengths := rapid.OneOf(rapid.Int64Range(0, 5*testBlock), rapid.Int64Range(0, 600*testBlock),
		rapid.Int64Range(250*testBlock, 260*testBlock), rapid.Int64Range(65530*testBlock, 70000*testBlock))
	rapid.Check(t, func(rt *rapid.T) {
		store, model := &objstoretest.Memory{}, sparse{}
		for n := range rapid.IntRange(2, 5).Draw(rt, "recovery points") {
			length := model.length
			if n == 0 || rapid.Bool().Draw(rt, "resize") {
				length = lengths.Draw(rt, "length")
			}
			model = model.resized(length)
			w := newWriter(t, open(t, store), point(n+1))
			shape := repo.VolumeShape{Length: length, BlockSize: testBlock}
			v, err := w.Volume("v", shape)
			if n > 0 {
				_ = w.Close()
				w = newWriter(t, open(t, store), point(n+1))
				v, err = w.VolumeFrom("v", shape, repo.Base{Point: point(n), Stream: "v"})
			}
			if err != nil {
				rt.Fatal(err)
			}
			model.change(rt, v)
			commitVolume(rt, w, v)
			model.require(rt, open(t, store), point(n+1))
		}
	})
}

// require compares what is stored with the model: in order, and by Restore.
func (s sparse) require(t fataler, r *repo.Repository, id string) {
	ctx := context.Background()
	m, err := r.Manifest(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Volume(ctx, m.Streams[0])
	if err != nil {
		t.Fatal(err)
	}
	want, last := maps.Clone(s.blocks), int64(-1)
	for block, err := range v.Blocks(ctx) {
		if err != nil || block.Index <= last || !bytes.Equal(want[block.Index], block.Data) {
			t.Fatalf("block %d after %d: %v", block.Index, last, err)
		}
		last = block.Index
		delete(want, block.Index)
	}
	if len(want) > 0 || m.Streams[0].Length != s.length {
		t.Fatalf("blocks %v are missing of %d bytes", slices.Sorted(maps.Keys(want)), m.Streams[0].Length)
	}
	requireRestore(t, v, s.blocks)
	s.requireMap(t, v)
}

// requireMap compares what the stream says of itself without reading blocks.
func (s sparse) requireMap(t fataler, v *repo.VolumeReader) {
	ctx, count, last := context.Background(), 0, int64(-1)
	for r, err := range v.Stored(ctx) {
		if err != nil || r.From <= last || r.To <= r.From {
			t.Fatalf("%+v after block %d: %v", r, last, err)
		}
		for last = r.From; last < r.To; last++ {
			if s.blocks[last] == nil {
				t.Fatalf("block %d is said to be stored", last)
			}
			count++
		}
	}
	if count != len(s.blocks) {
		t.Fatalf("%d blocks are said to be stored of %d", count, len(s.blocks))
	}
	for _, block := range []int64{0, s.count() / 2, s.count() - 1} {
		if s.length == 0 {
			continue
		}
		is, other := make([]byte, s.size(block)), bytes.Repeat([]byte{200}, int(s.size(block)))
		copy(is, s.blocks[block])
		for _, c := range []struct {
			content []byte
			want    bool
		}{{is, true}, {other, false}, {is[1:], false}} {
			if got, err := v.Same(ctx, block, c.content); err != nil || got != c.want {
				t.Fatalf("block %d: same is %v: %v", block, got, err)
			}
		}
	}
}

func requireRestore(t fataler, v *repo.VolumeReader, blocks map[int64][]byte) {
	want := maps.Clone(blocks)
	var mu sync.Mutex
	handed, most, told := int64(0), int64(math.MaxInt64), false
	err := v.Restore(context.Background(), func(block repo.VolumeBlock) error {
		mu.Lock()
		defer mu.Unlock()
		if block.Offset != block.Index*testBlock || len(block.Data) == 0 {
			t.Fatalf("block %d at %d with %d bytes", block.Index, block.Offset, len(block.Data))
		}
		index := block.Index
		for one := range slices.Chunk(block.Data, testBlock) {
			if !bytes.Equal(want[index], one) {
				t.Fatalf("block %d is another", index)
			}
			delete(want, index)
			index++
		}
		handed += int64(len(block.Data))
		if handed > most {
			t.Fatalf("%d bytes of %d at most", handed, most)
		}
		return nil
	}, func(bytes int64) {
		mu.Lock()
		defer mu.Unlock()
		if bytes > most {
			t.Fatalf("%d bytes at most after %d", bytes, most)
		}
		most, told = bytes, true
	})
	if err != nil || len(want) > 0 {
		t.Fatalf("%d blocks were not restored: %v", len(want), err)
	}
	if !told || handed != most {
		t.Fatalf("%d bytes were restored of %d", handed, most)
	}
}

// written makes a recovery point of a volume of count blocks, no two equal.
func written(t *testing.T, store objstore.Store, id string, count int64) sparse {
	t.Helper()
	s := sparse{count * testBlock, map[int64][]byte{}}
	for block := range count {
		c := make([]byte, testBlock)
		copy(c, []byte{1, byte(block), byte(block >> 8), byte(block >> 16)})
		s.put(block, c)
	}
	w := newWriter(t, open(t, store), id)
	v, err := w.Volume("v", repo.VolumeShape{Length: s.length, BlockSize: testBlock})
	if err == nil {
		err = v.Copy(s, 0, count)
	}
	if err != nil {
		t.Fatal(err)
	}
	commitVolume(t, w, v)
	return s
}

// reads counts what is read of packs.
type reads struct {
	objstore.Store
	mu    sync.Mutex
	packs int
}

func (r *reads) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if strings.HasPrefix(name, layout.Packs) {
		r.mu.Lock()
		r.packs++
		r.mu.Unlock()
	}
	return r.Store.Get(ctx, name, offset, length)
}

func TestAnIncrementCostsWhatChanged(t *testing.T) {
	store := &reads{Store: &objstoretest.Memory{}}
	const count = 66_000 // three levels
	model := written(t, store, point(1), count)
	store.packs = 0
	w := newWriter(t, open(t, store), point(2))
	v, err := w.VolumeFrom("v", repo.VolumeShape{Length: model.length, BlockSize: testBlock}, repo.Base{Point: point(1), Stream: "v"})
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Repeat([]byte{7}, testBlock)
	for _, step := range []struct {
		block   int64
		content []byte
	}{{300, model.blocks[300]}, {40_000, changed}} { // the first is what the base has
		if err := v.Write(step.block, step.content); err != nil {
			t.Fatal(err)
		}
	}
	model.put(40_000, changed)
	commitVolume(t, w, v)
	if s := w.Stats(); s.NewBlocks != 1+3 || store.packs > 8 {
		t.Errorf("one changed block stored %+v and read %d times", s, store.packs)
	}
	model.require(t, open(t, store), point(2))

	w = newWriter(t, open(t, store), point(3))
	if v, err = w.VolumeFrom("v", repo.VolumeShape{Length: model.length, BlockSize: testBlock}, repo.Base{Point: point(2), Stream: "v"}); err != nil {
		t.Fatal(err)
	}
	commitVolume(t, w, v)
	if s := w.Stats(); s.NewBlocks != 0 || s.Blocks != 0 {
		t.Errorf("no change is %+v", s)
	}
	model.require(t, open(t, store), point(3))
}

func TestABaseThatCannotBeUsed(t *testing.T) {
	store := &objstoretest.Memory{}
	model := written(t, store, point(1), 600)
	shape := repo.VolumeShape{Length: model.length, BlockSize: testBlock}
	r := open(t, store)
	w := newWriter(t, r, point(2))
	if err := r.Void(t.Context(), point(9)); err != nil {
		t.Fatal(err)
	}
	larger := repo.VolumeShape{Length: model.length, BlockSize: 2 * testBlock}
	for name, c := range map[string]struct {
		shape repo.VolumeShape
		base  repo.Base
	}{"gone": {shape, repo.Base{Point: point(8), Stream: "v"}}, "void": {shape, repo.Base{Point: point(9), Stream: "v"}},
		"other stream": {shape, repo.Base{Point: point(1), Stream: "w"}}, "other block size": {larger, repo.Base{Point: point(1), Stream: "v"}}} {
		if _, err := w.VolumeFrom("v", c.shape, c.base); !errors.Is(err, repo.ErrBase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range store.Names(layout.Packs) {
		store.Overwrite(name, []byte("rubbish"))
	}
	v, err := w.VolumeFrom("v", shape, repo.Base{Point: point(1), Stream: "v"})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Copy(model, 0, 600); err != nil && !errors.Is(err, repo.ErrBase) {
		t.Fatal(err)
	}
	if _, err := v.Close(); !errors.Is(err, repo.ErrBase) || !errors.Is(err, repo.ErrDamaged) {
		t.Fatalf("damaged pages: %v", err)
	}
	if v, err = w.Volume("v", shape); err != nil { // the caller falls back
		t.Fatal(err)
	}
	if err := v.Write(0, bytes.Repeat([]byte{9}, testBlock)); err != nil {
		t.Fatal(err)
	}
	commitVolume(t, w, v)
	sparse{model.length, map[int64][]byte{0: bytes.Repeat([]byte{9}, testBlock)}}.require(t, open(t, store), point(2))
}

func TestAnIncrementDoesNotRelyOnCondemnedPacks(t *testing.T) {
	store := &objstoretest.Memory{}
	model := written(t, store, point(1), 600)
	old := store.Names(layout.Packs)
	condemn(t, store, 1, old...)
	w := newWriter(t, open(t, store), point(2))
	v, err := w.VolumeFrom("v", repo.VolumeShape{Length: model.length, BlockSize: testBlock}, repo.Base{Point: point(1), Stream: "v"})
	if err != nil {
		t.Fatal(err)
	}
	commitVolume(t, w, v)
	for _, name := range old {
		if err := store.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	model.require(t, open(t, store), point(2))
}

func TestRestoreReadsEachFrameOnceAndFindsAnotherPlace(t *testing.T) {
	memory := &objstoretest.Memory{}
	model := written(t, memory, point(1), 5000)
	store := &reads{Store: memory}
	m, err := open(t, store).Manifest(t.Context(), point(1))
	if err != nil {
		t.Fatal(err)
	}
	v, err := open(t, store).Volume(t.Context(), m.Streams[0])
	if err != nil {
		t.Fatal(err)
	}
	requireRestore(t, v, model.blocks)
	if frames := 5000*testBlock/(4<<20) + 1; store.packs > frames+2 {
		t.Errorf("%d reads of %d frames and the pages", store.packs, frames)
	}
	stop := errors.New("disk is full")
	if err := v.Restore(t.Context(), func(repo.VolumeBlock) error { return stop }, nil); !errors.Is(err, stop) {
		t.Errorf("an error of the disk: %v", err)
	}
	for _, name := range memory.Names(layout.Packs) {
		data, err := memory.Get(t.Context(), name, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		whole, _ := io.ReadAll(data)
		whole[100] ^= 1
		memory.Overwrite(name, whole)
	}
	if err := v.Restore(t.Context(), func(repo.VolumeBlock) error { return nil }, nil); !errors.Is(err, repo.ErrDamaged) {
		t.Errorf("a damaged frame: %v", err)
	}
}

func TestAFailingDeviceFailsItsStreamOnly(t *testing.T) {
	w := newWriter(t, open(t, &objstoretest.Memory{}), point(1))
	shape := repo.VolumeShape{Length: 3000 * testBlock, BlockSize: testBlock}
	v, err := w.Volume("v", shape)
	if err == nil {
		err = v.Copy(sparse{length: 1000 * testBlock}, 0, 3000) // the device is shorter
	}
	if err == nil {
		_, err = v.Close()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatalf("a device that ends early: %v", err)
	}
	if v, err = w.Volume("v", shape); err != nil {
		t.Fatal(err)
	}
	commitVolume(t, w, v)
}
