package rescue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/rescue"
)

// extractFile gives out one file of a volume, or a folder with all below it.
func (k *kit) extractFile(ctx context.Context, p rescue.Point, w wish) error {
	files, err := p.Files(ctx, w.volume)
	if err != nil {
		return err
	}
	for _, note := range files.Notes {
		k.Say("volume %s: %s", w.volume, note)
	}
	name := plainPath(w.file)
	info, err := files.Stat(name)
	if err != nil {
		return err
	}
	copied := &copying{kit: k, wish: w, files: files, line: k.NewLine()}
	defer copied.line.Done()
	if info.IsDir() {
		return copied.tree(name)
	}
	to, err := k.output(w)
	if err != nil {
		return err
	}
	err = errors.Join(copied.content(name, to), to.Close())
	return errors.Join(err, copied.incomplete())
}

// linker is a file system with links.
type linker interface {
	fs.FS
	ReadLink(name string) (string, error)
}

// copying gives out files.
type copying struct {
	*kit
	wish
	files linker
	line  *console.Line
	below *os.Root // of a folder: no link or name in the volume leads out of it
	count int
	bad   int // files that could not be read, or not whole
}

// content copies one file; what of it is lost is told.
func (c *copying) content(name string, to io.Writer) error {
	file, err := c.files.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	at, ok := file.(io.ReaderAt)
	if !ok || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", name)
	}
	lost, err := rescue.Copy(to, at, info.Size(), func(done int64) {
		c.line.Show("%s: %s of %s", name, console.Bytes(done), console.Bytes(info.Size()))
	})
	c.line.Done()
	if damaged := c.lostRanges(name, lost); damaged != nil {
		c.bad++
	}
	return err
}

// tree copies a folder. A file that cannot be read does not keep the others.
func (c *copying) tree(root string) error {
	err := os.MkdirAll(c.to, 0o700)
	if err == nil {
		c.below, err = os.OpenRoot(c.to)
	}
	if err != nil {
		return err
	}
	defer func() { _ = c.below.Close() }() // a folder: nothing is written through it
	err = fs.WalkDir(c.files, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			c.failed(name, err)
			return nil
		}
		to, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return c.below.MkdirAll(to, 0o700)
		}
		return c.one(name, to, d)
	})
	if err != nil {
		return err
	}
	c.Say("%d files written to %s", c.count, c.to)
	return c.incomplete()
}

// one copies a file or link below a folder. An error is of the place it goes to.
func (c *copying) one(name, to string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		c.failed(name, err)
		return nil
	}
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		link, err := c.files.ReadLink(name)
		if err != nil {
			c.failed(name, err)
			return nil
		}
		c.count++
		return c.below.Symlink(link, to)
	case !info.Mode().IsRegular():
		c.Say("left out: %s is no file (%s)", name, info.Mode())
		return nil
	}
	file, err := c.createBelow(to)
	if err != nil {
		return err
	}
	c.count++
	if err := c.content(name, file); err != nil {
		c.failed(name, err)
	}
	return errors.Join(file.Close(), c.below.Chmod(to, info.Mode().Perm()|0o600), c.below.Chtimes(to, info.ModTime(), info.ModTime()))
}

func (c *copying) createBelow(name string) (*os.File, error) {
	file, err := c.below.OpenFile(name, c.flags(), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists in %s: choose another place, or give --overwrite", name, c.to)
	}
	return file, err
}

func (c *copying) failed(name string, err error) {
	c.bad++
	c.Say("lost: %s: %v", name, err)
}

func (c *copying) incomplete() error {
	if c.bad == 0 {
		return nil
	}
	return fmt.Errorf("%d files could not be read, or not whole", c.bad)
}
