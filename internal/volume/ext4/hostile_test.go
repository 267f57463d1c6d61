package ext4

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/volume/extent"
	"holdfast.dev/holdfast/internal/volume/volumetest"
)

// images makes small file systems without mounting anything: clean and with a
// transaction in the journal, with and without checksums.
func images(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, c := range []struct{ features, journal string }{
		{"^metadata_csum,^64bit", ""},
		{"^metadata_csum,^64bit", "jo\njw -b 20,21,22 /dev/zero\njc\n"},
		{"^metadata_csum,64bit", "jo\njw -b 300 /dev/zero -r 301,302\njc\n"},
		{"metadata_csum,64bit", "jo -c -v 3\njw -b 300,301 /dev/zero\njc\n"},
		{"metadata_csum,64bit", "jo -c -v 2\njw -b 300,301 /dev/zero\njc\n"},
	} {
		image := filepath.Join(t.TempDir(), "image")
		volumetest.Image(t, image, 4<<20)
		volumetest.Run(t, "mkfs.ext4", "-q", "-b", "1024", "-J", "size=1", "-O", c.features, image)
		if c.journal != "" {
			cmd := exec.Command("debugfs", "-w", "-f", "-", image)
			cmd.Stdin = strings.NewReader(c.journal)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("debugfs: %v\n%s", err, out)
			}
		}
		data, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

// patched is an image with some bytes replaced.
type patched struct {
	image   []byte
	patches []byte // offset 3 bytes, length 1 byte, content
}

func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := bytes.NewReader(p.image).ReadAt(b, off)
	for rest := p.patches; len(rest) > 4; {
		at := int64(rest[0]) | int64(rest[1])<<8 | int64(rest[2])<<16
		content := rest[4:min(len(rest), 4+int(rest[3]%64)+1)]
		rest = rest[4+len(content):]
		for i, c := range content {
			if to := at + int64(i) - off; to >= 0 && to < int64(n) {
				b[to] = c
			}
		}
	}
	return n, err
}

// FuzzUsed gives damaged file systems: an error or a map within the device,
// never a panic or an endless walk.
func FuzzUsed(f *testing.F) {
	all := images(f)
	at := func(offset int, content ...byte) []byte {
		return append([]byte{byte(offset), byte(offset >> 8), byte(offset >> 16), byte(len(content) - 1)}, content...)
	}
	for i := range all {
		f.Add(uint8(i), []byte(nil))
		f.Add(uint8(i), at(1024+0x20, 0, 1, 0, 0))        // blocks per group
		f.Add(uint8(i), at(1024+0x60, 0xff, 0xff))        // features
		f.Add(uint8(i), at(1024+0x4, 0xff, 0xff, 0xff))   // blocks
		f.Add(uint8(i), at(2048, 0xff, 0xff, 0xff, 0x7f)) // a bitmap outside
	}
	f.Fuzz(func(t *testing.T, which uint8, patches []byte) {
		image := all[int(which)%len(all)]
		b := extent.NewBuilder(1, 1000)
		if err := Used(context.Background(), patched{image, patches}, int64(len(image)), b); err != nil {
			return
		}
		set := b.Set()
		if n := len(set); n == 0 || set[0].Offset != 0 || set[n-1].End() > int64(len(image)) {
			t.Fatalf("a map from %v", set)
		}
	})
}

func TestImagesOfTheFuzzerAreUnderstood(t *testing.T) {
	for i, image := range images(t) {
		if err := Used(context.Background(), bytes.NewReader(image), int64(len(image)), extent.NewBuilder(1, 1000)); err != nil {
			t.Errorf("image %d: %v", i, err)
		}
	}
}

// TestWhatDoesNotAgreeIsRefused damages one thing at a time.
func TestWhatDoesNotAgreeIsRefused(t *testing.T) {
	all := images(t)
	plain, summed := all[0], all[3]
	le32 := func(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
	for name, c := range map[string]struct {
		image  []byte
		offset int
		bytes  []byte
		want   string
	}{
		"unknown incompatible":   {plain, 1024 + 0x60, le32(0x8 | incompatFiletype), "incompatible features"},
		"unknown read-only":      {plain, 1024 + 0x64, le32(0x80000000), "unknown features"},
		"marked damaged":         {plain, 1024 + 0x3A, []byte{3, 0}, "damaged"},
		"larger than the device": {plain, 1024 + 0x4, le32(1 << 20), "on a device"},
		"bitmap outside":         {plain, 2048, le32(1 << 20), "metadata at block"},
		"counts differ":          {plain, 2048 + 0xC, []byte{1, 0}, "free blocks in its bitmap"},
		"super block changed":    {summed, 1024 + 0x48, []byte{9}, "super block's checksum"},
		"descriptor changed":     {summed, 2048 + 0x10, []byte{9}, "checksum of group descriptor"},
		"external journal":       {all[1], 1024 + 0xE4, []byte{1}, "another device"},
		"no magic":               {plain, 1024 + 0x38, []byte{0, 0}, ErrOther.Error()},
	} {
		image := bytes.Clone(c.image)
		copy(image[c.offset:], c.bytes)
		err := Used(context.Background(), bytes.NewReader(image), int64(len(image)), extent.NewBuilder(1, 1000))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, size := range []int64{0, 1, 1500, 2047, 2048, 5000} {
		err := Used(context.Background(), bytes.NewReader(plain[:size]), size, extent.NewBuilder(1, 1000))
		if err == nil || size < 2048 && !errors.Is(err, ErrOther) {
			t.Errorf("a device of %d bytes: %v", size, err)
		}
	}
}

// TestLogIsFollowedExactly uses logs written by debugfs.
func TestLogIsFollowedExactly(t *testing.T) {
	for i, want := range map[int]int{1: 3, 2: 1, 3: 2, 4: 2} {
		image := images(t)[i]
		s, err := readSuper(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		v := &view{device: bytes.NewReader(image), blockSize: s.blockSize, blocks: s.blocks}
		if _, err := recoverJournal(context.Background(), v, s, int64(len(image))); err != nil {
			t.Fatalf("image %d: %v", i, err)
		}
		if len(v.newer) != want {
			t.Errorf("image %d: %d blocks in the journal, want %d", i, len(v.newer), want)
		}
		for block := range v.newer {
			got := make([]byte, s.blockSize)
			if err := v.block(block, got); err != nil || !bytes.Equal(got, make([]byte, s.blockSize)) {
				t.Errorf("image %d, block %d: %v", i, block, err)
			}
		}
		at := v.newer[300].at
		if s.ro&roMetadataCsum == 0 || at == 0 {
			continue
		}
		for _, e := range v.log.extents { // one bit of the logged block
			if n := int64(at) - e.logical; n >= 0 && n < e.length {
				image[(e.physical+n)*s.blockSize+7] ^= 1
			}
		}
		if err := v.block(300, make([]byte, s.blockSize)); err == nil {
			t.Errorf("image %d: a damaged block of the journal is taken", i)
		}
	}
}
