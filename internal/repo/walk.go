package repo

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// walker visits everything a stream consists of, pages before what is below
// them, in the order of the stream.
type walker struct {
	// read returns the content of a page.
	read func(ctx context.Context, name seal.Name) ([]byte, error)
	// enter is asked before a page is read; false passes over it and all below.
	enter func(name seal.Name) (bool, error)
	// leave is told when a page and all below were visited; nil when nobody asks.
	leave func(name seal.Name)
	// leaf is told each block and group; check proves that content belongs there.
	leaf func(name seal.Name, check func(content []byte) error) error
	// lost is told each page that cannot be read because of damage; nil goes on
	// behind it.
	lost func(name seal.Name, err error) error
}

// stream walks one stream.
func (w *walker) stream(ctx context.Context, ref StreamRef) error {
	root, err := ref.RootName()
	if err != nil || root.IsHole() {
		return err
	}
	if ref.Type == TypeVolume {
		return w.volume(ctx, page.Geometry{Length: ref.Length, BlockSize: ref.BlockSize}, root, ref.Levels-1, 0)
	}
	return w.archive(ctx, page.Entry{Name: root, Records: uint64(ref.Records), Bytes: uint64(ref.Bytes)}, ref.Levels-1, "")
}

// page reads a page and parses it. Without an error and with false it is to be
// passed over.
func (w *walker) page(ctx context.Context, name seal.Name, parse func([]byte) error) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if enter, err := w.enter(name); !enter {
		return false, err
	}
	data, err := w.read(ctx, name)
	if err == nil {
		err = located(fmt.Sprintf("page %x", name[:8]), parse(data))
	}
	if errors.Is(err, ErrDamaged) {
		return false, w.lost(name, err)
	}
	return err == nil, err
}

func (w *walker) left(name seal.Name) {
	if w.leave != nil {
		w.leave(name)
	}
}

// volume walks a page of a volume whose first block is first.
func (w *walker) volume(ctx context.Context, g page.Geometry, name seal.Name, level int, first int64) error {
	var children []seal.Name
	open, err := w.page(ctx, name, func(data []byte) (err error) {
		children, err = page.ParseVolume(data, level, g.Children(level, first))
		return err
	})
	if !open {
		return err
	}
	for i, child := range children {
		at := first + int64(i)*page.Span(level)
		switch {
		case child.IsHole():
		case level > 0:
			err = w.volume(ctx, g, child, level-1, at)
		default:
			err = w.leaf(child, func(content []byte) error { return checkBlock(g, at, child, content) })
		}
		if err != nil {
			return err
		}
	}
	w.left(name)
	return nil
}

func checkBlock(g page.Geometry, block int64, name seal.Name, content []byte) error {
	if int64(len(content)) == g.Size(block) {
		return nil
	}
	return &Damage{Object: fmt.Sprintf("block %x", name[:8]),
		Err: fmt.Errorf("%d bytes, block %d of the volume has %d", len(content), block, g.Size(block))}
}

// archive walks a page of an archive that comes after the key before.
func (w *walker) archive(ctx context.Context, of page.Entry, level int, before string) error {
	var entries []page.Entry
	open, err := w.page(ctx, of.Name, func(data []byte) (err error) {
		entries, err = page.ParseArchive(data, level, of, before)
		return err
	})
	if !open {
		return err
	}
	for _, e := range entries {
		if level > 0 {
			err = w.archive(ctx, e, level-1, before)
		} else {
			after := before
			err = w.leaf(e.Name, func(content []byte) error {
				_, err := page.ParseGroup(content, e, after)
				return located(fmt.Sprintf("group %x", e.Name[:8]), err)
			})
		}
		if err != nil {
			return err
		}
		before = e.Last
	}
	w.left(of.Name)
	return nil
}
