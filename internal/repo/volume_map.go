package repo

import (
	"context"
	"fmt"
	"iter"

	"holdfast.dev/holdfast/internal/repo/internal/page"
)

// BlockRange is the blocks from From up to, not including, To.
type BlockRange struct{ From, To int64 }

// Stored yields, in ascending order, what of the volume is not a hole. It reads
// pages only, no blocks. An error ends the sequence.
func (v *VolumeReader) Stored(ctx context.Context) iter.Seq2[BlockRange, error] {
	return func(yield func(BlockRange, error) bool) {
		var open BlockRange
		stopped := v.root.IsHole() || !v.walk(ctx, v.root, v.shape.Levels()-1, 0, func(p place, err error) bool {
			switch {
			case err != nil:
				yield(BlockRange{}, ofStream(v.ref.Name, err))
				return false
			case p.block == open.To && open.To > 0:
				open.To++
				return true
			}
			done := open
			open = BlockRange{p.block, p.block + 1}
			return done.To == 0 || yield(done, nil)
		})
		if !stopped && open.To > 0 {
			yield(open, nil)
		}
	}
}

// Same reports whether the volume holds exactly content as a block. It reads
// one page of each level and compares names.
func (v *VolumeReader) Same(ctx context.Context, block int64, content []byte) (bool, error) {
	if block < 0 || block >= v.shape.Blocks() || int64(len(content)) != v.shape.Size(block) {
		return false, nil
	}
	name := v.root
	for level := v.shape.Levels() - 1; level >= 0 && !name.IsHole(); level-- {
		span := page.Span(level)
		first := block / span / page.VolumeFan * page.VolumeFan * span
		data, err := v.repo.block(ctx, name)
		if err != nil {
			return false, ofStream(v.ref.Name, err)
		}
		names, err := page.ParseVolume(data, level, v.shape.Children(level, first))
		if err != nil {
			return false, ofStream(v.ref.Name, located(fmt.Sprintf("page %x", name[:8]), err))
		}
		name = names[(block-first)/span]
	}
	if allZero(content) {
		return name.IsHole(), nil
	}
	return name == v.repo.keys.Name(content), nil
}
