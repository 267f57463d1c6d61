package xfs

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/volume/volumetest"
)

const imageSize = 1300 << 20

var prover = volumetest.Prover{Used: Used, Check: []string{"xfs_repair", "-n", "-f"}, Mount: []string{"nouuid"}}

func TestCopyOfUsedBlocksIsTheSameFileSystem(t *testing.T) {
	cases := map[string]struct {
		mkfs    string // options
		mount   string
		after   string // run on the fresh image
		refused string
	}{
		"4k":             {},
		"1k":             {mkfs: "-b size=1024"},
		"sectors of 4k":  {mkfs: "-s size=4096"},
		"reverse map":    {mkfs: "-m rmapbt=1,reflink=1"},
		"no inode trees": {mkfs: "-m finobt=0,reflink=0"},
		"many groups":    {mkfs: "-d agcount=16"},
		"large records":  {mount: "logbsize=256k"},
		"another UUID":   {after: "xfs_admin -U generate"},
		"smaller than":   {mkfs: "-d size=310m"},
		"no checksums":   {mkfs: "-m crc=0,reflink=0,rmapbt=0", refused: "version 4"},
	}
	pool := volumetest.Pool(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(pool, "image")
			volumetest.Image(t, image, imageSize)
			volumetest.Run(t, "mkfs.xfs", append(strings.Fields("-q -f "+c.mkfs), image)...)
			if c.after != "" {
				command := strings.Fields(c.after)
				volumetest.Run(t, command[0], append(command[1:], image)...)
			}
			if c.refused != "" {
				var reason Unusable
				if _, err := prover.Map(t, image); !errors.As(err, &reason) || !strings.Contains(string(reason), c.refused) {
					t.Fatalf("got %v, want a refusal with %q", err, c.refused)
				}
				return
			}
			if used := prover.Prove(t, pool, image, "fresh"); used.Bytes() > imageSize/2 && c.mkfs != "-d size=310m" {
				t.Fatalf("%d bytes in use", used.Bytes())
			}
			live(t, pool, image, c.mount)
		})
	}
}

// live copies a file system while it is written to, frozen, and unmounted.
func live(t *testing.T, pool, image, option string) {
	t.Helper()
	options := []string{"nouuid"}
	if option != "" {
		options = append(options, option)
	}
	dir := volumetest.Mount(t, image, options...)
	volumetest.Fill(t, dir, 1, 30)
	volumetest.Run(t, "sync", "-f", dir)
	volumetest.Fill(t, dir, 2, 30)
	stop := volumetest.Busy(t, dir)
	defer stop()
	copied := filepath.Join(pool, "busy")
	time.Sleep(100 * time.Millisecond)
	volumetest.Clone(t, image, copied)
	prover.Prove(t, pool, copied, "busy")
	volumetest.Run(t, "fsfreeze", "-f", dir)
	volumetest.Clone(t, image, copied)
	volumetest.Run(t, "fsfreeze", "-u", dir)
	prover.Prove(t, pool, copied, "frozen")
	stop()
	volumetest.Unmount(t, dir)
	prover.Prove(t, pool, image, "unmounted")
}
