package volume

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/volume/extent"
	"holdfast.dev/holdfast/internal/volume/volumetest"
)

func TestMain(m *testing.M) { volumetest.Main(m) }

const testSize = 20<<20 + 4096*3

// content is a volume of random runs and runs of zeros.
func content(seed uint64, size int64) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, size)
	for at := int64(0); at < size; {
		n := min(1+random.Int64N(900<<10), size-at)
		if random.IntN(2) == 0 {
			for i := at; i < at+n; i++ {
				b[i] = byte(random.Uint32())
			}
		}
		at += n
	}
	return b
}

func file(t *testing.T, dir string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// attach makes a block device of a file.
func attach(t testing.TB, path string) string {
	t.Helper()
	device := strings.TrimSpace(volumetest.Run(t, "losetup", "--find", "--show", path))
	t.Cleanup(func() { volumetest.Run(t, "losetup", "--detach", device) })
	return device
}

// memory mounts a file system in memory.
func memory(t *testing.T, kind string) string {
	t.Helper()
	dir := t.TempDir()
	volumetest.Run(t, "mount", "-t", kind, "memory", dir)
	t.Cleanup(func() { volumetest.Unmount(t, dir) })
	return dir
}

// blocks writes what is not zero, in any order, by several goroutines.
func blocks(data []byte, size int64) func(context.Context, WriteBlock) error {
	return func(_ context.Context, write WriteBlock) error {
		var g errgroup.Group
		g.SetLimit(4)
		for _, i := range rand.New(rand.NewPCG(3, 3)).Perm(int((int64(len(data)) + size - 1) / size)) {
			from := int64(i) * size
			if part := data[from:min(from+size, int64(len(data)))]; !zero(part) {
				g.Go(func() error { return write(from, part) })
			}
		}
		return g.Wait()
	}
}

func TestPumpReadsDevicesAndFiles(t *testing.T) {
	want := content(1, testSize)
	path := file(t, memory(t, "tmpfs"), want)
	for kind, from := range map[string]string{"file": path, "device": attach(t, path)} {
		t.Run(kind, func(t *testing.T) {
			d, err := Open(from)
			if err != nil || d.Size() != testSize {
				t.Fatal(err)
			}
			defer d.Close()
			p, err := MakePlan(Input{Size: d.Size(), BlockSize: 256 << 10})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := Pump(t.Context(), d, p, sink{&got, 256 << 10}, nil); err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Fatalf("%d bytes, %v", got.Len(), err)
			}
			odd := make([]byte, 777)
			if n, err := d.ReadAt(odd, 12345); n != len(odd) || err != nil || !bytes.Equal(odd, want[12345:12345+777]) {
				t.Fatalf("%d bytes, %v", n, err)
			}
		})
	}
}

// sink puts a stream together again.
type sink struct {
	to    *bytes.Buffer
	block int64
}

func (s sink) Copy(device io.ReaderAt, from, to int64) error {
	if int64(s.to.Len()) != from*s.block {
		return errors.New("out of order")
	}
	b := Aligned(int(min((to-from)*s.block, testSize-from*s.block)))
	if n, err := device.ReadAt(b, from*s.block); n < len(b) {
		return err
	}
	_, err := s.to.Write(b)
	return err
}

func (s sink) Hole(from, to int64) error {
	_, err := s.to.Write(make([]byte, (to-from)*s.block))
	return err
}

