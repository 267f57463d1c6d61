package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strconv"

	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/volume/extent"
)

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
