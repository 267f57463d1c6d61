package repo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// Limits of loading the index.
const (
	loaders     = 8       // segments loaded at once
	inMemory    = 1 << 20 // bytes; larger segments are kept in temporary files
	heldAtOnce  = 8 << 20 // bytes of small segments held in memory in all
	maxSegments = 1 << 20

	fewSegments   = 4        // are asked one after the other without filters
	filtersAtOnce = 32 << 20 // bytes of filters in all: 16 million blocks
)

// places looks blocks up in all index segments. Segments are fetched once, and
// kept sealed as they are in files; the heap holds only their footers, and
// filters once there are more than a few segments.
type places struct {
	store objstore.Store
	keys  *seal.Keys

	loading sync.Mutex // one refresh at a time
	mu      sync.RWMutex
	loaded  bool
	fixed   bool // nothing is loaded any more: see Repository.Salvage
	open    map[layout.ID]*segment
	order   []*segment // in which they are asked: large ones first
	held    int64      // bytes of segments in memory
	filters int64      // bytes of filters
}

type segment struct {
	*index.Segment
	id     layout.ID
	file   *os.File // nil when in memory
	broken error    // why there is no Segment
	filter *index.Filter
}

func (s *segment) replaces() [][16]byte {
	if s.broken != nil {
		return nil
	}
	return s.Replaces
}

func newPlaces(store objstore.Store, keys *seal.Keys) *places {
	return &places{store: store, keys: keys, open: map[layout.ID]*segment{}}
}

// spot is an entry of the index.
type spot struct {
	segment *segment
	number  int64 // of the entry in its segment
	place   index.Place
}

// find looks a block up in the segments loaded so far, passing over places in
// the packs not wanted.
func (p *places) find(name seal.Name, unwanted map[layout.ID]bool) (index.Place, bool, error) {
	at, found, err := p.spot(name, unwanted)
	return at.place, found, err
}

// spot is find, and tells the entry. Of several the same is told as long as no
// segment is added. A damaged segment does not hide what others know; its error
// is told when none knows the block.
func (p *places) spot(name seal.Name, unwanted map[layout.ID]bool) (spot, bool, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var bad error
	for _, s := range p.order {
		if s.broken != nil {
			bad = s.broken
			continue
		}
		if s.filter != nil && !s.filter.Has(name) {
			continue
		}
		number, place, found, err := s.Number(name)
		if err != nil {
			bad = located(layout.Index(s.id), err)
		}
		if found && !unwanted[place.Pack] {
			return spot{s, number, place}, true, nil
		}
	}
	return spot{}, false, bad
}

// locate finds a block that must be there, in a pack that is not among those
// unwanted: it loads the index when that was not done yet, and again when the
// block may be in a newer segment.
func (p *places) locate(ctx context.Context, name seal.Name, unwanted map[layout.ID]bool) (index.Place, error) {
	if err := p.ensure(ctx); err != nil {
		return index.Place{}, err
	}
	place, found, _ := p.find(name, unwanted)
	if found {
		return place, nil
	}
	if err := p.refresh(ctx); err != nil {
		return index.Place{}, err
	}
	place, found, err := p.find(name, unwanted)
	if err == nil && !found {
		err = &Damage{Err: fmt.Errorf("block %x is in no index segment", name[:8])}
	}
	return place, err
}

func (p *places) ensure(ctx context.Context) error {
	p.mu.RLock()
	loaded := p.loaded
	p.mu.RUnlock()
	if loaded {
		return nil
	}
	return p.refresh(ctx)
}

