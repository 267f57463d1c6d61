package main

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"holdfast.dev/holdfast/internal/repo"
)

// counted is a device whose blocks are all different and compress well. Blocks
// of a later edition differ, but for every third, so that what stays is too little
// for its packs to stay.
type counted struct {
	blockSize int64
	edition   byte
}

// ReadAt makes the content up.
func (c counted) ReadAt(p []byte, offset int64) (int, error) {
	clear(p)
	for at := int64(0); at < int64(len(p)); at += c.blockSize {
		number := (offset + at) / c.blockSize
		binary.BigEndian.PutUint64(p[at:], uint64(number)+1)
		if number%3 != 0 {
			p[at+8] = c.edition
		}
	}
	return len(p), nil
}

// manyBlocks backs up such a device of t.Blocks blocks twice, and deletes the
// first recovery point.
func manyBlocks(ctx context.Context, t task) error {
	r, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	for edition := range 2 {
		if err := countedPoint(ctx, r, t, byte(edition)); err != nil {
			return err
		}
	}
	return r.DeleteManifest(ctx, point(1))
}

func countedPoint(ctx context.Context, r *repo.Repository, t task, edition byte) error {
	w, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: point(int(edition) + 1)})
	if err != nil {
		return err
	}
	defer w.Close()
	v, err := w.Volume("volume", repo.VolumeShape{Length: t.Blocks * t.BlockSize, BlockSize: t.BlockSize})
	if err == nil {
		err = v.Copy(counted{t.BlockSize, edition}, 0, t.Blocks)
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

func collectGarbage(ctx context.Context, t task) error {
	r, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.CollectGarbage(ctx, repo.GCOptions{})
	return err
}

// garbage collects what the first of two recovery points leaves behind, in a
// repository of two million blocks.
func (c *comparison) garbage(ctx context.Context) error {
	t := task{Verb: "many", Repository: c.path("garbage"), BlockSize: 4096, Blocks: int64(c.blocks) * 3 / 5, Point: point(2)} // two thirds are stored twice
	if _, err := t.do(ctx, ""); err != nil {
		return err
	}
	t.Verb = "gc"
	ours, err := t.do(ctx, c.profiled("gc"))
	if err != nil {
		return err
	}
	c.say("gc", float64(c.blocks)/ours.seconds, "blocks/s", 1, "itself", ours.rss)
	return os.RemoveAll(t.Repository)
}
