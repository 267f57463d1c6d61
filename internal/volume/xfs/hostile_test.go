package xfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/volume/extent"
	"holdfast.dev/holdfast/internal/volume/volumetest"
)

// ops puts operations of one transaction together, as a record holds them.
type ops struct {
	data []byte
	n    int
}

func (o *ops) op(flags byte, region []byte) {
	o.data = be.AppendUint32(o.data, 7)
	o.data = be.AppendUint32(o.data, uint32(len(region)))
	o.data = append(o.data, 0x69, flags, 0, 0)
	o.data = append(o.data, region...)
	o.n++
}

func (o *ops) begin() {
	o.op(opStart, nil)
	o.op(0, append(le.AppendUint32(nil, transactionMagic), make([]byte, 12)...))
}

// format is the first region of a buffer item.
func format(regions, flags, kind uint16, offset, length int64, chunks uint32) []byte {
	f := le.AppendUint16(nil, itemBuffer)
	f = le.AppendUint16(f, regions)
	f = le.AppendUint16(f, flags|kind<<typeShift)
	f = le.AppendUint16(f, uint16(length/sector))
	f = le.AppendUint64(f, uint64(offset/sector))
	f = le.AppendUint32(f, 1)
	return le.AppendUint32(f, chunks)
}

// tested is a recovery over a device of 64 KiB whose block at 4096 was last
// written at place 50 of the log.
func tested() (*recovery, []byte) {
	device := make([]byte, 64<<10)
	be.PutUint32(device[4096:], magicByBlock)
	be.PutUint64(device[4096+24:], 50)
	s := &super{blockSize: 4096, sectorSize: 512}
	return &recovery{super: s, view: &view{device: bytes.NewReader(device), size: 64 << 10, newer: map[int64][]byte{}},
		open: map[uint32]*transaction{}, cancelled: map[place]int{}}, device
}

func TestRecoveryOfBuffers(t *testing.T) {
	first, second := bytes.Repeat([]byte{1}, chunk), bytes.Repeat([]byte{2}, 2*chunk)
	patched := func(device []byte) []byte {
		p := bytes.Clone(device[4096:8192])
		copy(p[chunk:], first)
		copy(p[4*chunk:], second)
		return p
	}
	const chunks = 1<<1 | 1<<4 | 1<<5
	cases := map[string]struct {
		lsn  uint64
		make func(*ops)
		want bool
	}{
		"newer":           {51, func(o *ops) { o.op(0, format(3, 0, typeTree, 4096, 4096, chunks)); o.op(0, first); o.op(0, second) }, true},
		"already written": {50, func(o *ops) { o.op(0, format(3, 0, typeTree, 4096, 4096, chunks)); o.op(0, first); o.op(0, second) }, false},
		"continued": {51, func(o *ops) {
			o.op(0, format(3, 0, typeTree, 4096, 4096, chunks))
			o.op(0, first)
			o.op(opContinue, second[:10])
			o.op(opContinued|opContinue, second[10:20])
			o.op(opContinued|opEnd, second[20:])
		}, true},
		"of a directory": {51, func(o *ops) { o.op(0, format(3, 0, 10, 4096, 4096, chunks)); o.op(0, first); o.op(0, second) }, false},
		"cancelled": {51, func(o *ops) {
			o.op(0, format(3, 0, typeTree, 4096, 4096, chunks))
			o.op(0, first)
			o.op(0, second)
			o.op(0, format(1, bufferCancel, 0, 4096, 4096, 0))
		}, false},
		"used again": {51, func(o *ops) {
			o.op(0, format(1, bufferCancel, 0, 4096, 4096, 0))
			o.op(0, format(3, 0, typeTree, 4096, 4096, chunks))
			o.op(0, first)
			o.op(0, second)
		}, true},
		"other item between": {51, func(o *ops) {
			o.op(0, []byte{0x3b, 0x12, 2, 0})
			o.op(0, []byte("inode"))
			o.op(0, format(3, 0, typeTree, 4096, 4096, chunks))
			o.op(0, first)
			o.op(0, second)
		}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, device := tested()
			var o ops
			o.begin()
			c.make(&o)
			o.op(opCommit, nil)
			for _, each := range []func(item, uint64) error{r.noteCancelled, r.apply} {
				r.each = each
				if err := r.record(record{lsn: c.lsn, ops: o.n}, o.data); err != nil {
					t.Fatal(err)
				}
			}
			if r.memory != 0 || len(r.open) != 0 {
				t.Errorf("%d bytes and %d transactions are left", r.memory, len(r.open))
			}
			got, changed := r.view.newer[4096]
			if changed != c.want || c.want && !bytes.Equal(got, patched(device)) {
				t.Fatalf("changed: %t", changed)
			}
		})
	}
}