func TestPumpEndsAtOnce(t *testing.T) {
	p, err := MakePlan(Input{Size: 64 << 20, BlockSize: testBlock})
	if err != nil {
		t.Fatal(err)
	}
	full := bytes.NewReader(make([]byte, 64<<20))
	broken := errors.New("broken")
	if err := Pump(t.Context(), full, p, failing{broken}, nil); !errors.Is(err, broken) {
		t.Errorf("a sink that fails: %v", err)
	}
	if err := Pump(t.Context(), bytes.NewReader(make([]byte, 5<<20)), p, stream{}, nil); !errors.Is(err, io.EOF) {
		t.Errorf("a device that ends early: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reads := 0
	err = Pump(ctx, full, p, stream{}, func(Progress) {
		if reads++; reads == 2 {
			cancel(broken)
		}
	})
	if !errors.Is(err, broken) || reads != 2 {
		t.Errorf("cancelled: %v after %d reads", err, reads)
	}
	holes := Plan{Size: 1 << 20, BlockSize: testBlock, Steps: []Step{{Hole, 0, 256}}}
	if err := Pump(t.Context(), full, holes, failing{broken}, nil); !errors.Is(err, broken) {
		t.Errorf("only holes: %v", err)
	}
	if err := Pump(ctx, full, holes, stream{}, nil); !errors.Is(err, broken) {
		t.Errorf("cancelled before: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Copy(io.ReaderAt, int64, int64) error { return f.err }
func (f failing) Hole(int64, int64) error              { return f.err }

// TestFill restores onto what held other data before: files and devices, that
// can give space back, and that cannot.
func TestFill(t *testing.T) {
	const block = 512 << 10
	for _, kind := range []string{"tmpfs", "ramfs"} {
		for _, as := range []string{"file", "device"} {
			t.Run(kind+" "+as, func(t *testing.T) {
				const targetSize = testSize + 3<<20
				path := file(t, memory(t, kind), content(2, targetSize))
				to := path
				if as == "device" {
					to = attach(t, path)
				}
				target, err := OpenTarget(to, testSize, block)
				if err != nil {
					t.Fatal(err)
				}
				defer target.Close()
				want := content(3, testSize)
				var last Progress
				if err := Fill(t.Context(), target, blocks(want, block), func(p Progress) { last = p }); err != nil {
					t.Fatal(err)
				}
				if kind == "tmpfs" != target.clean {
					t.Errorf("clean: %t", target.clean)
				}
				got, err := os.ReadFile(to)
				if err != nil || !bytes.Equal(got, append(want, make([]byte, 3<<20)...)) {
					t.Fatalf("it holds something else: %v", err)
				}
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if taken := info.Sys().(*syscall.Stat_t).Blocks * 512; kind == "tmpfs" && taken > last.Done+1<<20 {
					t.Errorf("%d bytes taken for %d that were written", taken, last.Done)
				}
			})
		}
	}
}

func TestTargetRefusesWhatDoesNotFit(t *testing.T) {
	path := file(t, memory(t, "tmpfs"), make([]byte, 8<<20))
	if _, err := OpenTarget(attach(t, path), 8<<20+1, 1<<20); !errors.Is(err, ErrTooSmall) {
		t.Errorf("a device that is too small: %v", err)
	}
	target, err := OpenTarget(path, 9<<20+5, 1<<20)
	if err != nil || target.Size() != 9<<20+5 {
		t.Fatalf("a file does not grow: %v", err)
	}
	defer target.Close()
	for _, c := range []struct {
		offset int64
		n      int
	}{{-1 << 20, 1}, {5, 5}, {0, 1<<20 + 1}, {9 << 20, 6}, {10 << 20, 1}, {0, 2<<20 - 1}, {8 << 20, 1<<20 + 6}} {
		if _, err := target.WriteAt(make([]byte, c.n), c.offset); err == nil {
			t.Errorf("%d bytes at %d are taken", c.n, c.offset)
		}
	}
	for _, c := range []struct {
		offset int64
		n      int
	}{{9 << 20, 5}, {7 << 20, 2 << 20}, {6 << 20, 3<<20 + 5}} {
		if _, err := target.WriteAt(make([]byte, c.n), c.offset); err != nil {
			t.Errorf("%d bytes at %d: %v", c.n, c.offset, err)
		}
	}
	broken := errors.New("broken")
	err = Fill(t.Context(), target, func(context.Context, WriteBlock) error { return broken }, nil)
	if !errors.Is(err, broken) {
		t.Errorf("a stream that fails: %v", err)
	}
}

func TestHolesOfAFile(t *testing.T) {
	path := filepath.Join(memory(t, "tmpfs"), "sparse")
	volumetest.Image(t, path, 8<<20)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{1 << 20, 7 << 20} {
		if _, err := f.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m, err := d.Data()
	want := extent.Of(extent.Range{Offset: 1 << 20, Length: 4096}, extent.Range{Offset: 7 << 20, Length: 4096})
	if err != nil || m == nil || len(want.Subtract(m.Ranges)) > 0 || m.Ranges.Bytes() > 1<<20 {
		t.Fatalf("got %v, %v", m, err)
	}
	if _, err := Open("/dev/null"); err == nil {
		t.Error("/dev/null is taken for a volume")
	}
}

type same func(block int64, content []byte) bool

func (s same) Same(_ context.Context, block int64, content []byte) (bool, error) {
	return s(block, content), nil
}

func TestVerifyFindsWhatChanged(t *testing.T) {
	device := content(5, 100*testBlock)
	p, err := MakePlan(Input{Size: 100 * testBlock, BlockSize: testBlock, Changed: &Map{Ranges: extent.Of(extent.Range{Offset: 30 * testBlock, Length: 1}), Length: 100 * testBlock},
		Base: &Base{Length: 100 * testBlock, Stored: extent.All(90 * testBlock)}})
	if err != nil {
		t.Fatal(err)
	}
	equal := same(func(block int64, c []byte) bool { return bytes.Equal(c, device[block*testBlock:][:len(c)]) })
	if bad, err := Verify(t.Context(), bytes.NewReader(device), p, equal, 10, 1); bad != -1 || err != nil {
		t.Fatalf("%d, %v", bad, err)
	}
	for wrong := range int64(100) { // each block in turn: a full sample finds it if it was taken over
		differ := same(func(block int64, c []byte) bool { return block != wrong })
		bad, err := Verify(t.Context(), bytes.NewReader(device), p, differ, 400, 7)
		if want := wrong < 90 && wrong != 30; err != nil || (bad == wrong) != want {
			t.Fatalf("block %d: %d, %v", wrong, bad, err)
		}
	}
	found := 0
	for seed := range uint64(50) { // a tenth wrong is found by a small sample nearly always
		differ := same(func(block int64, c []byte) bool { return block < 40 || block >= 50 })
		if bad, _ := Verify(t.Context(), bytes.NewReader(device), p, differ, 40, seed); bad >= 0 {
			found++
		}
	}
	if found < 40 {
		t.Errorf("found %d of 50", found)
	}
}

func TestUsedRefusesWhatItDoesNotKnow(t *testing.T) {
	image := filepath.Join(memory(t, "tmpfs"), "image")
	volumetest.Image(t, image, 64<<20)
	volumetest.Run(t, "mkfs.ext4", "-q", image)
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	used := func(change func([]byte)) FileSystem {
		t.Helper()
		copied := bytes.Clone(data)
		change(copied)
		fs, err := Used(t.Context(), bytes.NewReader(copied), int64(len(copied)), 4096)
		if err != nil {
			t.Fatal(err)
		}
		return fs
	}
	if fs := used(func([]byte) {}); fs.Kind != "ext4" || fs.Used == nil || fs.Used.Ranges.Bytes() > 32<<20 {
		t.Fatalf("got %+v", fs)
	}
	for name, change := range map[string]func([]byte){
		"partition table": func(b []byte) { b[510], b[511] = 0x55, 0xAA },
		"raid":            func(b []byte) { copy(b[4096:], "\xfc\x4e\x2b\xa9") },
		"btrfs":           func(b []byte) { copy(b[65600:], "_BHRfS_M") },
		"nothing":         func(b []byte) { clear(b) },
		"damaged":         func(b []byte) { b[1024+0x3A] = 2 },
	} {
		if fs := used(change); fs.Used != nil || fs.Reason == "" {
			t.Errorf("%s: got %+v", name, fs)
		}
	}
	if fs, err := Used(t.Context(), bytes.NewReader(nil), 0, 1); err != nil || fs.Used != nil {
		t.Errorf("an empty device: %+v, %v", fs, err)
	}
}
