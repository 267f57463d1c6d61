package mover

import (
	"context"
	"fmt"
	"math/rand/v2"

	"holdfast.dev/holdfast/internal/agent/changed"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/volume"
	"holdfast.dev/holdfast/internal/volume/extent"
)

// samples is how many of the blocks that the storage calls unchanged are read
// all the same and compared: a storage that errs about one block in a hundred
// is found out nineteen times in twenty.
const samples = 300

// plan decides which blocks are read, and finds out a storage that errs.
func (s *saving) plan(ctx context.Context) (volume.Plan, error) {
	in, err := s.input(ctx)
	if err != nil {
		return volume.Plan{}, err
	}
	plan, err := volume.MakePlan(in)
	if err != nil || in.Changed == nil {
		return plan, err
	}
	base, err := s.repository.Volume(ctx, *s.base)
	if err != nil {
		return volume.Plan{}, err
	}
	block, err := volume.Verify(ctx, s.device, plan, base, samples, rand.Uint64())
	if err != nil || block < 0 {
		return plan, err
	}
	s.distrusted = fmt.Sprintf("The storage called block %d unchanged, and it had changed.", block)
	return volume.MakePlan(in.Distrust(s.distrusted))
}

// input gathers what is known of the volume without reading it.
func (s *saving) input(ctx context.Context) (volume.Input, error) {
	in := volume.Input{Size: s.device.Size(), BlockSize: repo.VolumeBlockSize, Notes: s.notes}
	if s.base != nil {
		in.BlockSize = s.base.BlockSize
	}
	system, err := volume.Used(ctx, s.device, in.Size, in.BlockSize)
	if err != nil {
		return in, fmt.Errorf("%w: %w", errDevice, err)
	}
	if in.Used = system.Used; in.Used == nil && system.Reason != "" {
		in.Notes = append(in.Notes, system.Reason)
	}
	return in, s.ask(ctx, &in)
}

// ask lets the storage tell what is allocated, or what changed since the base.
// Everything it does not tell is read.
func (s *saving) ask(ctx context.Context, in *volume.Input) error {
	c := s.order.Changes
	if c == nil {
		return nil
	}
	if c.Reason != "" {
		in.Notes = append(in.Notes, c.Reason)
		return nil
	}
	snapshot := c.Snapshot
	snapshot.Size = in.Size
	var err error
	if in.Allocated, err = changed.Allocated(ctx, c.Access, snapshot); err != nil {
		in.Notes = append(in.Notes, err.Error())
		return ctx.Err()
	}
	if s.base == nil || c.Base == "" {
		return nil
	}
	if in.Changed, err = changed.Changed(ctx, c.Access, snapshot, c.Base); err != nil {
		in.Notes = append(in.Notes, err.Error())
		return ctx.Err()
	}
	in.Base, err = s.stored(ctx)
	return err
}

// stored says what the base holds blocks for.
func (s *saving) stored(ctx context.Context) (*volume.Base, error) {
	reader, err := s.repository.Volume(ctx, *s.base)
	if err != nil {
		return nil, err
	}
	var ranges []extent.Range
	for r, err := range reader.Stored(ctx) {
		if err != nil {
			return nil, fmt.Errorf("%w: %w", repo.ErrBase, err)
		}
		ranges = append(ranges, extent.Range{Offset: r.From * s.base.BlockSize, Length: (r.To - r.From) * s.base.BlockSize})
	}
	return &volume.Base{Length: s.base.Length, Stored: extent.Of(ranges...)}, nil
}
