package volume

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/volume/volumetest"
)

// readers is a sink that reads as the repository's writer does: several pieces
// of 4 MiB at once.
type readers struct {
	group   *errgroup.Group
	buffers *sync.Pool
}

func (r readers) Copy(device io.ReaderAt, from, to int64) error {
	for at := from * testBlock; at < to*testBlock; at += 4 << 20 {
		n := min(4<<20, to*testBlock-at)
		r.group.Go(func() error {
			p := r.buffers.Get().([]byte)
			defer r.buffers.Put(p) //nolint:staticcheck // a slice header is small beside 4 MiB
			_, err := device.ReadAt(p[:n], at)
			return err
		})
	}
	return nil
}

func (r readers) Hole(int64, int64) error { return nil }

// BenchmarkPump reads a block device on the machine's disk.
func BenchmarkPump(b *testing.B) {
	const size = 512 << 20
	path := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(path, content(1, size), 0o600); err != nil {
		b.Fatal(err)
	}
	device := attach(b, path)
	p, err := MakePlan(Input{Size: size, BlockSize: testBlock})
	if err != nil {
		b.Fatal(err)
	}
	buffers := &sync.Pool{New: func() any { return Aligned(4 << 20) }}
	b.SetBytes(size)
	for b.Loop() {
		d, err := Open(device)
		if err != nil {
			b.Fatal(err)
		}
		var g errgroup.Group
		g.SetLimit(4)
		if err := Pump(context.Background(), d, p, readers{&g, buffers}, nil); err != nil {
			b.Fatal(err)
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		d.Close()
	}
}

// BenchmarkFill restores half a GiB, half of it holes, onto a device.
func BenchmarkFill(b *testing.B) {
	const size, block = 512 << 20, 256 << 10
	path := filepath.Join(b.TempDir(), "file")
	volumetest.Image(b, path, size)
	device := attach(b, path)
	want := content(1, size)
	b.SetBytes(size)
	for b.Loop() {
		t, err := OpenTarget(device, size, block)
		if err != nil {
			b.Fatal(err)
		}
		if err := Fill(context.Background(), t, blocks(want, block), nil); err != nil {
			b.Fatal(err)
		}
		t.Close()
	}
}

// BenchmarkUsed maps a file system of 100 GB.
func BenchmarkUsed(b *testing.B) {
	for _, mkfs := range []string{"mkfs.ext4", "mkfs.xfs"} {
		b.Run(mkfs, func(b *testing.B) {
			image := filepath.Join(b.TempDir(), "image")
			volumetest.Image(b, image, 100<<30)
			volumetest.Run(b, mkfs, "-q", image)
			d, err := Open(image)
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			for b.Loop() {
				if fs, err := Used(context.Background(), d, d.Size(), 256<<10); err != nil || fs.Used == nil {
					b.Fatal(fs.Reason, err)
				}
			}
		})
	}
}
