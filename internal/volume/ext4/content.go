package ext4

import (
	"fmt"
	"io"
	"sort"
)

// maxRuns bounds what is kept of one file.
const maxRuns = 1 << 20

// run is neighbouring blocks of a file.
type run struct {
	logical, physical, length int64
}

// content is what is in a file. What is in no run reads as zeros.
type content struct {
	files  *Files
	size   int64
	runs   []run // in order
	inline []byte
	nodes  int
}

// content finds out where a file's blocks are.
func (n *node) content() (*content, error) {
	c := &content{files: n.files, size: n.Size()}
	if n.flags()&inodeEncrypted != 0 && !n.IsDir() {
		return nil, fmt.Errorf("%s is encrypted by the file system", n.name)
	}
	switch {
	case n.flags()&inodeInline != 0:
		first, rest := n.inline()
		c.inline = append(append(c.inline, first...), rest...)
		return c, nil
	case n.flags()&inodeHasExtents != 0:
		return c, c.extents(n.raw[0x28:0x64], -1)
	}
	return c, c.blocks(n.raw[0x28:0x64])
}

// add appends blocks; physical 0 is a hole.
func (c *content) add(r run) error {
	if r.physical == 0 || r.length == 0 {
		return nil
	}
	if r.physical < 0 || r.physical+r.length > c.files.view.blocks {
		return unusable("a file has block %d of %d", r.physical, c.files.view.blocks)
	}
	if count := len(c.runs); count > 0 {
		last := &c.runs[count-1]
		end := last.logical + last.length
		if r.logical < end {
			return unusable("the blocks of a file are out of order")
		}
		if r.logical == end && last.physical+last.length == r.physical {
			last.length += r.length
			return nil
		}
	}
	if len(c.runs) >= maxRuns {
		return unusable("a file is in more than %d pieces", maxRuns)
	}
	c.runs = append(c.runs, r)
	return nil
}

// enter bounds what a made-up tree may cost.
func (c *content) enter() error {
	if c.nodes++; c.nodes > maxRuns {
		return unusable("a file has more than %d blocks of blocks", maxRuns)
	}
	return c.files.ctx.Err()
}

// extents reads one node of an extent tree; depth is what its parent makes it,
// -1 for the root.
func (c *content) extents(raw []byte, depth int) error {
	if err := c.enter(); err != nil {
		return err
	}
	entries, own := int(le.Uint16(raw[2:])), int(le.Uint16(raw[6:]))
	if le.Uint16(raw) != extentMagic || own > maxExtentDepth || depth >= 0 && own != depth || 12+12*entries > len(raw) {
		return unusable("the extents of a file make no sense")
	}
	for i := range entries {
		entry := raw[12+12*i:][:12]
		var err error
		if own == 0 {
			err = c.extent(entry)
		} else {
			child := make([]byte, c.files.view.blockSize)
			at := int64(le.Uint32(entry[4:])) | int64(le.Uint16(entry[8:]))<<32
			if err = c.files.view.block(at, child); err == nil {
				err = c.extents(child, own-1)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// extent adds a leaf. One that was reserved and never written reads as zeros.
func (c *content) extent(entry []byte) error {
	r := run{logical: int64(le.Uint32(entry)), length: int64(le.Uint16(entry[4:])),
		physical: int64(le.Uint32(entry[8:])) | int64(le.Uint16(entry[6:]))<<32}
	if r.length > 1<<15 {
		return nil
	}
	return c.add(r)
}

// blocks reads the older form: twelve blocks, then blocks of blocks, and blocks
// of these, and of these.
func (c *content) blocks(raw []byte) error {
	logical := int64(0)
	for i := range 15 {
		depth := max(0, i-11)
		var err error
		if logical, err = c.below(int64(le.Uint32(raw[4*i:])), depth, logical); err != nil {
			return err
		}
	}
	return nil
}

// below adds what a number leads to, and returns the next logical block.
func (c *content) below(number int64, depth int, logical int64) (int64, error) {
	perBlock := c.files.view.blockSize / 4
	span := int64(1)
	for range depth {
		span *= perBlock
	}
	if number == 0 || logical*c.files.view.blockSize >= c.size {
		return logical + span, nil
	}
	if depth == 0 {
		return logical + 1, c.add(run{logical, number, 1})
	}
	if err := c.enter(); err != nil {
		return 0, err
	}
	table := make([]byte, c.files.view.blockSize)
	if err := c.files.view.block(number, table); err != nil {
		return 0, err
	}
	next := logical
	for i := range perBlock {
		var err error
		if next, err = c.below(int64(le.Uint32(table[4*i:])), depth-1, next); err != nil {
			return 0, err
		}
	}
	return logical + span, nil
}

// ReadAt reads the file's content.
func (c *content) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset >= c.size {
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > c.size-offset {
		p, end = p[:c.size-offset], io.EOF
	}
	if c.inline != nil {
		clear(p)
		if offset < int64(len(c.inline)) {
			copy(p, c.inline[offset:])
		}
		return len(p), end
	}
	for done := 0; done < len(p); {
		n, err := c.piece(p[done:], offset+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return len(p), end
}

// piece reads up to the end of a block, or of a hole.
func (c *content) piece(p []byte, offset int64) (int, error) {
	if err := c.files.ctx.Err(); err != nil {
		return 0, err
	}
	blockSize := c.files.view.blockSize
	logical, within := offset/blockSize, offset%blockSize
	next := sort.Search(len(c.runs), func(i int) bool { return c.runs[i].logical+c.runs[i].length > logical })
	if next == len(c.runs) || c.runs[next].logical > logical {
		hole := int64(len(p))
		if next < len(c.runs) {
			hole = min(hole, c.runs[next].logical*blockSize-offset)
		}
		clear(p[:hole])
		return int(hole), nil
	}
	r := c.runs[next]
	physical := r.physical + logical - r.logical
	if within == 0 && int64(len(p)) >= blockSize {
		return int(blockSize), c.block(physical, p[:blockSize])
	}
	block := make([]byte, blockSize)
	if err := c.block(physical, block); err != nil {
		return 0, err
	}
	return copy(p, block[within:]), nil
}

// block reads one block. Content that is in the journal too is there in its
// newer form.
func (c *content) block(physical int64, p []byte) error { return c.files.view.block(physical, p) }
