package main

import (
	"context"
	"errors"
	"os"
	"strconv"
)

// volumeRestore restores to an empty device, as large as the volume.
func (c *comparison) volumeRestore(ctx context.Context) error {
	d, err := newLoop(ctx, c.path("device.img"), c.size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	var ours, plain, theirs []outcome
	for range c.rounds {
		for _, one := range []struct {
			do   func(context.Context, *loop) (outcome, error)
			into *[]outcome
		}{{c.restoreOurs, &ours}, {c.dd, &plain}, {c.restoreTheirs, &theirs}} {
			if err := errors.Join(d.empty(ctx), level(c.cold, c.full, c.restic["image"].dir)); err != nil {
				return err
			}
			o, err := one.do(ctx, d)
			if err != nil {
				return err
			}
			*one.into = append(*one.into, o)
		}
	}
	one := middle(ours)
	c.speed("volume-restore", one, c.size, "dd", middle(plain))
	c.speed("volume-restore", one, c.size, "restic-image", middle(theirs))
	c.speed("dd-write", middle(plain), c.size, "dd", middle(plain))
	c.speed("restic-image-restore", middle(theirs), c.size, "restic-image", middle(theirs))
	return err
}

func (c *comparison) restoreOurs(ctx context.Context, d *loop) (outcome, error) {
	o, err := task{Verb: "restore", Repository: c.full, Volume: d.device, Point: point(1)}.do(ctx, c.profiled("restore"))
	if err != nil {
		return o, err
	}
	_, err = task{Verb: "verify", Repository: c.full, Volume: d.device, Point: point(1)}.do(ctx, c.profiled("restore-check"))
	return o, err
}

// dd writes the device full.
func (c *comparison) dd(ctx context.Context, d *loop) (outcome, error) {
	return (&peer{}).run(ctx, c.dir, []string{"dd", "if=/dev/zero", "of=" + d.device, "bs=4M", "count=" + strconv.FormatInt(c.size>>22, 10), "conv=fsync"})
}

// restoreTheirs restores the image to a file, and waits until it is on disk.
func (c *comparison) restoreTheirs(ctx context.Context, _ *loop) (outcome, error) {
	target := c.path("restored")
	p := c.restic["image"]
	o, err := p.run(ctx, c.dir, p.restore(target))
	if err == nil {
		var sync outcome
		sync, err = p.run(ctx, c.dir, []string{"sync", "-f", target})
		o.seconds += sync.seconds
	}
	return o, errors.Join(err, os.RemoveAll(target))
}
