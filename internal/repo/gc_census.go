package repo

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// bitmap has a bit for each entry of a segment.
type bitmap []uint64

// set sets a bit, and reports whether it was set before.
func (b bitmap) set(n int64) bool {
	before := b[n>>6]>>(n&63)&1 == 1
	b[n>>6] |= 1 << (n & 63)
	return before
}

func (b bitmap) has(n int64) bool { return b[n>>6]>>(n&63)&1 == 1 }

// marks are bits for entries of the index: what is known of blocks, without
// their names on the heap.
type marks map[*segment]bitmap

func (m marks) of(s *segment) bitmap {
	b := m[s]
	if b == nil {
		b = make(bitmap, (s.Entries+63)/64)
		m[s] = b
	}
	return b
}

// has reports whether an entry is marked.
func (m marks) has(at spot) bool {
	b, any := m[at.segment]
	return any && b.has(at.number)
}

// set marks an entry, and reports whether it was marked before.
func (m marks) set(at spot) bool { return m.of(at.segment).set(at.number) }

// census finds the blocks that recovery points need.
type census struct {
	view   *view
	live   marks
	walked marks // pages whose children are marked: a block is not taken for a page that has the same content
	points int
	lost   []*Damage // blocks, and pages, that are nowhere
	pages  int       // how many of these are pages
}

// take counts anew. When blocks are missing, it tries again by what all packs
// say of themselves, for an index may be lost.
func (v *view) take(ctx context.Context) (*census, error) {
	broken, err := v.broken()
	if err != nil {
		return nil, err
	}
	deep := len(broken) > 0
	for {
		if err := v.adopt(ctx, v.bare(deep)); err != nil {
			return nil, err
		}
		c := &census{view: v, live: marks{}, walked: marks{}}
		err := v.repo.points(ctx, func(m Manifest) error { return c.point(ctx, m) }, nil)
		if err != nil || len(c.lost) == 0 || deep {
			return c, err
		}
		deep = true
		if err := v.refresh(ctx); err != nil {
			return nil, err
		}
	}
}

func (c *census) point(ctx context.Context, m Manifest) error {
	c.points++
	w := walker{read: c.view.repo.block, enter: c.enter,
		leaf: func(name seal.Name, _ func([]byte) error) error { _, err := c.mark(name); return err },
		lost: func(_ seal.Name, err error) error { c.pages++; return c.miss(err) }}
	for _, ref := range m.Streams {
		if err := w.stream(ctx, ref); err != nil {
			return fmt.Errorf("recovery point %s: %w", m.ID, ofStream(ref.Name, err))
		}
	}
	return nil
}

// enter marks a page, and reports whether its children are still to be marked.
func (c *census) enter(name seal.Name) (bool, error) {
	at, err := c.mark(name)
	if err != nil || at == nil {
		return err == nil, err // a page that is nowhere is told when it is read
	}
	return !c.walked.set(*at), nil
}

// mark marks a block where it will stay, else where it is.
func (c *census) mark(name seal.Name) (*spot, error) {
	at, found, err := c.view.place(name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, c.miss(&Damage{Err: fmt.Errorf("block %x is in no index segment", name[:8])})
	}
	c.live.set(at)
	return &at, nil
}

// place finds a block, if it can be in a pack that stays.
func (v *view) place(name seal.Name) (spot, bool, error) {
	at, found, err := v.repo.places.spot(name, v.avoid)
	if !found && (err == nil || errors.Is(err, ErrDamaged)) {
		at, found, err = v.repo.places.spot(name, v.gone)
	}
	if errors.Is(err, ErrDamaged) {
		err = nil // what the damaged segment knows was taken from the packs
	}
	return at, found, err
}

// maxLost bounds what is told of what is lost.
const maxLost = 1000

func (c *census) miss(err error) error {
	if d, ok := errors.AsType[*Damage](err); ok && len(c.lost) < maxLost {
		c.lost = append(c.lost, d)
	}
	return nil
}

// use is how much of a pack is needed.
type use struct {
	bytes, live  int64 // of content of its blocks
	blocks, kept int64 // in number
}

// uses adds up what of each pack is needed.
func (c *census) uses() (map[layout.ID]use, error) {
	sum := map[layout.ID]use{}
	for _, s := range c.view.repo.places.order {
		if s.broken != nil {
			continue
		}
		own, err := c.usesOf(s)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return nil, err
		}
		for id, u := range own {
			before := sum[id]
			u.live += before.live
			u.kept += before.kept
			if before.blocks > u.blocks { // two segments list the same pack
				u.bytes, u.blocks = before.bytes, before.blocks
			}
			sum[id] = u
		}
	}
	return sum, nil
}

func (c *census) usesOf(s *segment) (map[layout.ID]use, error) {
	own, live := map[layout.ID]use{}, c.live.of(s)
	n := int64(0)
	for e, err := range s.All() {
		if err != nil {
			return own, located(layout.Index(s.id), err)
		}
		u := own[e.Place.Pack]
		u.blocks++
		u.bytes += int64(e.Place.Length)
		if live.has(n) {
			u.kept++
			u.live += int64(e.Place.Length)
		}
		own[e.Place.Pack] = u
		n++
	}
	return own, nil
}
