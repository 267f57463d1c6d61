package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// view is a repository as it was found at one moment, with an index of its own
// that stays as it is. It is for one goroutine.
type view struct {
	repo      *Repository // with places and frames of the view's own
	lists     map[layout.ID][]layout.ID
	condemned map[layout.ID]bool // packs in those lists
	packs     map[layout.ID]int64
	indexed   map[layout.ID]bool // packs that a segment speaks of
	segments  map[layout.ID]int64
	gone      map[layout.ID]bool // packs in the index that are not there
	odd       map[layout.ID]bool // packs that have not the size the index says
	avoid     map[layout.ID]bool // all these, and those condemned: not to be relied upon
	local     map[layout.ID]bool // segments made here, of packs that are in none that is stored
	note      func(object string, err error)
	damages   []*Damage // of packs whose footer cannot be read
}

// viewFrames is how many bytes of opened frames a view keeps: it goes over each
// once.
const viewFrames = 8 << 20

// look finds out what there is. The order matters: see unwanted.
func (r *Repository) look(ctx context.Context) (*view, error) {
	return r.inspect(ctx, nil)
}

// inspect is look, and goes on behind condemnations that are damaged when
// somebody notes them.
func (r *Repository) inspect(ctx context.Context, note func(object string, err error)) (*view, error) {
	own := &Repository{store: r.store, id: r.id, keys: r.keys, places: newPlaces(r.store, r.keys), frames: newFrames(r.store, r.keys)}
	own.frames.limit = viewFrames
	v := &view{repo: own, note: note, local: map[layout.ID]bool{}}
	if err := v.refresh(ctx); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *view) close() { _ = v.repo.places.close() } // nothing is written

func (v *view) refresh(ctx context.Context) (err error) {
	if v.lists, err = v.repo.condemnations(ctx, v.note); err != nil {
		return err
	}
	if v.segments, err = v.repo.places.list(ctx); err != nil {
		return fmt.Errorf("list index segments: %w", err)
	}
	if err = v.repo.places.refresh(ctx); err != nil {
		return err
	}
	if v.packs, err = v.repo.packs(ctx); err != nil {
		return err
	}
	v.condemned, v.avoid, v.gone, v.indexed = map[layout.ID]bool{}, map[layout.ID]bool{}, map[layout.ID]bool{}, map[layout.ID]bool{}
	v.odd = map[layout.ID]bool{}
	for _, list := range v.lists {
		for _, id := range list {
			v.condemned[id], v.avoid[id] = true, true
		}
	}
	for _, one := range v.repo.places.packs() {
		v.indexed[one.ID] = true
		size, there := v.packs[one.ID]
		if !there {
			v.gone[one.ID], v.avoid[one.ID] = true, true
		} else if one.Size != 0 && int64(one.Size) != size {
			v.odd[one.ID], v.avoid[one.ID] = true, true
		}
	}
	return nil
}

