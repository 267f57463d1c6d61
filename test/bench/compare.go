package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// comparison measures volumes against other tools: the same data, in the same
// run, each in a process of its own, and with an equal cache.
type comparison struct {
	dir     string
	size    int64 // bytes of the volume
	small   int   // files in the volume of small files
	blocks  int   // in the repository that garbage is collected in
	block   int64 // size of ours
	cold    bool  // nobody finds anything in the system's cache
	rounds  int   // of ours
	seed    uint64
	profile string // folder for profiles of our processes; empty for none
	image   *image
	restic  map[string]*peer // "image" and "files"
	full    string           // our repository with the full backup
	done    map[string]outcome
	fulls   []outcome
}

func (c *comparison) say(name string, value float64, unit string, ratio float64, peer string, rss int64) {
	fmt.Printf("bench %s %.4g %s ratio=%.2f peer=%s rss=%d\n", name, value, unit, ratio, peer, rss/1e6)
}

// speed prints what ours reached, and its ratio to the peer.
func (c *comparison) speed(name string, ours outcome, size int64, peer string, theirs outcome) {
	c.say(name, float64(size)/1e6/ours.seconds, "MB/s", theirs.seconds/ours.seconds, peer, ours.rss)
}

// middle is the outcome of the median time, with the greatest memory.
func middle(all []outcome) outcome {
	var times []float64
	var rss int64
	for _, o := range all {
		times, rss = append(times, o.seconds), max(rss, o.rss)
	}
	m := median(times)
	for _, o := range all {
		if o.seconds == m {
			o.rss = rss
			return o
		}
	}
	return outcome{}
}

func (c *comparison) path(name string) string { return filepath.Join(c.dir, name) }

// prepare makes the volume, and a first backup of it with everybody.
func (c *comparison) prepare(ctx context.Context) (err error) {
	if c.image != nil {
		return nil
	}
	fmt.Fprintln(os.Stderr, "making a volume")
	if c.image, err = newImage(ctx, c.dir, "large", c.size, 200_000); err != nil {
		return err
	}
	if err := c.image.fillLarge(ctx, c.seed); err != nil {
		return err
	}
	c.restic = map[string]*peer{"image": restic(c.dir, "restic-image"), "files": restic(c.dir, "restic-files")}
	for name, p := range c.restic {
		if _, err := p.run(ctx, c.dir, p.init); err != nil {
			return err
		}
		if err := c.ours(ctx, "full-"+name); err != nil {
			return err
		}
		if err := c.theirs(ctx, name, 1, false); err != nil {
			return err
		}
	}
	c.full = c.path("full-image")
	return os.RemoveAll(c.path("full-files"))
}

// ours is one full backup with ours.
func (c *comparison) ours(ctx context.Context, name string) error {
	if err := level(c.cold, c.image.path); err != nil {
		return err
	}
	o, err := task{Verb: "backup", Repository: c.path(name), Volume: c.image.path, BlockSize: c.block, Point: point(1)}.do(ctx, c.profiled(name))
	c.fulls = append(c.fulls, o)
	return err
}

func (c *comparison) profiled(name string) string {
	if c.profile == "" {
		return ""
	}
	return filepath.Join(c.profile, name)
}

// theirs is one backup with restic, of the image or of the files in it.
func (c *comparison) theirs(ctx context.Context, what string, number int, force bool) error {
	p := c.restic[what]
	if err := level(c.cold, c.image.path, p.dir); err != nil {
		return err
	}
	backup := func(path string) error {
		o, err := p.run(ctx, c.image.mount, p.backup(path, number, force))
		c.done["restic-"+what+"-"+strconv.Itoa(number)] = o
		return err
	}
	if what == "image" {
		return backup(c.image.path)
	}
	return c.image.use(ctx, func() error { return backup(".") }, "ro")
}

// volumeFull is the first backup.
func (c *comparison) volumeFull(ctx context.Context) error {
	if err := c.ours(ctx, "full-again"); err != nil {
		return err
	}
	ours := middle(c.fulls)
	size, err := storedIn(c.full)
	if err != nil {
		return err
	}
	for _, what := range []string{"image", "files"} {
		theirs := c.done["restic-"+what+"-1"]
		stored, err := storedIn(c.restic[what].dir)
		if err != nil {
			return err
		}
		c.speed("volume-full", ours, c.size, "restic-"+what, theirs)
		c.say("volume-full-stored", float64(size)/1e6, "MB", float64(stored)/float64(size), "restic-"+what, ours.rss)
		c.say("volume-full-cpu", ours.cpu, "s", theirs.cpu/ours.cpu, "restic-"+what, ours.rss)
		c.speed("restic-"+what+"-full", theirs, c.size, "restic-"+what, theirs)
	}
	return os.RemoveAll(c.path("full-again"))
}

// volumeBorg is the first backup, against borg.
func (c *comparison) volumeBorg(ctx context.Context) error {
	p := borg(c.dir, "borg-image")
	_, err := p.run(ctx, c.dir, p.init)
	if err == nil {
		err = level(c.cold, c.image.path)
	}
	if err != nil {
		return err
	}
	theirs, err := p.run(ctx, c.dir, p.backup(c.image.path, 1, false))
	if err != nil {
		return err
	}
	stored, err := storedIn(p.dir)
	if err != nil {
		return err
	}
	size, err := storedIn(c.full)
	if err != nil {
		return err
	}
	ours := middle(c.fulls)
	c.speed("volume-full", ours, c.size, "borg-image", theirs)
	c.say("volume-full-stored", float64(size)/1e6, "MB", float64(stored)/float64(size), "borg-image", ours.rss)
	c.speed("borg-image-full", theirs, c.size, "borg-image", theirs)
	return os.RemoveAll(p.dir)
}

// smallFiles is the first backup of very many small files.
func (c *comparison) smallFiles(ctx context.Context) error {
	fmt.Fprintln(os.Stderr, "making a volume of small files")
	size := max(int64(c.small)*6<<10, 64<<20)
	i, err := newImage(ctx, c.dir, "small", size, c.small+c.small/10+2000)
	if err != nil {
		return err
	}
	if err := i.fillSmall(ctx, c.small, c.seed); err != nil {
		return err
	}
	var ours []outcome
	for range c.rounds {
		if err := level(c.cold, i.path); err != nil {
			return err
		}
		o, err := task{Verb: "backup", Repository: c.path("small-ours"), Volume: i.path, BlockSize: c.block, Point: point(1)}.do(ctx, c.profiled("small"))
		if err = errors.Join(err, os.RemoveAll(c.path("small-ours"))); err != nil {
			return err
		}
		ours = append(ours, o)
	}
	p := restic(c.dir, "restic-small")
	if _, err := p.run(ctx, c.dir, p.init); err != nil {
		return err
	}
	var theirs outcome
	err = errors.Join(level(c.cold, i.path), i.use(ctx, func() error {
		theirs, err = p.run(ctx, i.mount, p.backup(".", 1, false))
		return err
	}, "ro"))
	one := middle(ours)
	c.say("small-full", float64(c.small)/one.seconds, "files/s", theirs.seconds/one.seconds, "restic-files", one.rss)
	c.say("restic-small-full", float64(c.small)/theirs.seconds, "files/s", 1, "restic-files", theirs.rss)
	return errors.Join(err, os.RemoveAll(p.dir), os.Remove(i.path))
}
