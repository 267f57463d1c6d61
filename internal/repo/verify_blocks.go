package repo

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// inspection verifies recovery points one after the other, and what they share
// once.
type inspection struct {
	options VerifyOptions
	view    *view
	footers footers

	mu     sync.Mutex
	report VerifyReport
	found  map[string]*Finding
	order  []*Finding
	ok     marks // entries that were found well
	whole  marks // pages of which everything below is well
	hurt   bool  // the recovery point being verified is damaged
}

// point verifies one recovery point.
func (v *inspection) point(ctx context.Context, m Manifest) error {
	v.hurt = false
	var pages []spot
	for _, ref := range m.Streams {
		who := Affected{Point: m.ID, Stream: ref.Name, Volume: claimOf(m, ref.Name)}
		seen, err := v.stream(ctx, ref, who)
		if err != nil {
			return fmt.Errorf("recovery point %s: %w", m.ID, ofStream(ref.Name, err))
		}
		pages = append(pages, seen...)
	}
	if !v.hurt {
		for _, at := range pages {
			v.whole.set(at)
		}
	}
	v.report.Points++
	v.tell()
	return nil
}

func claimOf(m Manifest, stream string) string {
	for _, volume := range m.Volumes {
		if volume.Stream == stream {
			return volume.Namespace + "/" + volume.Claim
		}
	}
	return ""
}

func (v *inspection) tell() {
	if v.options.Progress == nil {
		return
	}
	v.mu.Lock()
	report := v.report
	v.mu.Unlock()
	v.options.Progress(report)
}

// stream verifies one stream, and returns its pages.
func (v *inspection) stream(ctx context.Context, ref StreamRef, who Affected) (pages []spot, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readAhead)
	visited := marks{}
	w := walker{
		read: func(ctx context.Context, name seal.Name) ([]byte, error) { return v.content(ctx, name, nil, true) },
		enter: func(name seal.Name) (bool, error) {
			at, found, err := v.view.repo.places.spot(name, nil)
			if err != nil || !found {
				return true, nil // told when it is read
			}
			if v.whole.has(at) {
				return false, nil
			}
			if !visited.set(at) {
				pages = append(pages, at)
			}
			return true, nil
		},
		leaf: func(name seal.Name, check func([]byte) error) error {
			g.Go(func() error { return v.leaf(gctx, name, check, who) })
			return gctx.Err()
		},
		lost: func(_ seal.Name, err error) error {
			v.note(err, &who)
			return nil
		},
	}
	err = w.stream(gctx, ref)
	if failed := g.Wait(); failed != nil {
		err = failed // it ended the walk
	}
	return pages, err
}

// leaf verifies a block or group.
func (v *inspection) leaf(ctx context.Context, name seal.Name, check func([]byte) error, who Affected) error {
	_, err := v.content(ctx, name, check, false)
	if errors.Is(err, ErrDamaged) {
		v.note(err, &who)
		return nil
	}
	return err
}

// content verifies the places of a block until one is well, and returns what
// is there when it is to be read. Every damage of a place is noted. Packs that
// are condemned are asked last: that they are damaged is known, perhaps.
func (v *inspection) content(ctx context.Context, name seal.Name, check func([]byte) error, read bool) ([]byte, error) {
	var first error
	spoiled := maps.Clone(v.view.avoid)
	for last := false; ; {
		at, found, err := v.view.repo.places.spot(name, spoiled)
		if !found && !last {
			last = true
			maps.DeleteFunc(spoiled, func(id layout.ID, _ bool) bool { return v.view.avoid[id] })
			continue
		}
		if !found {
			return nil, nowhere(name, cmp.Or(first, err))
		}
		data, err := v.place(ctx, name, at, check, read)
		if !errors.Is(err, ErrDamaged) {
			return data, err
		}
		v.note(err, nil)
		first = cmp.Or(first, err)
		spoiled[at.place.Pack] = true
	}
}

// nowhere says why a block has no place that is well.
func nowhere(name seal.Name, err error) error {
	if err == nil {
		err = fmt.Errorf("block %x is in no index segment", name[:8])
	}
	if errors.Is(err, ErrDamaged) {
		return err
	}
	return &Damage{Err: err} // or the segment that may know it is of a newer version
}

