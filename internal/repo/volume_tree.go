package repo

import (
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// tree builds the pages of a volume stream, perhaps over those of a base: a
// page is read from the base when something below it is set, and all others
// are referred to by name. So its cost follows what is set, not the volume.
//
//	level 1                  [ . . # . ]            # is read, changed, stored
//	level 0      [inherited] [inherited] [ . # ] [inherited]
//	blocks                                   #
//
// Children are set in ascending order, so one page of each level is open.
type tree struct {
	writer *Writer
	pages  *runs
	shape  page.Geometry
	levels []treePage
	root   seal.Name

	base    *page.Geometry // nil without
	baseTop seal.Name      // root of the base
	edged   bool           // what the base ends with has the new volume's shape
	scratch []byte
}

// treePage is the page of one level that is open.
type treePage struct {
	open    bool
	changed bool  // differs from what the level above says of it
	number  int64 // within its level
	names   []seal.Name
}

func newTree(w *Writer, shape page.Geometry) *tree {
	return &tree{writer: w, pages: w.newRuns(pageFrame), shape: shape, levels: make([]treePage, shape.Levels()), edged: true}
}

// over starts from another volume's tree. What the volume has beyond the
// base's end is a hole.
func (t *tree) over(base page.Geometry, root seal.Name) error {
	if base.Blocks() == 0 || root.IsHole() || len(t.levels) == 0 {
		return nil
	}
	t.base, t.baseTop, t.edged = &base, root, base.Length == t.shape.Length
	if base.Levels() > len(t.levels) {
		for level := base.Levels() - 1; level >= len(t.levels); level-- { // a smaller volume has fewer levels
			names, err := t.read(root, level, base.Children(level, 0))
			if err != nil {
				return err
			}
			root = names[0]
		}
	}
	if base.Levels() >= len(t.levels) {
		t.root = root
	}
	return nil
}

// same reports whether a block is called this already.
func (t *tree) same(block int64, name seal.Name) (bool, error) {
	if t.base == nil {
		return false, nil
	}
	p, err := t.page(0, block/page.VolumeFan)
	return err == nil && p.names[block%page.VolumeFan] == name, err
}

// set names a child of a level: a block at level 0, else a page.
func (t *tree) set(level int, child int64, name seal.Name) error {
	p, err := t.page(level, child/page.VolumeFan)
	if err != nil {
		return err
	}
	if at := child % page.VolumeFan; p.names[at] != name {
		p.names[at], p.changed = name, true
	}
	return nil
}

// hole makes a range of blocks a hole, in steps as large as the pages allow.
func (t *tree) hole(from, to int64) error {
	for t.base != nil && from < to {
		level := 0
		for level+1 < len(t.levels) && from%page.Span(level+1) == 0 && min(from+page.Span(level+1), t.shape.Blocks()) <= to {
			level++
		}
		if err := t.set(level, from/page.Span(level), seal.Hole); err != nil {
			return err
		}
		from += page.Span(level)
	}
	return nil
}

// page opens a page, ending the one that is open at its level.
func (t *tree) page(level int, number int64) (*treePage, error) {
	p := &t.levels[level]
	if p.open && p.number == number {
		return p, nil
	}
	if err := t.end(level); err != nil {
		return nil, err
	}
	name := t.root
	if level+1 < len(t.levels) {
		parent, err := t.page(level+1, number/page.VolumeFan)
		if err != nil {
			return nil, err
		}
		name = parent.names[number%page.VolumeFan]
	}
	err := t.load(p, level, number, name)
	p.open, p.number = err == nil, number
	return p, err
}

// load fills a page from the base's of that name.
func (t *tree) load(p *treePage, level int, number int64, name seal.Name) error {
	first := number * page.VolumeFan * page.Span(level)
	count := t.shape.Children(level, first)
	p.names, p.changed = p.names[:0], false
	switch {
	case t.base != nil && level == t.base.Levels() && number == 0:
		p.names, p.changed = append(p.names, t.baseTop), true // the volume grew by a level
	case !name.IsHole():
		names, err := t.read(name, level, t.base.Children(level, first))
		if err != nil {
			return err
		}
		p.names, p.changed = append(p.names, names[:min(count, len(names))]...), count != len(names)
	}
	for len(p.names) < count {
		p.names = append(p.names, seal.Hole)
	}
	return nil
}

// read reads a page of the base.
func (t *tree) read(name seal.Name, level, children int) ([]seal.Name, error) {
	data, err := t.writer.repo.block(t.writer.ctx, name)
	if err != nil {
		return nil, ofBase(err)
	}
	names, err := page.ParseVolume(data, level, children)
	return names, ofBase(located(fmt.Sprintf("page %x", name[:8]), err))
}

// ofBase says that it is the base that cannot be read, so that another way is
// open.
func ofBase(err error) error {
	if errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrBase, err)
	}
	return err
}

