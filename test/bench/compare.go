package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/volume/extent"
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

// next measures our next backup, each round in a repository as the first left it.
func (c *comparison) next(ctx context.Context, name string, changed extent.Set, driver bool) (outcome, error) {
	var all []outcome
	for round := range c.rounds {
		repository := c.path(name + "-" + strconv.Itoa(round))
		err := twin(c.full, repository)
		if err == nil {
			err = level(c.cold, c.image.path, repository)
		}
		if err != nil {
			return outcome{}, err
		}
		o, err := task{Verb: "backup", Repository: repository, Volume: c.image.path, BlockSize: c.block,
			Point: point(2), Base: point(1), Changed: changed, Driver: driver}.do(ctx, c.profiled(name))
		if err != nil {
			return outcome{}, err
		}
		after, err := storedIn(repository)
		if err != nil {
			return outcome{}, err
		}
		if o.stored, err = storedIn(c.full); err != nil {
			return outcome{}, err
		}
		o.stored = after - o.stored
		all = append(all, o)
		if round == 0 {
			err = c.check(ctx, repository, name)
		}
		if err = errors.Join(err, os.RemoveAll(repository)); err != nil {
			return outcome{}, err
		}
	}
	return middle(all), nil
}

// check compares what the first round stored with the volume.
func (c *comparison) check(ctx context.Context, repository, name string) error {
	_, err := task{Verb: "verify", Repository: repository, Volume: c.image.path, Point: point(2)}.do(ctx, c.profiled(name+"-check"))
	return err
}

// volumeSame is the next backup when nothing has changed.
func (c *comparison) volumeSame(ctx context.Context) error {
	for _, driver := range []bool{false, true} {
		name := withDriver("volume-same", driver)
		ours, err := c.next(ctx, name, nil, driver)
		if err != nil {
			return err
		}
		number := 2
		if _, done := c.done["restic-image-2"]; !done {
			if err := c.theirs(ctx, "image", number, true); err != nil {
				return err
			}
		}
		c.say(name, ours.seconds, "s", c.done["restic-image-2"].seconds/ours.seconds, "restic-image", ours.rss)
	}
	return nil
}

// volumeNext is the next backup when a hundredth has changed, without and with
// a driver that knows what.
func (c *comparison) volumeNext(ctx context.Context) error {
	before, err := fingerprints(c.image.path)
	if err != nil {
		return err
	}
	if err := c.image.change(ctx, 0.01, c.seed+100); err != nil {
		return err
	}
	after, err := fingerprints(c.image.path)
	if err != nil {
		return err
	}
	changed := differing(before, after)
	for _, what := range []string{"image", "files"} {
		if err := c.theirs(ctx, what, 3, false); err != nil {
			return err
		}
	}
	for _, driver := range []bool{false, true} {
		name := withDriver("volume-next", driver)
		ours, err := c.next(ctx, name, changed, driver)
		if err != nil {
			return err
		}
		c.say(name+"-stored", float64(ours.stored)/1e6, "MB", float64(changed.Bytes())/float64(ours.stored), "changed-bytes", ours.rss)
		for _, what := range []string{"image", "files"} {
			theirs := c.done["restic-"+what+"-3"]
			c.say(name, ours.seconds, "s", theirs.seconds/ours.seconds, "restic-"+what, ours.rss)
		}
	}
	fmt.Fprintf(os.Stderr, "changed: %d MB in %d ranges of 64 KiB pieces\n", changed.Bytes()/1e6, len(changed))
	return nil
}

func withDriver(name string, driver bool) string {
	if driver {
		return name + "-driver"
	}
	return name
}

// grain is how fine a storage driver tells of changes, in bytes.
const grain = 64 << 10

var fingerprint = maphash.MakeSeed()

// fingerprints of a file, one for each grain.
func fingerprints(path string) ([]uint64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	all := make([]uint64, (size+grain-1)/grain)
	var g errgroup.Group
	for worker := range 2 {
		g.Go(func() error {
			data := make([]byte, grain)
			for i := worker; i < len(all); i += 2 {
				n, err := file.ReadAt(data, int64(i)*grain)
				if err != nil && !errors.Is(err, io.EOF) {
					return err
				}
				all[i] = maphash.Bytes(fingerprint, data[:n])
			}
			return nil
		})
	}
	return all, g.Wait()
}

func differing(before, after []uint64) extent.Set {
	b := extent.NewBuilder(1, 1<<30)
	for i := range before {
		if before[i] != after[i] {
			b.Add(int64(i)*grain, grain)
		}
	}
	return b.Set()
}

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
