package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/volume"
	"holdfast.dev/holdfast/internal/volume/ext4"
	"holdfast.dev/holdfast/internal/volume/extent"
)

// task is what one process of ours does with a volume, as a mover would.
type task struct {
	Verb       string // a key of verbs
	Repository string // folder
	Volume     string // file: what is backed up, or what is restored to
	BlockSize  int64
	Blocks     int64 // of a volume that is made up
	Point      string
	Base       string     // recovery point to start from; empty for a full stream
	Changed    extent.Set // since the base; with Driver only
	Driver     bool       // the storage driver told what changed
}

var verbs = map[string]func(context.Context, task) error{"backup": backupVolume, "restore": restoreVolume, "verify": verifyVolume,
	"many": manyBlocks, "gc": collectGarbage}

func (t task) open(ctx context.Context) (*repo.Repository, error) {
	if err := os.MkdirAll(t.Repository, 0o700); err != nil {
		return nil, err
	}
	store, err := filesystem.Open(t.Repository)
	if err != nil {
		return nil, err
	}
	if err := repo.Create(ctx, store, repo.Key{1}, repo.CreateOptions{ID: repositoryID}); err != nil {
		return nil, err
	}
	return repo.Open(ctx, store, repo.Key{1})
}

func backupVolume(ctx context.Context, t task) error {
	r, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	device, err := volume.Open(t.Volume)
	if err != nil {
		return err
	}
	defer device.Close()
	size := device.Size()
	w, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: t.Point})
	if err != nil {
		return err
	}
	defer w.Close()
	v, err := t.begin(w, size)
	if err == nil {
		err = t.copy(ctx, v, device, size)
	}
	if err != nil {
		return err
	}
	ref, err := v.Close()
	if err != nil {
		return err
	}
	return w.Commit(ctx, repo.Manifest{Created: time.Unix(1, 0), Instance: "bench", Streams: []repo.StreamRef{ref}})
}

func (t task) begin(w *repo.Writer, size int64) (*repo.VolumeWriter, error) {
	shape := repo.VolumeShape{Length: size, BlockSize: t.BlockSize}
	if t.Base == "" {
		return w.Volume("volume", shape)
	}
	return w.VolumeFrom("volume", shape, repo.Base{Point: t.Base, Stream: "volume"})
}

// copy copies what the driver says has changed, or all that the file system uses.
func (t task) copy(ctx context.Context, v *repo.VolumeWriter, device io.ReaderAt, size int64) error {
	if t.Driver {
		return t.ranges(v, device, size, t.Changed, nil)
	}
	used := extent.NewBuilder(t.BlockSize, 1<<20)
	all := extent.All(size)
	var unusable ext4.Unusable
	if err := ext4.Used(ctx, device, size, used); err == nil {
		all = used.Set()
	} else if !errors.As(err, &unusable) && !errors.Is(err, ext4.ErrOther) {
		return err
	}
	return t.ranges(v, device, size, all, all.Complement(size))
}

func (t task) ranges(v *repo.VolumeWriter, device io.ReaderAt, size int64, used, free extent.Set) error {
	used = used.Align(t.BlockSize, size)
	next := int64(0)
	for _, r := range used {
		from, to := r.Offset/t.BlockSize, (r.End()+t.BlockSize-1)/t.BlockSize
		if len(free) > 0 {
			if err := v.Hole(next, from); err != nil {
				return err
			}
		}
		if err := v.Copy(device, from, to); err != nil {
			return err
		}
		next = to
	}
	if len(free) > 0 {
		return v.Hole(next, (size+t.BlockSize-1)/t.BlockSize)
	}
	return nil
}

func (t task) stream(ctx context.Context, r *repo.Repository) (*repo.VolumeReader, repo.StreamRef, error) {
	m, err := r.Manifest(ctx, t.Point)
	if err != nil {
		return nil, repo.StreamRef{}, err
	}
	v, err := r.Volume(ctx, m.Streams[0])
	return v, m.Streams[0], err
}

// restoreVolume fills an empty device, and waits until it is on disk.
func restoreVolume(ctx context.Context, t task) error {
	r, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	v, ref, err := t.stream(ctx, r)
	if err != nil {
		return err
	}
	target, err := volume.OpenTarget(t.Volume, ref.Length, ref.BlockSize)
	if err != nil {
		return err
	}
	err = volume.Fill(ctx, target, func(ctx context.Context, write volume.WriteBlock) error {
		return v.Restore(ctx, func(b repo.VolumeBlock) error { return write(b.Offset, b.Data) }, nil)
	}, nil)
	return errors.Join(err, target.Close())
}

// verifyVolume compares the file with what is stored of it, byte for byte: its
// free space may hold anything, but what is stored must be there.
func verifyVolume(ctx context.Context, t task) error {
	r, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	v, _, err := t.stream(ctx, r)
	if err != nil {
		return err
	}
	device, err := os.Open(t.Volume)
	if err != nil {
		return err
	}
	defer device.Close()
	return v.Restore(ctx, func(b repo.VolumeBlock) error {
		there := make([]byte, len(b.Data))
		if _, err := device.ReadAt(there, b.Offset); err != nil {
			return err
		}
		if string(there) != string(b.Data) {
			return fmt.Errorf("block %d of %s is not what was backed up", b.Index, t.Volume)
		}
		return nil
	}, nil)
}

const gcPercent = 25

// doTask does the task that stands in JSON on standard input.
func doTask(ctx context.Context) error {
	var t task
	if err := json.NewDecoder(os.Stdin).Decode(&t); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	// As in a mover: nearly all of the heap is buffers that stay, which need no
	// room for as much garbage.
	debug.SetGCPercent(gcPercent)
	do := verbs[t.Verb]
	if do == nil {
		return fmt.Errorf("there is no task %q", t.Verb)
	}
	return do(ctx, t)
}