// end stores the open page of a level when it changed, and those below it.
func (t *tree) end(level int) error {
	if level > 0 {
		if err := t.end(level - 1); err != nil {
			return err
		}
	}
	p := &t.levels[level]
	if !p.open || !p.changed {
		p.open = false
		return nil
	}
	p.open = false
	name, err := t.store(level, p.names)
	if err != nil {
		return err
	}
	if level+1 == len(t.levels) {
		t.root = name
		return nil
	}
	return t.set(level+1, p.number, name)
}

func (t *tree) store(level int, names []seal.Name) (seal.Name, error) {
	for _, name := range names {
		if !name.IsHole() {
			t.scratch = page.AppendVolume(t.scratch[:0], level, names)
			return t.writer.put(t.pages, t.scratch)
		}
	}
	return seal.Hole, nil
}

// reach is called before something of the blocks from and further, up to to,
// is set. put stores a block.
func (t *tree) reach(from, to int64, put func([]byte) (seal.Name, error)) error {
	if t.edged {
		return nil
	}
	last := min(t.base.Blocks(), t.shape.Blocks()) - 1
	if from > last {
		t.edged = true
		return t.edge(last, put)
	}
	t.edged = to > last
	return nil
}

// edge gives the pages around the last block that base and volume share the
// shape of the volume, and the block its length: what the volume has more is
// zero.
func (t *tree) edge(last int64, put func([]byte) (seal.Name, error)) error {
	p, err := t.page(0, last/page.VolumeFan)
	if err != nil {
		return err
	}
	name, size := p.names[last%page.VolumeFan], t.shape.Size(last)
	if name.IsHole() || size == t.base.Size(last) {
		return nil
	}
	content, err := t.writer.repo.block(t.writer.ctx, name)
	if err == nil && int64(len(content)) != t.base.Size(last) {
		err = &Damage{Object: fmt.Sprintf("block %x", name[:8]), Err: errContent}
	}
	if err != nil {
		return ofBase(err)
	}
	resized := make([]byte, size)
	copy(resized, content)
	if name = seal.Hole; !allZero(resized) {
		if name, err = put(resized); err != nil {
			return err
		}
	}
	return t.set(0, last, name)
}

// finish ends all pages that are open.
func (t *tree) finish(put func([]byte) (seal.Name, error)) error {
	if err := t.reach(t.shape.Blocks(), t.shape.Blocks(), put); err != nil {
		return err
	}
	if len(t.levels) > 0 {
		return t.end(len(t.levels) - 1)
	}
	return nil
}

// secure stores again what of a base lies only in packs that are about to be
// deleted: blocks are inherited without being looked up. Only while packs are
// condemned does an increment take this walk over all pages of its base.
func (t *tree) secure(data *runs, name seal.Name, level int, first int64) error {
	if err := t.keep(t.pages, name); err != nil {
		return err
	}
	names, err := t.read(name, level, t.base.Children(level, first))
	for i, child := range names {
		if err != nil {
			return err
		}
		switch {
		case child.IsHole():
		case level > 0:
			err = t.secure(data, child, level-1, first+int64(i)*page.Span(level))
		default:
			err = t.keep(data, child)
		}
	}
	return err
}

func (t *tree) keep(into *runs, name seal.Name) error {
	_, found, err := t.writer.repo.places.find(name, t.writer.condemned)
	if found || err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	content, err := t.writer.repo.block(t.writer.ctx, name)
	if err == nil {
		_, err = t.writer.put(into, content)
	}
	return ofBase(err)
}