// refresh loads the segments that are new, and drops those that are gone or
// replaced by another.
func (p *places) refresh(ctx context.Context) error {
	p.loading.Lock()
	defer p.loading.Unlock()
	if p.fixed {
		return nil
	}
	listed, err := p.list(ctx)
	if err != nil {
		return fmt.Errorf("load index: %w", err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loaders)
	for id, size := range listed {
		if !p.has(id) {
			g.Go(func() error { return p.load(gctx, id, size) })
		}
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("load index: %w", err)
	}
	p.drop(listed)
	return nil
}

// sort brings the segments into the order they are asked in, and gives them
// filters when they are many.
func (p *places) sort() {
	p.order = slices.SortedFunc(maps.Values(p.open), func(a, b *segment) int {
		return cmp.Or(cmp.Compare(b.entries(), a.entries()), bytes.Compare(a.id[:], b.id[:]))
	})
	if len(p.order) <= fewSegments {
		return
	}
	for _, s := range slices.Backward(p.order) { // many small ones profit more than one large one
		if size := index.FilterSize(s.entries()); s.broken == nil && s.filter == nil && p.filters+size <= filtersAtOnce {
			p.filters += size
			s.filter = s.sift()
		}
	}
}

func (s *segment) entries() uint64 {
	if s.broken != nil {
		return 0
	}
	return s.Entries
}

// sift makes the filter of a segment; nil when one of its pages is damaged.
func (s *segment) sift() *index.Filter {
	f := index.NewFilter(s.Entries)
	for e, err := range s.All() {
		if err != nil {
			return nil
		}
		f.Add(e.Name)
	}
	return f
}

// packs yields every pack that a segment speaks of, once for each.
func (p *places) packs() iter.Seq2[*segment, index.Pack] {
	return func(yield func(*segment, index.Pack) bool) {
		p.mu.RLock()
		order := p.order
		p.mu.RUnlock()
		for _, s := range order {
			if s.broken != nil {
				continue
			}
			for _, one := range s.Packs {
				if !yield(s, one) {
					return
				}
			}
		}
	}
}

func (p *places) list(ctx context.Context) (map[layout.ID]int64, error) {
	listed := map[layout.ID]int64{}
	for info, err := range p.store.List(ctx, layout.Indexes) {
		if err != nil {
			return nil, err
		}
		id, err := layout.Parse(layout.Indexes, info.Name)
		if err != nil {
			continue // not ours
		}
		listed[id] = info.Size
		if len(listed) > maxSegments {
			return nil, errors.New("too many index segments")
		}
	}
	return listed, nil
}

func (p *places) has(id layout.ID) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	_, found := p.open[id]
	return found
}

// load opens one segment. One that vanished since it was listed was replaced
// by another, which is listed as well or will be at the next refresh.
func (p *places) load(ctx context.Context, id layout.ID, size int64) error {
	name := layout.Index(id)
	body, err := p.store.Get(ctx, name, 0, size)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return missing(name, err)
	}
	defer body.Close()
	r, file, err := p.keep(size, body)
	if err != nil {
		return fmt.Errorf("object %s: %w", name, err)
	}
	return p.add(id, r, file, size)
}

func (p *places) add(id layout.ID, r io.ReaderAt, file *os.File, size int64) error {
	s, err := index.Open(r, size, index.Cipher(p.keys, id))
	if err != nil {
		closeFile(file)
		if err = located(layout.Index(id), err); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
			return err
		}
		s, file = nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[id] = &segment{Segment: s, id: id, file: file, broken: err}
	return nil
}

// adopt adds a segment that was just stored.
func (p *places) adopt(id layout.ID, data []byte) error {
	r, file, err := p.keep(int64(len(data)), bytes.NewReader(data))
	if err != nil {
		return err
	}
	if err := p.add(id, r, file, int64(len(data))); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sort()
	return nil
}

// keep brings a segment near: into memory when small, else into a file that
// has no name any more, so that nothing stays behind.
func (p *places) keep(size int64, body io.Reader) (io.ReaderAt, *os.File, error) {
	if size <= inMemory && p.hold(size) {
		data := make([]byte, size)
		_, err := io.ReadFull(body, data)
		return bytes.NewReader(data), nil, err
	}
	file, err := draft()
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.CopyN(file, body, size); err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("keep index segment: %w", err)
	}
	return file, file, nil
}

func (p *places) hold(size int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held+size > heldAtOnce {
		return false
	}
	p.held += size
	return true
}

// drop forgets segments that are not listed, and those another one replaces.
func (p *places) drop(listed map[layout.ID]int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.open {
		if _, there := listed[id]; !there {
			p.forget(id)
		}
	}
	for id, s := range p.open {
		for _, old := range s.replaces() {
			if old != id {
				p.forget(old)
			}
		}
	}
	p.loaded = true
	p.sort()
}

func (p *places) forget(id layout.ID) {
	s, found := p.open[id]
	if !found {
		return
	}
	if s.filter != nil {
		p.filters -= index.FilterSize(s.Entries)
	}
	closeFile(s.file)
	delete(p.open, id)
}

func (p *places) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.open {
		p.forget(id)
	}
	p.order, p.loaded, p.held = nil, false, 0
	return nil
}

func closeFile(f *os.File) {
	if f != nil {
		f.Close()
	}
}
