package ext4

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/volume/volumetest"
)

const imageSize = 300 << 20

var prover = volumetest.Prover{Used: Used, Check: []string{"e2fsck", "-fn"}}

func TestCopyOfUsedBlocksIsTheSameFileSystem(t *testing.T) {
	cases := map[string]struct {
		mkfs    string // program and options
		mount   string
		refused string // what the reason says when the journal needs recovery
	}{
		"4k":            {mkfs: "mkfs.ext4 -b 4096"},
		"1k":            {mkfs: "mkfs.ext4 -b 1024"},
		"32 bit":        {mkfs: "mkfs.ext4 -b 4096 -O ^64bit"},
		"no checksums":  {mkfs: "mkfs.ext4 -b 4096 -O ^metadata_csum,^uninit_bg"},
		"uninit_bg":     {mkfs: "mkfs.ext4 -b 1024 -O ^metadata_csum,uninit_bg"},
		"no flex_bg":    {mkfs: "mkfs.ext4 -b 1024 -O ^flex_bg"},
		"meta_bg":       {mkfs: "mkfs.ext4 -b 1024 -O meta_bg,^resize_inode"},
		"bigalloc":      {mkfs: "mkfs.ext4 -b 4096 -O bigalloc -C 65536"},
		"sparse_super2": {mkfs: "mkfs.ext4 -b 1024 -O sparse_super2,^resize_inode"},
		"csum_seed":     {mkfs: "mkfs.ext4 -b 4096 -O metadata_csum_seed,inline_data"},
		"data=journal":  {mkfs: "mkfs.ext4 -b 4096", mount: "data=journal"},
		"journal 64M":   {mkfs: "mkfs.ext4 -b 1024 -J size=64"},
		"small groups":  {mkfs: "mkfs.ext4 -b 4096 -g 1024"},
		"smaller than":  {mkfs: "mkfs.ext4 -b 4096 {} 60000"},
		"block-mapped":  {mkfs: "mkfs.ext3 -b 4096", refused: "block by block"},
		"fast commits":  {mkfs: "mkfs.ext4 -b 4096 -O fast_commit", refused: "fast-commit"},
		"no journal":    {mkfs: "mkfs.ext4 -b 4096 -O ^has_journal", refused: "not unmounted"},
	}
	pool := volumetest.Pool(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
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
			volumetest.Fill(t, dir, 1, 30)
			volumetest.Run(t, "sync", "-f", dir)
			volumetest.Fill(t, dir, 2, 30)
			stop := volumetest.Busy(t, dir)
			defer stop()
			time.Sleep(100 * time.Millisecond)
			copied := filepath.Join(pool, "busy")
			volumetest.Clone(t, image, copied)
			if c.refused == "" && !strings.Contains(volumetest.Run(t, "dumpe2fs", "-h", copied), "needs_recovery") {
				t.Fatal("a busy file system needs no recovery")
			}
			check(t, pool, copied, "busy", c.refused)
			stop()
			volumetest.Unmount(t, dir)
			check(t, pool, image, "unmounted", "")
		})
	}
}

// check copies only the used blocks of an image and compares with a full copy.
func check(t *testing.T, pool, image, state, refused string) {
	t.Helper()
	if refused != "" {
		var reason Unusable
		if _, err := prover.Map(t, image); !errors.As(err, &reason) || !strings.Contains(string(reason), refused) {
			t.Fatalf("%s: got %v, want a refusal with %q", state, err, refused)
		}
		return
	}
	used := prover.Prove(t, pool, image, state)
	if got := used.Bytes(); got > imageSize/2 && state == "fresh" && !strings.Contains(t.Name(), "smaller") {
		t.Fatalf("%s: %d bytes in use", state, got)
	}
}