// broken returns the segments that cannot be read. One of a newer version is
// an error: who does not understand all of the index must not judge packs.
func (v *view) broken() (ids []layout.ID, err error) {
	for id, s := range v.repo.places.open {
		if errors.Is(s.broken, ErrVersion) {
			return nil, s.broken
		}
		if s.broken != nil || s.torn() != nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// torn reads all of a segment, and tells what is damaged.
func (s *segment) torn() error {
	for _, err := range s.All() {
		if err != nil {
			return located(layout.Index(s.id), err)
		}
	}
	return nil
}

// bare returns the packs that no segment speaks of, or all packs.
func (v *view) bare(all bool) (ids []layout.ID) {
	for id := range v.packs {
		if all || !v.indexed[id] {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b layout.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// footersAtOnce bounds the entries that are gathered from footers before they
// become a segment.
const footersAtOnce = 128 << 10

// adopt enters packs into the view's index by what they say themselves. One
// whose footer cannot be read is noted, and kept as it is.
func (v *view) adopt(ctx context.Context, ids []layout.ID) error {
	var waiting []packed
	entries := 0
	for i, id := range ids {
		frames, err := v.repo.footer(ctx, id, v.packs[id])
		if d, ok := errors.AsType[*Damage](err); ok || errors.Is(err, ErrVersion) {
			if !ok {
				d = &Damage{Object: layout.Pack(id), Err: err}
			}
			v.damages = append(v.damages, d)
			delete(v.indexed, id) // an index that is left may not know all of it
		} else if err != nil {
			return err
		} else {
			waiting = append(waiting, packed{id: id, size: int(v.packs[id]), frames: frames})
			v.indexed[id] = true
		}
		for _, f := range frames {
			entries += len(f.Blocks)
		}
		if entries >= footersAtOnce || i == len(ids)-1 && len(waiting) > 0 {
			if err := v.gather(waiting); err != nil {
				return err
			}
			waiting, entries = nil, 0
		}
	}
	return nil
}

// gather makes index segments of packs, and keeps them here: more than one
// only when packs hold the same blocks.
func (v *view) gather(packs []packed) error {
	var entries []index.Entry
	sizes := map[layout.ID]uint32{}
	for _, one := range packs {
		sizes[one.id] = uint32(one.size)
		entries = one.appendEntries(entries)
	}
	slices.SortFunc(entries, func(a, b index.Entry) int { return bytes.Compare(a.Name[:], b.Name[:]) })
	for len(entries) > 0 {
		id := layout.NewID()
		data, again, err := encodeOnce(v.repo.keys, id, entries, sizes)
		if err == nil {
			err = v.repo.places.adopt(id, data)
		}
		if err != nil {
			return err
		}
		v.local[id] = true
		entries = again
	}
	return nil
}

// encodeOnce writes a segment with the first entry of each name, and returns
// the others.
func encodeOnce(keys *seal.Keys, id layout.ID, entries []index.Entry, sizes map[layout.ID]uint32) (data []byte, again []index.Entry, err error) {
	var out bytes.Buffer
	w, err := index.NewWriter(&out, index.Cipher(keys, id), nil)
	for i, e := range entries {
		if err != nil {
			break
		}
		if i > 0 && entries[i-1].Name == e.Name {
			again = append(again, e)
			continue
		}
		w.Pack(e.Place.Pack, sizes[e.Place.Pack])
		err = w.Add(e)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), again, err
}

// footer reads what a pack says of itself. What is wrong with it is a *Damage.
func (r *Repository) footer(ctx context.Context, id layout.ID, size int64) ([]pack.Frame, error) {
	name := layout.Pack(id)
	frames, err := pack.ReadFooter(objectAt{ctx, r.store, name}, size, r.keys, id)
	return frames, missing(name, err)
}

// points reads all manifests, one after the other, and passes on those of
// recovery points. One that vanishes meanwhile is no error; one that cannot be
// read is, unless damaged is there to be told.
func (r *Repository) points(ctx context.Context, each func(Manifest) error, damaged func(id string, err error) error) error {
	for info, err := range r.Manifests(ctx) {
		if err != nil {
			return err
		}
		m, err := r.Manifest(ctx, info.ID)
		switch {
		case errors.Is(err, ErrVoid), errors.Is(err, ErrNoRecoveryPoint):
			continue
		case err == nil:
			err = each(m)
		case damaged != nil:
			err = damaged(info.ID, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// condemnations reads the lists of packs that are about to be deleted.
func (r *Repository) condemnations(ctx context.Context, note func(object string, err error)) (map[layout.ID][]layout.ID, error) {
	lists := map[layout.ID][]layout.ID{}
	for info, err := range r.store.List(ctx, layout.Condemneds) {
		if err != nil {
			return nil, fmt.Errorf("list condemned packs: %w", err)
		}
		id, err := layout.Parse(layout.Condemneds, info.Name)
		if err != nil {
			continue // not an object of the format
		}
		data, err := readObject(ctx, r.store, info.Name, manifest.MaxDocument)
		if errors.Is(err, objstore.ErrNotFound) {
			continue // its packs are gone, and with them their segments
		}
		packs := map[layout.ID]bool{}
		if err == nil {
			err = r.condemn(packs, id, data)
		}
		if err = located(info.Name, err); note != nil && (errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion)) {
			note(info.Name, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		lists[id] = slices.Collect(maps.Keys(packs))
	}
	return lists, nil
}

// draft is a file without a name, for what is too large for the heap.
func draft() (*os.File, error) {
	file, err := os.CreateTemp("", "holdfast-index-")
	if err != nil {
		return nil, fmt.Errorf("make temporary file: %w", err)
	}
	_ = os.Remove(file.Name()) // the open file stays usable
	return file, nil
}
