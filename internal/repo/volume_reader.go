package repo

import (
	"context"
	"fmt"
	"iter"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// VolumeBlock is one block of a volume that is not a hole, or, from Restore,
// several neighbours, of which Index is the first. Data is shared: it is to be
// read only.
type VolumeBlock struct {
	Index  int64
	Offset int64 // bytes
	Data   []byte
}

// VolumeReader reads a volume stream. It is safe for concurrent use.
type VolumeReader struct {
	repo  *Repository
	ref   StreamRef
	root  seal.Name
	shape page.Geometry
}

// Volume returns a reader of a volume stream. Nothing is read yet.
func (r *Repository) Volume(_ context.Context, ref StreamRef) (*VolumeReader, error) {
	g := page.Geometry{Length: ref.Length, BlockSize: ref.BlockSize}
	if ref.Type != TypeVolume {
		return nil, fmt.Errorf("stream %q is of type %q, not a volume", ref.Name, ref.Type)
	}
	if err := g.Check(); err != nil {
		return nil, fmt.Errorf("stream %q: %w", ref.Name, err)
	}
	root, err := ref.RootName()
	if err != nil {
		return nil, err
	}
	return &VolumeReader{repo: r, ref: ref, root: root, shape: g}, nil
}

// Blocks yields every block that is not a hole, in ascending order. Every byte
// was checked against its name. An error ends the sequence.
func (v *VolumeReader) Blocks(ctx context.Context) iter.Seq2[VolumeBlock, error] {
	blocks := ahead(ctx, func(ctx context.Context, hand func(func() (VolumeBlock, error)) bool) {
		if v.root.IsHole() {
			return
		}
		v.walk(ctx, v.root, v.shape.Levels()-1, 0, func(at place, err error) bool {
			return hand(func() (VolumeBlock, error) {
				if err != nil {
					return VolumeBlock{}, err
				}
				return v.fetch(ctx, at)
			})
		})
	})
	return func(yield func(VolumeBlock, error) bool) {
		for block, err := range blocks {
			if !yield(block, ofStream(v.ref.Name, err)) {
				return
			}
		}
	}
}

// place is where a block belongs in its volume.
type place struct {
	block int64
	name  seal.Name
}

// walk yields the blocks below the page whose first block is first. After an
// error it goes on behind the damaged page, when yield wants it to.
func (v *VolumeReader) walk(ctx context.Context, name seal.Name, level int, first int64, yield func(place, error) bool) bool {
	data, err := v.repo.block(ctx, name)
	var names []seal.Name
	if err == nil {
		names, err = page.ParseVolume(data, level, v.shape.Children(level, first))
	}
	if err != nil {
		return yield(place{}, located(fmt.Sprintf("page %x", name[:8]), err))
	}
	for i, child := range names {
		at := first + int64(i)*page.Span(level)
		switch {
		case child.IsHole():
		case level > 0:
			if !v.walk(ctx, child, level-1, at, yield) {
				return false
			}
		case !yield(place{at, child}, nil):
			return false
		}
	}
	return true
}

func (v *VolumeReader) fetch(ctx context.Context, at place) (VolumeBlock, error) {
	data, err := v.repo.block(ctx, at.name)
	if err == nil && int64(len(data)) != v.shape.Size(at.block) {
		err = &Damage{Object: fmt.Sprintf("block %x", at.name[:8]),
			Err: fmt.Errorf("%d bytes, block %d of the volume has %d", len(data), at.block, v.shape.Size(at.block))}
	}
	return VolumeBlock{Index: at.block, Offset: at.block * v.shape.BlockSize, Data: data}, err
}