// place verifies one place of a block.
func (v *inspection) place(ctx context.Context, name seal.Name, at spot, check func([]byte) error, read bool) ([]byte, error) {
	v.mu.Lock()
	done := v.ok.has(at)
	v.mu.Unlock()
	sampled := v.sampled(at.place)
	if done && !read && (check == nil || !sampled) {
		return nil, nil
	}
	if err := v.agrees(ctx, name, at.place); errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion) {
		v.noteAt(layout.Pack(at.place.Pack), err, nil) // whether the block suffers is seen when it is read
		read = true
	} else if err != nil {
		return nil, err
	}
	var data []byte
	if read || sampled {
		var err error
		if data, err = v.view.repo.blockAt(ctx, name, at.place); err == nil && check != nil {
			err = check(data)
		}
		if err != nil {
			return nil, err
		}
	}
	v.well(at, data)
	return data, nil
}

// well counts a place that is well.
func (v *inspection) well(at spot, data []byte) {
	v.mu.Lock()
	tell := false
	if !v.ok.set(at) {
		v.report.Blocks++
		tell = v.report.Blocks%10_000 == 0
		if data != nil {
			v.report.Read++
			v.report.Bytes += int64(len(data))
		}
	}
	report := v.report
	if tell && v.options.Progress != nil {
		v.options.Progress(report) // under the lock: by one goroutine at a time
	}
	v.mu.Unlock()
}

// sampled reports whether a frame is among those to be read.
func (v *inspection) sampled(p index.Place) bool {
	if v.options.Share >= 1 || v.options.Share <= 0 {
		return v.options.Share >= 1
	}
	a, b := binary.BigEndian.Uint64(p.Pack[:]), binary.BigEndian.Uint64(p.Pack[8:])
	drawn := rand.New(rand.NewPCG(v.options.Seed^a, b^uint64(p.Offset))).Uint64()
	return float64(drawn) < v.options.Share*math.MaxUint64
}

// agrees checks a place against what its pack is, and says of itself.
func (v *inspection) agrees(ctx context.Context, name seal.Name, p index.Place) error {
	object := layout.Pack(p.Pack)
	size, there := v.view.packs[p.Pack]
	if !there {
		return &Damage{Object: object, Err: fmt.Errorf("the pack is not there: %w", objstore.ErrNotFound)}
	}
	if v.view.odd[p.Pack] {
		return &Damage{Object: object, Err: fmt.Errorf("the pack has %d bytes, not what was stored", size)}
	}
	frames, err := v.footers.get(ctx, p.Pack, size)
	if err != nil {
		return err
	}
	i, found := slices.BinarySearchFunc(frames, p.Offset, func(f pack.Frame, offset uint32) int { return cmp.Compare(f.Offset, offset) })
	start := uint32(0)
	if found && frames[i].Length == p.Sealed {
		for _, b := range frames[i].Blocks {
			if start == p.Start && b.Length == p.Length && b.Name == name {
				return nil
			}
			start += b.Length
		}
	}
	return &Damage{Object: object, Err: fmt.Errorf("block %x is not where the index has it", name[:8])}
}

// footers reads what packs say of themselves, and keeps the last ones.
type footers struct {
	repo *Repository

	mu   sync.Mutex
	kept map[layout.ID]*footer
	held int // blocks they list
}

// footersHeld bounds the blocks that kept footers list, of 36 bytes each.
const footersHeld = 1 << 19

type footer struct {
	once   sync.Once
	frames []pack.Frame
	err    error
}

func (f *footers) get(ctx context.Context, id layout.ID, size int64) ([]pack.Frame, error) {
	f.mu.Lock()
	one := f.kept[id]
	if one == nil {
		if f.kept == nil || f.held > footersHeld {
			f.kept, f.held = map[layout.ID]*footer{}, 0
		}
		one = &footer{}
		f.kept[id] = one
	}
	f.mu.Unlock()
	one.once.Do(func() {
		one.frames, one.err = f.repo.footer(ctx, id, size)
		blocks := 1
		for _, frame := range one.frames {
			blocks += len(frame.Blocks)
		}
		f.mu.Lock()
		f.held += blocks
		f.mu.Unlock()
	})
	return one.frames, one.err
}
