package repo

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// What follows is for those who want what is left of a damaged repository:
// everything that can be read is handed out, and what cannot is named.

// Salvage returns a reader of the same repository whose index also holds what
// packs say themselves: of those that no segment speaks of, or of all when
// segments cannot be read. Nothing is stored. What is written later is not seen.
// The caller closes it.
func (r *Repository) Salvage(ctx context.Context) (*Repository, error) {
	v, err := r.inspect(ctx, func(string, error) {}) // whoever reads learns what is lost
	if err != nil {
		return nil, fmt.Errorf("salvage: %w", err)
	}
	broken, err := v.broken()
	if err == nil {
		err = v.adopt(ctx, v.bare(len(broken) > 0))
	}
	if err != nil {
		v.close()
		return nil, fmt.Errorf("salvage: %w", err)
	}
	v.repo.places.fixed = true
	return v.repo, nil
}

// LostRecords are records of an archive that cannot be read: those with keys
// greater than After, up to and including Last.
type LostRecords struct {
	After, Last string // Last is empty when everything behind After may be lost
	Records     int64
	Err         error // matches ErrDamaged
}

// salvaged is a group that was read, or what is known of one that was not.
type salvaged struct {
	records []Record
	lost    *LostRecords
}

// Salvage hands every record that can be read to each, in order of keys, and
// tells lost what cannot. An error of each or lost ends it, and so does one that
// is no damage.
func (a *ArchiveReader) Salvage(ctx context.Context, each func(Record) error, lost func(LostRecords) error) error {
	groups := ahead(ctx, func(ctx context.Context, hand func(func() (salvaged, error)) bool) {
		if !a.root.IsHole() {
			a.salvage(ctx, a.top(), a.ref.Levels-1, hand)
		}
	})
	for group, err := range groups {
		if err != nil {
			return a.located(err)
		}
		if group.lost != nil {
			group.lost.Err = a.located(group.lost.Err)
			if err := lost(*group.lost); err != nil {
				return err
			}
		}
		for _, record := range group.records {
			if err := each(record); err != nil {
				return err
			}
		}
	}
	return nil
}

// salvage walks the groups below a page; it returns false to end the walk.
func (a *ArchiveReader) salvage(ctx context.Context, of visit, level int, hand func(func() (salvaged, error)) bool) bool {
	data, err := a.repo.block(ctx, of.entry.Name)
	var entries []page.Entry
	if err == nil {
		entries, err = page.ParseArchive(data, level, of.entry, of.before)
		err = located(fmt.Sprintf("page %x", of.entry.Name[:8]), err)
	}
	if err != nil {
		return hand(func() (salvaged, error) { return of.missing(err) })
	}
	before := of.before
	for _, e := range entries {
		below := visit{e, before}
		before = e.Last
		if level > 0 {
			if !a.salvage(ctx, below, level-1, hand) {
				return false
			}
			continue
		}
		if !hand(func() (salvaged, error) {
			records, err := a.fetch(ctx, below)
			if err != nil {
				return below.missing(err)
			}
			return salvaged{records: records}, nil
		}) {
			return false
		}
	}
	return true
}

// missing says what is lost with a page or group; errors that are no damage
// stay errors.
func (v visit) missing(err error) (salvaged, error) {
	if !errors.Is(err, ErrDamaged) {
		return salvaged{}, err
	}
	return salvaged{lost: &LostRecords{After: v.before, Last: v.entry.Last, Records: int64(v.entry.Records), Err: err}}, nil
}

// Salvage hands every block that can be read to write, in ascending order, and
// tells lost the ranges that cannot; some of these may have been holes. An error
// of write or lost ends it, and so does one that is no damage.
func (v *VolumeReader) Salvage(ctx context.Context, write func(VolumeBlock) error, lost func(BlockRange, error) error) error {
	type found struct {
		block VolumeBlock
		lost  BlockRange
		err   error
	}
	keep := func(block VolumeBlock, lost BlockRange, err error) (found, error) {
		if err != nil && !errors.Is(err, ErrDamaged) {
			return found{}, err
		}
		return found{block, lost, err}, nil
	}
	blocks := ahead(ctx, func(ctx context.Context, hand func(func() (found, error)) bool) {
		if v.root.IsHole() {
			return
		}
		v.salvage(ctx, v.root, v.shape.Levels()-1, 0, func(at place, below BlockRange, err error) bool {
			return hand(func() (found, error) {
				if err != nil {
					return keep(VolumeBlock{}, below, err)
				}
				block, err := v.fetch(ctx, at)
				return keep(block, BlockRange{at.block, at.block + 1}, err)
			})
		})
	})
	for f, err := range blocks {
		switch {
		case err != nil:
			return ofStream(v.ref.Name, err)
		case f.err != nil:
			err = lost(f.lost, ofStream(v.ref.Name, f.err))
		default:
			err = write(f.block)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// salvage yields the blocks below a page, and of a page that cannot be read
// the range below it.
func (v *VolumeReader) salvage(ctx context.Context, name seal.Name, level int, first int64, yield func(place, BlockRange, error) bool) bool {
	names, err := v.page(ctx, name, level, first)
	if err != nil {
		return yield(place{}, BlockRange{first, min(v.shape.Blocks(), first+page.VolumeFan*page.Span(level))}, err)
	}
	for i, child := range names {
		at := first + int64(i)*page.Span(level)
		switch {
		case child.IsHole():
		case level > 0:
			if !v.salvage(ctx, child, level-1, at, yield) {
				return false
			}
		case !yield(place{at, child}, BlockRange{}, nil):
			return false
		}
	}
	return true
}

// page reads the page of a level whose first block is first.
func (v *VolumeReader) page(ctx context.Context, name seal.Name, level int, first int64) ([]seal.Name, error) {
	data, err := v.repo.block(ctx, name)
	if err != nil {
		return nil, err
	}
	names, err := page.ParseVolume(data, level, v.shape.Children(level, first))
	return names, located(fmt.Sprintf("page %x", name[:8]), err)
}

// Shape returns the length of the volume and the size of its blocks.
func (v *VolumeReader) Shape() VolumeShape {
	return VolumeShape{Length: v.shape.Length, BlockSize: v.shape.BlockSize}
}

// Block reads one block, wherever it is; nil for a hole. The content is shared:
// it is to be read only. Every byte was checked against its name.
func (v *VolumeReader) Block(ctx context.Context, block int64) ([]byte, error) {
	if block < 0 || block >= v.shape.Blocks() {
		return nil, fmt.Errorf("stream %q: block %d of %d", v.ref.Name, block, v.shape.Blocks())
	}
	name := v.root
	for level := v.shape.Levels() - 1; level >= 0 && !name.IsHole(); level-- {
		span := page.Span(level)
		first := block / span / page.VolumeFan * page.VolumeFan * span
		names, err := v.page(ctx, name, level, first)
		if err != nil {
			return nil, ofStream(v.ref.Name, err)
		}
		name = names[(block-first)/span]
	}
	if name.IsHole() {
		return nil, nil
	}
	found, err := v.fetch(ctx, place{block, name})
	return found.Data, ofStream(v.ref.Name, err)
}
