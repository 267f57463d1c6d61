package repo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// maxDamages bounds what Verify reports.
const maxDamages = 100

// Verify reads everything a recovery point consists of and checks it: the
// manifest's signature and root, every page, every block against its name,
// every record against its group, and the footer of every pack used. It goes
// on after a damage, and returns all it found (at most 100) joined; each is a
// *Damage that says where.
func (r *Repository) Verify(ctx context.Context, id string) error {
	m, err := r.Manifest(ctx, id)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	own := *r // frames read earlier prove nothing about the store now
	own.frames = newFrames(r.store, r.keys)
	own.frames.packs = map[layout.ID]bool{}
	v := verification{repo: &own, ctx: ctx}
	for _, ref := range m.Streams {
		v.stream(ref)
	}
	v.packs()
	return wrap(errors.Join(append(v.damages, v.stopped)...), "verify recovery point "+id)
}

type verification struct {
	repo    *Repository
	ctx     context.Context
	damages []error
	stopped error // not a damage: the store failed, or the caller gave up
}

// found notes an error, and reports whether to go on.
func (v *verification) found(err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, ErrDamaged) && len(v.damages) < maxDamages:
		v.damages = append(v.damages, err)
		return true
	}
	v.stopped = err
	return false
}

// checked is what was found of one group, block or pack.
type checked struct{ err error }

func (v *verification) stream(ref StreamRef) {
	root, err := ref.RootName()
	if err != nil || v.stopped != nil || root.IsHole() {
		v.found(ofStream(ref.Name, err))
		return
	}
	list := v.archive
	if ref.Type == TypeVolume {
		list = v.volume
	}
	for c, err := range ahead(v.ctx, list(ref, root)) {
		if !v.found(ofStream(ref.Name, cmp.Or(err, c.err))) {
			return
		}
	}
}

type lister func(ctx context.Context, hand func(func() (checked, error)) bool)

// archive checks every group.
func (v *verification) archive(ref StreamRef, root seal.Name) lister {
	a := &ArchiveReader{repo: v.repo, ref: ref, root: root}
	return func(ctx context.Context, hand func(func() (checked, error)) bool) {
		a.walk(ctx, a.top(), ref.Levels-1, "", func(at visit, err error) bool {
			return hand(func() (checked, error) {
				if err == nil {
					_, err = a.fetch(ctx, at)
				}
				return checked{err}, nil
			})
		})
	}
}

// volume checks every block, each in its place.
func (v *verification) volume(ref StreamRef, root seal.Name) lister {
	r := &VolumeReader{repo: v.repo, ref: ref, root: root, shape: page.Geometry{Length: ref.Length, BlockSize: ref.BlockSize}}
	return func(ctx context.Context, hand func(func() (checked, error)) bool) {
		r.walk(ctx, root, ref.Levels-1, 0, func(at place, err error) bool {
			return hand(func() (checked, error) {
				if err == nil {
					_, err = r.fetch(ctx, at)
				}
				return checked{err}, nil
			})
		})
	}
}

// packs checks that the packs used can tell themselves what is in them, so
// that a lost index could be rebuilt.
func (v *verification) packs() {
	ids := slices.SortedFunc(maps.Keys(v.repo.frames.packs), func(a, b layout.ID) int { return bytes.Compare(a[:], b[:]) })
	for c, err := range ahead(v.ctx, func(ctx context.Context, hand func(func() (checked, error)) bool) {
		for _, id := range ids {
			if v.stopped != nil || !hand(func() (checked, error) { return checked{v.repo.packFooter(ctx, id)}, nil }) {
				return
			}
		}
	}) {
		if !v.found(cmp.Or(err, c.err)) {
			return
		}
	}
}

func (r *Repository) packFooter(ctx context.Context, id layout.ID) error {
	name := layout.Pack(id)
	info, err := r.store.Stat(ctx, name)
	if err == nil {
		_, err = pack.ReadFooter(objectAt{ctx, r.store, name}, info.Size, r.keys, id)
	}
	return missing(name, err)
}

// objectAt reads ranges of an object.
type objectAt struct {
	ctx   context.Context
	store objstore.Store
	name  string
}

var _ io.ReaderAt = objectAt{}

// ReadAt reads exactly len(p) bytes.
func (o objectAt) ReadAt(p []byte, offset int64) (int, error) {
	if err := readRange(o.ctx, o.store, o.name, p, offset); err != nil {
		return 0, err
	}
	return len(p), nil
}
