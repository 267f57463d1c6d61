package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// maxDamages bounds what Verify reports.
const maxDamages = 100

// Verify reads everything a recovery point consists of and checks it: the
// manifest's signature and root, every page, every block against its name,
// every record against its group. It goes on after a damage, and returns all
// it found (at most 100) joined; each is a *Damage that says where.
func (r *Repository) Verify(ctx context.Context, id string) error {
	m, err := r.Manifest(ctx, id)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	v := verification{repo: r, ctx: ctx}
	for _, ref := range m.Streams {
		v.stream(ref)
	}
	return wrap(v.err(), "verify recovery point "+id)
}

type verification struct {
	repo    *Repository
	ctx     context.Context
	damages []error
	stopped error // not a damage: the store failed, or the caller gave up
}

func (v *verification) err() error {
	if v.stopped != nil {
		return errors.Join(append(slices.Clone(v.damages), v.stopped)...)
	}
	return errors.Join(v.damages...)
}

// found notes an error, and reports whether to go on.
func (v *verification) found(stream string, err error) bool {
	err = ofStream(stream, err)
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

func (v *verification) stream(ref StreamRef) {
	root, err := ref.RootName()
	if err != nil || v.stopped != nil || root.IsHole() {
		v.found(ref.Name, err)
		return
	}
	if ref.Type == TypeVolume {
		g := page.Geometry{Length: ref.Length, BlockSize: ref.BlockSize}
		v.volume(ref, g, root, ref.Levels-1, 0)
		return
	}
	v.archive(ref, root)
}

// archive checks the groups one page at a time, so that a damaged one does not
// hide those after it.
func (v *verification) archive(ref StreamRef, root seal.Name) {
	a := &ArchiveReader{repo: v.repo, ref: ref, root: root}
	records, before := int64(0), len(v.damages)
	a.walk(v.ctx, root, ref.Levels-1, "", "", func(at visit, err error) bool {
		if err == nil {
			g := a.fetch(v.ctx, at)
			records, err = records+int64(len(g.records)), g.err
		}
		return v.found(ref.Name, err)
	})
	if v.stopped == nil && before == len(v.damages) && records != ref.Records {
		v.found(ref.Name, &Damage{Err: fmt.Errorf("%d records, the manifest says %d", records, ref.Records)})
	}
}

// volume checks the page whose first block is first, and all below it.
func (v *verification) volume(ref StreamRef, g page.Geometry, name seal.Name, level int, first int64) bool {
	data, err := v.repo.block(v.ctx, name)
	var names []seal.Name
	if err == nil {
		names, err = page.ParseVolume(data, level, g.Children(level, first))
	}
	if err != nil {
		return v.found(ref.Name, located(fmt.Sprintf("page %x", name[:8]), err))
	}
	for i, child := range names {
		at := first + int64(i)*page.Span(level)
		if child.IsHole() {
			continue
		}
		if level > 0 {
			if !v.volume(ref, g, child, level-1, at) {
				return false
			}
			continue
		}
		block, err := v.repo.block(v.ctx, child)
		if err == nil && int64(len(block)) != g.Size(at) {
			err = &Damage{Object: fmt.Sprintf("block %x", child[:8]), Err: fmt.Errorf("%d bytes at block %d, want %d", len(block), at, g.Size(at))}
		}
		if !v.found(ref.Name, err) {
			return false
		}
	}
	return true
}
