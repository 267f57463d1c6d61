package mover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/volume"
)

// blockSize of new streams in bytes; an increment keeps the one of its base.
const blockSize = 256 << 10

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
	defer device.Close()
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
	defer w.Close()
	v, err := s.begin(w, plan)
	if err != nil {
		return Report{}, err
	}
	counted := &counting{from: s.device, done: func(read int64) { report(agentv1.Progress{BytesDone: read, BytesTotal: plan.ToRead}) }}
	if err := steps(v, plan, counted); err != nil {
		return Report{}, err
	}
	ref, err := v.Close()
	if err == nil {
		err = w.Flush(ctx)
	}
	if err != nil {
		return Report{}, err
	}
	return Report{Stream: &ref, BytesRead: counted.read.Load(), BytesStored: w.Stats().BytesStored, How: plan.Reason, Distrusted: s.distrusted}, nil
}

func (s *saving) begin(w *repo.Writer, plan volume.Plan) (*repo.VolumeWriter, error) {
	shape := repo.VolumeShape{Length: plan.Size, BlockSize: plan.BlockSize}
	if s.base == nil {
		return w.Volume(s.order.Stream, shape)
	}
	return w.VolumeFrom(s.order.Stream, shape, repo.Base{Point: s.order.Base.RecoveryPoint, Stream: s.base.Name})
}

func steps(v *repo.VolumeWriter, plan volume.Plan, device io.ReaderAt) error {
	for _, step := range plan.Steps {
		var err error
		switch step.Kind {
		case volume.Read:
			err = v.Copy(device, step.From, step.To)
		case volume.Hole:
			err = v.Hole(step.From, step.To)
		case volume.Inherit: // what is not written stays as the base has it
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// counting reads a device, tells how much was read, and marks its errors.
type counting struct {
	from io.ReaderAt
	read atomic.Int64
	done func(read int64)
}

func (c *counting) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.from.ReadAt(p, offset)
	c.done(c.read.Add(int64(n)))
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errDevice, err)
	}
	return n, err
}
