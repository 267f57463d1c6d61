package mover

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/volume"
)

// load writes a stream onto the device, which is cleared before.
func load(ctx context.Context, order Order, repository *repo.Repository, report func(agentv1.Progress)) (Report, error) {
	stream, err := streamOf(ctx, order, repository)
	if err != nil {
		return Report{}, err
	}
	reader, err := repository.Volume(ctx, stream)
	if err != nil {
		return Report{}, err
	}
	target, err := volume.OpenTarget(order.Device, stream.Length, stream.BlockSize)
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", errDevice, err)
	}
	written, err := fill(ctx, reader, target, report)
	if err = errors.Join(err, target.Close()); err != nil {
		return Report{}, err
	}
	return Report{BytesRead: written, How: fmt.Sprintf("%s of %s hold data.", volume.Bytes(written), volume.Bytes(stream.Length))}, nil
}

// fill writes every block that holds data. Only the device's part of it can
// fail at the device.
func fill(ctx context.Context, reader *repo.VolumeReader, target *volume.Target, report func(agentv1.Progress)) (written int64, err error) {
	var failed error // what the repository said
	var total atomic.Int64
	err = volume.Fill(ctx, target, func(ctx context.Context, write volume.WriteBlock) error {
		failed = reader.Restore(ctx, func(b repo.VolumeBlock) error {
			if err := write(b.Offset, b.Data); err != nil {
				return fmt.Errorf("%w: %w", errDevice, err)
			}
			return nil
		}, total.Store)
		return failed
	}, func(p volume.Progress) {
		written = p.Done
		report(agentv1.Progress{BytesDone: p.Done, BytesTotal: total.Load()})
	})
	if err != nil && failed == nil {
		err = fmt.Errorf("%w: %w", errDevice, err)
	}
	return written, err
}

// streamOf finds the stream of the order in the manifest.
func streamOf(ctx context.Context, order Order, repository *repo.Repository) (repo.StreamRef, error) {
	m, err := repository.Manifest(ctx, order.RecoveryPoint)
	if err != nil {
		return repo.StreamRef{}, err
	}
	for _, stream := range m.Streams {
		if stream.Name == order.Stream && stream.Type == repo.TypeVolume {
			return stream, nil
		}
	}
	return repo.StreamRef{}, fmt.Errorf("recovery point %s has no volume %q: %w", order.RecoveryPoint, order.Stream, repo.ErrDamaged)
}
