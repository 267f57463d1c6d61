package ext4

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/volume/extent"
	"holdfast.dev/holdfast/internal/volume/volumetest"
)

const imageSize = 300 << 20

// used reads the map of an image file.
func used(t *testing.T, image string) (extent.Set, error) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := extent.NewBuilder(1, 1<<20)
	err = Used(context.Background(), f, info.Size(), b)
	return b.Set(), err
}

// copyUsed makes a file that holds the given ranges of image and nothing else.
func copyUsed(t *testing.T, image, to string, ranges extent.Set) {
	t.Helper()
	in, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	volumetest.Image(t, to, info.Size())
	out, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for _, r := range ranges {
		if _, err := io.Copy(io.NewOffsetWriter(out, r.Offset), io.NewSectionReader(in, r.Offset, r.Length)); err != nil {
			t.Fatal(err)
		}
	}
}

// recovered mounts an image, which follows its journal, and returns the sums
// of its files; then it must be without fault.
func recovered(t *testing.T, image string) map[string]string {
	t.Helper()
	dir := volumetest.Mount(t, image)
	sums := volumetest.Sums(t, dir)
	volumetest.Unmount(t, dir)
	volumetest.Run(t, "e2fsck", "-fn", image)
	return sums
}

func TestCopyOfUsedBlocksIsTheSameFileSystem(t *testing.T) {
	cases := map[string]struct {
		mkfs    string // program and options
		mount   string
		refused string // what the reason says when the journal needs recovery
	}{
		"4k":             {mkfs: "mkfs.ext4 -b 4096"},
		"1k":             {mkfs: "mkfs.ext4 -b 1024"},
		"2k":             {mkfs: "mkfs.ext4 -b 2048"},
		"32 bit":         {mkfs: "mkfs.ext4 -b 4096 -O ^64bit"},
		"no checksums":   {mkfs: "mkfs.ext4 -b 4096 -O ^metadata_csum,^uninit_bg"},
		"uninit_bg":      {mkfs: "mkfs.ext4 -b 1024 -O ^metadata_csum,uninit_bg"},
		"uninit_bg 64":   {mkfs: "mkfs.ext4 -b 1024 -O ^metadata_csum,uninit_bg,64bit"},
		"no flex_bg":     {mkfs: "mkfs.ext4 -b 1024 -O ^flex_bg"},
		"meta_bg":        {mkfs: "mkfs.ext4 -b 1024 -O meta_bg,^resize_inode"},
		"bigalloc":       {mkfs: "mkfs.ext4 -b 4096 -O bigalloc -C 65536"},
		"bigalloc 1k":    {mkfs: "mkfs.ext4 -b 1024 -O bigalloc -C 16384"},
		"sparse_super2":  {mkfs: "mkfs.ext4 -b 1024 -O sparse_super2,^resize_inode"},
		"no sparse":      {mkfs: "mkfs.ext4 -b 1024 -O ^sparse_super,^resize_inode"},
		"csum_seed":      {mkfs: "mkfs.ext4 -b 4096 -O metadata_csum_seed,inline_data"},
		"data=journal":   {mkfs: "mkfs.ext4 -b 4096", mount: "data=journal"},
		"journal 64M":    {mkfs: "mkfs.ext4 -b 1024 -J size=64"},
		"small groups":   {mkfs: "mkfs.ext4 -b 4096 -g 1024"},
		"smaller than":   {mkfs: "mkfs.ext4 -b 4096 {} 60000"},
		"block-mapped":   {mkfs: "mkfs.ext3 -b 4096", refused: "block by block"},
		"fast commits":   {mkfs: "mkfs.ext4 -b 4096 -O fast_commit", refused: "fast-commit"},
		"ext2":           {mkfs: "mkfs.ext2 -b 4096", refused: "not unmounted"},
		"no journal":     {mkfs: "mkfs.ext4 -b 4096 -O ^has_journal", refused: "not unmounted"},
		"log_csum in v2": {mkfs: "mkfs.ext4 -b 1024", mount: "journal_checksum"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pool := volumetest.Pool(t)
			image := filepath.Join(pool, "image")
			volumetest.Image(t, image, imageSize)
			command := strings.Fields(c.mkfs)
			rest := []string{image}
			if i := len(command) - 2; i > 0 && command[i] == "{}" {
				rest, command = append(rest, command[i+1]), command[:i]
			}
			volumetest.Run(t, command[0], append(append(command[1:], "-q"), rest...)...)
			check(t, pool, image, "fresh", "")

			var options []string
			if c.mount != "" {
				options = append(options, c.mount)
			}
			dir := volumetest.Mount(t, image, options...)
			volumetest.Fill(t, dir, 1, 60)
			volumetest.Run(t, "sync", "-f", dir)
			volumetest.Fill(t, dir, 2, 60)
			stop := volumetest.Busy(t, dir)
			defer stop()
			for i, pause := range []time.Duration{30, 200} {
				time.Sleep(pause * time.Millisecond)
				copied := filepath.Join(pool, "busy")
				volumetest.Clone(t, image, copied)
				if c.refused == "" && !strings.Contains(volumetest.Run(t, "dumpe2fs", "-h", copied), "needs_recovery") {
					t.Fatalf("copy %d needs no recovery", i)
				}
				check(t, pool, copied, "busy", c.refused)
			}
			stop()
			volumetest.Unmount(t, dir)
			check(t, pool, image, "unmounted", "")
		})
	}
}

// check copies only the used blocks of an image and compares with a full copy.
func check(t *testing.T, pool, image, state, refused string) {
	t.Helper()
	ranges, err := used(t, image)
	if refused != "" {
		var reason Unusable
		if !errors.As(err, &reason) || !strings.Contains(string(reason), refused) {
			t.Fatalf("%s: got %v, want a refusal with %q", state, err, refused)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", state, err)
	}
	full, part := filepath.Join(pool, "full"), filepath.Join(pool, "part")
	volumetest.Clone(t, image, full)
	copyUsed(t, image, part, ranges)
	if diff := cmp.Diff(recovered(t, full), recovered(t, part)); diff != "" {
		t.Fatalf("%s: the copy differs:\n%s", state, diff)
	}
	after, err := used(t, full)
	if err != nil {
		t.Fatalf("%s: after recovery: %v", state, err)
	}
	if lost := after.Subtract(ranges); len(lost) > 0 {
		t.Fatalf("%s: in use after recovery and not before: %v", state, lost)
	}
	if got := ranges.Bytes(); got > imageSize/2 && state == "fresh" && !strings.Contains(t.Name(), "smaller") {
		t.Fatalf("%s: %d bytes in use", state, got)
	}
}
