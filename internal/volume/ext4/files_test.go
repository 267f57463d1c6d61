package ext4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/volume/volumetest"
)

// describe is everything of a tree that both sides must agree on, by path.
func describe(t *testing.T, files fs.FS, link func(string) (string, error)) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "lost+found" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprint(info.Mode(), " ", info.ModTime().UTC().Format(time.RFC3339Nano))
		switch {
		case info.Mode().IsRegular():
			f, err := files.Open(path)
			if err != nil {
				return err
			}
			h := sha256.New()
			n, err := io.Copy(h, f)
			if err := errors.Join(err, f.Close()); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			line += fmt.Sprintf(" %d %d %x", info.Size(), n, h.Sum(nil)[:8])
		case info.Mode().Type() == fs.ModeSymlink:
			to, err := link(path)
			if err != nil {
				return err
			}
			line += " -> " + to
		}
		all[path] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// awkward makes files of the kinds that readers get wrong.
func awkward(t *testing.T, dir string) {
	t.Helper()
	volumetest.Run(t, "sh", "-ec", `cd "$1"
		truncate -s 30M sparse; printf x | dd of=sparse bs=1 seek=15000000 conv=notrunc status=none
		printf end | dd of=sparse bs=1 seek=29000000 conv=notrunc status=none
		fallocate -l 3M reserved 2>/dev/null || true
		: >empty; printf tiny >tiny; head -c 150 /dev/urandom >small; chmod 4751 small
		ln -s d1 short; ln -s "$(printf 'a/%.0s' $(seq 100))" long; ln -s sub/../tiny relative; ln -s /etc/passwd outside; ln -s ../../x above; ln -s loop loop
		mkdir -p sub/deep many; ln tiny sub/deep/hard; mkfifo pipe
		echo last >many/last`, "sh", dir)
	pieces, err := os.Create(filepath.Join(dir, "pieces"))
	if err != nil {
		t.Fatal(err)
	}
	defer pieces.Close()
	for i := range 1500 {
		if _, err := pieces.WriteAt([]byte("piece"), int64(i)*20000); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "many", fmt.Sprint("a-rather-long-name-of-a-file-", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func openImage(t *testing.T, image string) *Files {
	t.Helper()
	device, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Close() })
	info, err := device.Stat()
	if err != nil {
		t.Fatal(err)
	}
	files, err := OpenFiles(t.Context(), device, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func compareWithMount(t *testing.T, image, state string) *Files {
	t.Helper()
	files := openImage(t, image)
	got := describe(t, files, files.ReadLink)
	dir := volumetest.Mount(t, image)
	defer volumetest.Unmount(t, dir)
	want := describe(t, os.DirFS(dir), func(path string) (string, error) { return os.Readlink(filepath.Join(dir, path)) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: a mount shows (-), we show (+):\n%s", state, diff)
	}
	if len(got) < 1500 {
		t.Errorf("%s: only %d files were compared", state, len(got))
	}
	return files
}

func TestFilesAreThoseOfAMount(t *testing.T) {
	pool := volumetest.Pool(t)
	for name, c := range map[string]struct{ mkfs, mount string }{
		"4k":           {mkfs: "mkfs.ext4 -b 4096"},
		"1k":           {mkfs: "mkfs.ext4 -b 1024"},
		"inline":       {mkfs: "mkfs.ext4 -b 4096 -O inline_data,metadata_csum_seed"},
		"no checksums": {mkfs: "mkfs.ext4 -b 4096 -O ^metadata_csum,^64bit,^flex_bg"},
		"bigalloc":     {mkfs: "mkfs.ext4 -b 4096 -O bigalloc -C 65536"},
		"data=journal": {mkfs: "mkfs.ext4 -b 4096", mount: "data=journal"},
		"ext3":         {mkfs: "mkfs.ext3 -b 1024"},
		"ext2":         {mkfs: "mkfs.ext2 -b 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			image, busy := filepath.Join(pool, "files"), filepath.Join(pool, "files-busy")
			volumetest.Image(t, image, imageSize)
			volumetest.Run(t, "sh", "-ec", c.mkfs+" -q "+image)
			dir := volumetest.Mount(t, image, append([]string{"noatime"}, strings.Fields(c.mount)...)...)
			volumetest.Fill(t, dir, 1, 30)
			awkward(t, dir)
			volumetest.Run(t, "sync", "-f", dir)
			volumetest.Fill(t, dir, 2, 30)
			stop := volumetest.Busy(t, dir)
			defer stop()
			time.Sleep(100 * time.Millisecond)
			volumetest.Clone(t, image, busy)
			stop()
			if strings.HasPrefix(c.mkfs, "mkfs.ext4") {
				if files := compareWithMount(t, busy, "busy"); len(files.Notes) > 0 {
					t.Errorf("notes: %q", files.Notes)
				}
			} else if name == "ext3" {
				if files := openImage(t, busy); len(files.Notes) != 1 || !strings.Contains(files.Notes[0], "journal") {
					t.Errorf("notes: %q", files.Notes)
				}
			}
			volumetest.Unmount(t, dir)
			followLinks(t, compareWithMount(t, image, "unmounted"))
		})
	}
}

func followLinks(t *testing.T, files *Files) {
	t.Helper()
	for name, want := range map[string]string{"relative": "tiny", "sub/deep/hard": "tiny", "many/last": "last\n", "empty": ""} {
		if got, err := fs.ReadFile(files, name); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"outside": "/etc/passwd", "above": "not in the volume", "loop": "too many links",
		"absent": "not exist", "tiny/x": "not a directory", "../x": "invalid"} {
		if _, err := files.Open(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	sub, err := fs.Sub(files, "sub")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sub, "deep/hard"); err != nil {
		t.Error(err)
	}
}

func TestFilesOfSomethingElse(t *testing.T) {
	if _, err := OpenFiles(t.Context(), bytes.NewReader(make([]byte, 1<<20)), 1<<20); !errors.Is(err, ErrOther) {
		t.Errorf("zeros: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	image := filepath.Join(t.TempDir(), "image")
	volumetest.Image(t, image, 8<<20)
	volumetest.Run(t, "mkfs.ext4", "-q", image)
	raw, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	files, err := OpenFiles(ended, bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := files.ReadDir("."); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

// FuzzFiles changes a few bytes of small file systems, and reads all of each:
// it may fail, but must neither panic, nor go on without end. The file systems are
// not part of the input: mutating them whole is too slow to find anything.
func FuzzFiles(f *testing.F) {
	var images [][]byte
	for _, options := range []string{"-b 1024 -O inline_data,^metadata_csum", "-b 1024 -t ext2", "-b 4096 -O ^has_journal,^metadata_csum"} {
		dir := f.TempDir()
		tree, image := filepath.Join(dir, "tree"), filepath.Join(dir, "image")
		volumetest.Run(f, "sh", "-ec", `mkdir -p "$1/sub/deep"; head -c 20000 /dev/urandom >"$1/sub/file"; echo hi >"$1/small"; ln -s sub/file "$1/link"
			truncate -s 100k "$1/hole"; printf x >>"$1/hole"; mke2fs -q -N 32 -d "$1" `+options+` "$2" 256k`, "sh", tree, image)
		raw, err := os.ReadFile(image)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(len(images)), []byte{0x60, 0x04, 0, 0xFF})
		images = append(images, raw)
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		raw := bytes.Clone(images[int(which)%len(images)])
		for ; len(changes) >= 4; changes = changes[4:] { // each three bytes of offset, one of value
			at := int(changes[0]) | int(changes[1])<<8 | int(changes[2])<<16
			raw[at%len(raw)] ^= changes[3]
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		files, err := OpenFiles(ctx, bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		seen := 0
		_ = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if seen++; seen > 200 || strings.Count(path, "/") > 20 {
				return fs.SkipAll
			}
			if err == nil && d.Type() == fs.ModeSymlink {
				_, _ = files.ReadLink(path)
			}
			if file, err := files.Open(path); err == nil {
				_, _ = io.CopyN(io.Discard, file, 100<<10)
			}
			return nil
		})
		if ctx.Err() != nil {
			t.Error("it did not end")
		}
	})
}
