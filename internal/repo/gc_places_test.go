package repo

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// lies is a place of a block: one block may lie in many packs.
type lies struct {
	name seal.Name
	pack layout.ID
}

// inPacks are all places of blocks, as the packs themselves tell.
func inPacks(t *rapid.T, r *Repository) map[lies]bool {
	t.Helper()
	ctx := context.Background()
	packs, err := r.packs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all := map[lies]bool{}
	for id, size := range packs {
		frames, err := r.footer(ctx, id, size)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			for _, b := range f.Blocks {
				all[lies{b.Name, id}] = true
			}
		}
	}
	return all
}

// listed are all places of blocks that index segments list.
func listed(t *rapid.T, r *Repository) map[lies]bool {
	t.Helper()
	if err := r.places.refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	all := map[lies]bool{}
	for _, s := range r.places.order {
		for e, err := range s.All() {
			if err != nil {
				t.Fatal(err)
			}
			all[lies{e.Name, e.Place.Pack}] = true
		}
	}
	return all
}

// commitBlocks writes a recovery point of a volume with these blocks.
func commitBlocks(ctx context.Context, w *Writer, numbers []int64) error {
	v, err := w.Volume("data", VolumeShape{Length: 1 << 20, BlockSize: 4096})
	for _, n := range numbers {
		if err == nil {
			err = v.Write(n, bytes.Repeat([]byte{byte(n + 1)}, 4096))
		}
	}
	if err != nil {
		return err
	}
	ref, err := v.Close()
	if err != nil {
		return err
	}
	return w.Commit(ctx, Manifest{Streams: []StreamRef{ref}})
}

// TestMergingKeepsEveryPlace lets writers that do not see each other store the
// same blocks, so that blocks lie in many packs, and collects garbage, which
// merges index segments. Whatever it merges, each place in a pack that stays
// is still listed: somebody may rely on this very place.
func TestMergingKeepsEveryPlace(t *testing.T) {
	merged, doubled := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		r, points := overlapping(t)
		defer r.Close()
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, points-1), 0, points-1, rapid.ID).Draw(t, "deleted") {
			if err := r.DeleteManifest(ctx, pointOf(n)); err != nil {
				t.Fatal(err)
			}
		}
		result, err := r.CollectGarbage(ctx, GCOptions{Live: rapid.SampledFrom([]float64{0.01, 0.5}).Draw(t, "live")})
		if err != nil {
			t.Fatal(err)
		}
		if result.Replaced > 0 {
			merged++
		}
		have, places := listed(t, r), map[seal.Name]int{}
		for at := range inPacks(t, r) {
			if places[at.name]++; places[at.name] == 2 {
				doubled++
			}
			if !have[at] {
				t.Errorf("block %x lies in pack %s, and no segment says so", at.name[:4], at.pack)
			}
		}
	})
	if merged == 0 || doubled == 0 {
		t.Errorf("%d collections merged segments, %d blocks had two places: the test has seen nothing", merged, doubled)
	}
}

func pointOf(n int) string { return fmt.Sprintf("%032x", n+1) }

// overlapping makes a repository of recovery points that share blocks, each
// stored by all who need it.
func overlapping(t *rapid.T) (r *Repository, points int) {
	ctx := context.Background()
	store, key := &objstoretest.Memory{}, Key{1}
	err := Create(ctx, store, key, CreateOptions{ID: pointOf(0)})
	if err == nil {
		r, err = Open(ctx, store, key)
	}
	if err != nil {
		t.Fatal(err)
	}
	points = rapid.IntRange(2, mergeAt+2).Draw(t, "points")
	writers := make([]*Writer, points)
	for n := range writers { // all begin before any has stored something
		own, err := Open(ctx, store, key)
		if err == nil {
			defer own.Close()
			writers[n], err = own.NewWriter(ctx, WriterOptions{RecoveryPoint: pointOf(n), Workers: 1, Uploads: 1})
		}
		if err != nil {
			t.Fatal(err)
		}
		defer writers[n].Close()
	}
	for n, w := range writers {
		numbers := rapid.SliceOfNDistinct(rapid.Int64Range(0, 9), 1, 4, rapid.ID).Draw(t, "shared")
		slices.Sort(numbers)
		if err := commitBlocks(ctx, w, append(numbers, int64(100+n))); err != nil { // and one it has alone
			t.Fatal(err)
		}
	}
	return r, points
}