func TestWithoutCommitNothingCounts(t *testing.T) {
	r, _ := tested()
	r.each = func(item, uint64) error { return errors.New("counted") }
	var o ops
	o.begin()
	o.op(0, format(2, 0, typeTree, 4096, 4096, 1))
	o.op(0, make([]byte, chunk))
	if err := r.record(record{ops: o.n}, o.data); err != nil {
		t.Fatal(err)
	}
	o.op(opCommit, nil)
	if err := r.record(record{ops: 1}, o.data[len(o.data)-opHeader:]); err == nil || err.Error() != "counted" {
		t.Fatalf("got %v", err)
	}
}

// FuzzRecord gives records with anything in them.
func FuzzRecord(f *testing.F) {
	var o ops
	o.begin()
	o.op(0, format(3, 0, typeTree, 4096, 4096, 1<<1|1<<4))
	o.op(opContinue, make([]byte, 100))
	o.op(opContinued, make([]byte, 28))
	o.op(0, make([]byte, chunk))
	o.op(0, format(1, bufferCancel, 0, 8192, 4096, 0))
	o.op(opCommit, nil)
	f.Add(o.data, o.n)
	f.Add(o.data, 1000)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		r, _ := tested()
		for _, each := range []func(item, uint64) error{r.noteCancelled, r.apply} {
			r.each = each
			_ = r.record(record{lsn: 60, ops: n % 10000}, data)
		}
		for at, p := range r.view.newer {
			if at < 0 || at+int64(len(p)) > r.view.size {
				t.Fatalf("%d bytes at %d", len(p), at)
			}
		}
	})
}

// FuzzLog gives logs with anything in them: the walk ends.
func FuzzLog(f *testing.F) {
	header := make([]byte, 2*sector)
	be.PutUint32(header, magicRecord)
	be.PutUint32(header[4:], 1)
	be.PutUint32(header[8:], 2)
	be.PutUint32(header[12:], sector)
	be.PutUint64(header[16:], 1<<32)
	be.PutUint64(header[24:], 1<<32)
	be.PutUint32(header[40:], 3)
	be.PutUint32(header[300:], formatLinuxLE)
	be.PutUint32(header[320:], perHeader)
	be.PutUint32(header[sector:], 1)
	f.Add(header)
	f.Add(append(header, make([]byte, 8*sector)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2*sector {
			return
		}
		s := &super{blockSize: 4096, sectorSize: 512, logLength: int64(len(data)) / sector * sector}
		v := &view{device: bytes.NewReader(data), size: int64(len(data)), newer: map[int64][]byte{}}
		_ = recoverLog(context.Background(), v, s)
	})
}

// patched is an image with some bytes replaced.
type patched struct {
	image   *os.File
	patches []byte // offset in sectors 3 bytes, in the sector 2 bytes, one byte
}

func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.image.ReadAt(b, off)
	for rest := p.patches; len(rest) >= 6; rest = rest[6:] {
		at := (int64(rest[0])|int64(rest[1])<<8|int64(rest[2])<<16)*sector + int64(binary.LittleEndian.Uint16(rest[3:]))%sector
		if to := at - off; to >= 0 && to < int64(n) {
			b[to] = rest[5]
		}
	}
	return n, err
}

func fresh(t testing.TB) *os.File {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	volumetest.Image(t, image, 310<<20)
	volumetest.Run(t, "mkfs.xfs", "-q", image)
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestDamageIsRefused(t *testing.T) {
	image := fresh(t)
	used := func(patches ...byte) error {
		return Used(context.Background(), patched{image, patches}, 310<<20, extent.NewBuilder(1, 1000))
	}
	if err := used(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		patch []byte
		want  string
	}{
		"super block": {[]byte{0, 0, 0, 8, 0, 1}, "super block's checksum"},
		"header":      {[]byte{1, 0, 0, 52, 0, 1}, "checksum of the header of group 0"},
		"tree":        {[]byte{8, 0, 0, 60, 0, 77}, "group 0"},
		"magic":       {[]byte{0, 0, 0, 0, 0, 0}, ErrOther.Error()},
	} {
		if err := used(c.patch...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, size := range []int64{0, 100, 511, 512, 4096, 1 << 20} {
		if err := Used(context.Background(), image, size, extent.NewBuilder(1, 10)); err == nil {
			t.Errorf("a device of %d bytes is taken", size)
		}
	}
}
