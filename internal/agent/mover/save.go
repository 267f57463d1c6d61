package mover

import (
	"context"
	"errors"
	"fmt"
	"io"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/volume"
)

// errDevice marks what went wrong at the block device.
var errDevice = errors.New("block device")

// saving is one volume on its way into the repository.
type saving struct {
	order      Order
	repository *repo.Repository
	device     *volume.Device
	base       *repo.StreamRef // of order.Base; nil for none
	notes      []string        // what could not be used, for the report
	distrusted string          // what the storage said wrongly
}

func save(ctx context.Context, order Order, repository *repo.Repository, report func(agentv1.Progress)) (Report, error) {
	device, err := volume.Open(order.Device)
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", errDevice, err)
	}
	defer func() { _ = device.Close() }() // it was only read
	s := &saving{order: order, repository: repository, device: device}
	if err := s.findBase(ctx); err != nil {
		return Report{}, err
	}
	result, err := s.write(ctx, report)
	if errors.Is(err, repo.ErrBase) {
		s.base, s.notes = nil, append(s.notes, "the recovery point before cannot be built upon: "+err.Error())
		result, err = s.write(ctx, report)
	}
	return result, err
}

// findBase looks for the stream to build upon. One that is gone is no failure.
func (s *saving) findBase(ctx context.Context) error {
	if s.order.Base == nil {
		return nil
	}
	m, err := s.repository.Manifest(ctx, s.order.Base.RecoveryPoint)
	switch {
	case errors.Is(err, repo.ErrNoRecoveryPoint), errors.Is(err, repo.ErrVoid), errors.Is(err, repo.ErrDamaged):
		s.notes = append(s.notes, "the recovery point before cannot be read: "+err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("read the recovery point before: %w", err)
	}
	for _, stream := range m.Streams {
		if stream.Name == s.order.Base.Stream && stream.Type == repo.TypeVolume {
			s.base = &stream
		}
	}
	return nil
}

// write stores the stream. It ends with everything but the manifest stored.
func (s *saving) write(ctx context.Context, report func(agentv1.Progress)) (Report, error) {
	plan, err := s.plan(ctx)
	if err != nil {
		return Report{}, err
	}
	w, err := s.repository.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: s.order.RecoveryPoint})
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = w.Close() }() // what failed was told before
	v, err := s.begin(w, plan)
	if err != nil {
		return Report{}, err
	}
	var read int64
	err = volume.Pump(ctx, marked{s.device}, plan, v, func(p volume.Progress) {
		read = p.Done
		report(agentv1.Progress{BytesDone: p.Done, BytesTotal: p.Total})
	})
	if err != nil {
		return Report{}, err
	}
	ref, err := v.Close()
	if err == nil {
		err = w.Flush(ctx)
	}
	if err != nil {
		return Report{}, err
	}
	return Report{Stream: &ref, BytesRead: read, BytesStored: w.Stats().BytesStored, How: plan.Reason, Distrusted: s.distrusted}, nil
}

func (s *saving) begin(w *repo.Writer, plan volume.Plan) (*repo.VolumeWriter, error) {
	shape := repo.VolumeShape{Length: plan.Size, BlockSize: plan.BlockSize}
	if s.base == nil {
		return w.Volume(s.order.Stream, shape)
	}
	return w.VolumeFrom(s.order.Stream, shape, repo.Base{Point: s.order.Base.RecoveryPoint, Stream: s.base.Name})
}

// marked marks the errors of a device.
type marked struct{ device io.ReaderAt }

func (m marked) ReadAt(p []byte, offset int64) (int, error) {
	n, err := m.device.ReadAt(p, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errDevice, err)
	}
	return n, err
}
