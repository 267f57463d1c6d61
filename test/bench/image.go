package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// image is a file with an ext4 file system, which can be mounted on a folder.
type image struct {
	path  string
	mount string
	size  int64
	on    bool
}

func newImage(ctx context.Context, dir, name string, size int64, inodes int) (*image, error) {
	i := &image{path: filepath.Join(dir, name+".img"), mount: filepath.Join(dir, name), size: size}
	file, err := os.Create(i.path)
	if err != nil {
		return nil, err
	}
	err = errors.Join(file.Truncate(size), file.Close(), os.Mkdir(i.mount, 0o700))
	if err == nil {
		err = run(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-N", fmt.Sprint(inodes), "-E", "lazy_itable_init=1,nodiscard", i.path)
	}
	return i, err
}

// use mounts the image, and unmounts it when do has returned. The unmounting is
// done also after ctx ended.
func (i *image) use(ctx context.Context, do func() error, options ...string) (err error) {
	options = append(options, "loop", "noatime", "noinit_itable")
	if err := run(ctx, "mount", "-o", strings.Join(options, ","), i.path, i.mount); err != nil {
		return err
	}
	i.on = true
	defer func() { err = errors.Join(err, i.unmount()) }()
	return do()
}

func (i *image) unmount() error {
	if !i.on {
		return nil
	}
	var err error
	for range 20 { // something may still look into it
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		err = run(ctx, "umount", i.mount)
		cancel()
		if err == nil {
			i.on = false
			return nil
		}
		time.Sleep(250 * time.Millisecond)
	}
	return err
}

// fileOf is the file of that number.
func (i *image) fileOf(number int) string {
	return filepath.Join(i.mount, fmt.Sprintf("d%03d", number%251), fmt.Sprintf("f%07d", number))
}

func (i *image) folders() error {
	for n := range 251 {
		if err := os.Mkdir(filepath.Dir(i.fileOf(n)), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// fillLarge fills half of the image with compressible files, a third with noise,
// and leaves the rest free.
func (i *image) fillLarge(ctx context.Context, seed uint64) error {
	return i.use(ctx, func() error {
		if err := i.folders(); err != nil {
			return err
		}
		words, number := vocabulary(seed), new(atomic.Int64)
		parts := []part{{compressible, i.size / 2}, {[]content{noise}, i.size / 3}}
		var g errgroup.Group
		for n, p := range parts {
			g.Go(func() error { return i.fillPart(ctx, p, words, number, seed+uint64(n)) })
		}
		return g.Wait()
	})
}

type part struct {
	kinds []content
	bytes int64
}

func (i *image) fillPart(ctx context.Context, p part, words []string, number *atomic.Int64, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 5))
	var buffer []byte
	for left := p.bytes; left > 0 && ctx.Err() == nil; {
		size := min(left, int64(16<<10+rng.Uint32N(16<<10))<<rng.IntN(11)) // up to 32 MiB
		n := int(number.Add(1))
		buffer = newGenerator(words, rng.Uint64()).fill(p.kinds[rng.IntN(len(p.kinds))], buffer, int(size))
		if err := os.WriteFile(i.fileOf(n), buffer, 0o600); err != nil {
			return err
		}
		left -= size
	}
	return ctx.Err()
}

// fillSmall writes count files of 0.2 to 4 KB.
func (i *image) fillSmall(ctx context.Context, count int, seed uint64) error {
	return i.use(ctx, func() error {
		if err := i.folders(); err != nil {
			return err
		}
		words := vocabulary(seed)
		var g errgroup.Group
		for half := range 2 {
			g.Go(func() error {
				rng := rand.New(rand.NewPCG(seed, uint64(half)))
				var buffer []byte
				for n := half; n < count && ctx.Err() == nil; n += 2 {
					buffer = newGenerator(words, rng.Uint64()).fill(compressible[n/2%len(compressible)], buffer, 200+rng.IntN(3800))
					if err := os.WriteFile(i.fileOf(n), buffer, 0o600); err != nil {
						return err
					}
				}
				return ctx.Err()
			})
		}
		return g.Wait()
	})
}

// change gives share of the image's size other content: three quarters as files
// written anew, and the rest as writes of 8 KiB in place, as a database does.
func (i *image) change(ctx context.Context, share float64, seed uint64) error {
	return i.use(ctx, func() error {
		files, err := filepath.Glob(filepath.Join(i.mount, "d*", "f*"))
		if err != nil {
			return err
		}
		rng, words := rand.New(rand.NewPCG(seed, 6)), vocabulary(seed)
		left := int64(share * float64(i.size))
		for scattered := left / 4; left > scattered; {
			n, err := i.rewrite(files[rng.IntN(len(files))], newGenerator(words, rng.Uint64()), left-scattered)
			if err != nil {
				return err
			}
			left -= n
		}
		return i.scatter(files[:min(len(files), 1+len(files)/20)], rng, left)
	})
}

// rewrite replaces a file by another of its size, when it is not too large.
func (i *image) rewrite(name string, g *generator, most int64) (int64, error) {
	info, err := os.Stat(name)
	if err != nil || info.Size() > max(most, 64<<10) {
		return 0, err
	}
	data := g.fill(compressible[g.rng.IntN(len(compressible))], nil, int(info.Size()))
	return info.Size(), os.WriteFile(name, data, 0o600)
}

// scatter writes into files, in places that are chosen by chance but lie
// together in the way of a database's.
func (i *image) scatter(files []string, rng *rand.Rand, left int64) error {
	const page = 8 << 10
	for left > 0 {
		file, err := os.OpenFile(files[rng.IntN(len(files))], os.O_RDWR, 0)
		if err != nil {
			return err
		}
		info, err := file.Stat()
		for range 32 {
			if pages := info.Size() / page; err == nil && pages > 0 && left > 0 {
				_, err = file.WriteAt(noise(newGenerator(nil, rng.Uint64()), noise(newGenerator(nil, rng.Uint64()), nil))[:page], rng.Int64N(pages)*page)
			}
			left -= page
		}
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
