package ext4

import (
	"context"
	"io"

	"holdfast.dev/holdfast/internal/volume/extent"
)

// Used adds the byte ranges of a device of size bytes that its file system
// uses, in ascending order. What lies behind the file system counts as used.
// The error is ErrOther when there is no such file system, Unusable when its
// map is not to be relied on, or says what could not be read. Memory does not
// depend on size.
func Used(ctx context.Context, r io.ReaderAt, size int64, into *extent.Builder) error {
	s, err := readSuper(r, size)
	if err == nil {
		err = s.checkState()
	}
	if err != nil {
		return err
	}
	view := &view{device: r, blockSize: s.blockSize, blocks: s.blocks}
	if s.incompat&incompatRecover != 0 {
		if s, err = recoverJournal(ctx, view, s, size); err == nil {
			err = s.checkState()
		}
		if err != nil {
			return err
		}
	}
	into.Add(0, s.firstDataBlock*s.blockSize)
	w := walk{super: s, view: view, into: into, bitmap: make([]byte, s.blockSize), table: make([]byte, s.blockSize), loaded: -1}
	for number := range s.groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.group(number); err != nil {
			return err
		}
	}
	into.Add(s.bytes(), size-s.bytes())
	return nil
}

type walk struct {
	*super
	view   *view
	into   *extent.Builder
	bitmap []byte
	table  []byte // the descriptor block read last
	loaded int64  // its number
}

func (w *walk) group(number int64) error {
	perBlock := w.blockSize / w.descSize
	if n := number / perBlock; n != w.loaded {
		if err := w.view.block(w.descriptorBlock(n), w.table); err != nil {
			return err
		}
		w.loaded = n
	}
	at := number % perBlock * w.descSize
	g, err := w.parseGroup(number, w.table[at:at+w.descSize])
	if err != nil {
		return err
	}
	if w.neverWritten(g) {
		w.metadataOnly(g)
		return nil
	}
	if err := w.view.block(g.blockBitmap, w.bitmap); err != nil {
		return err
	}
	if !w.bitmapSumOK(g, w.bitmap) {
		return unusable("the checksum of the block bitmap of group %d is wrong", number)
	}
	return w.bits(g)
}

// bits adds what a group's bitmap says is in use.
func (w *walk) bits(g group) error {
	units := (w.groupBlocks(g.number) + w.clusterBlocks - 1) / w.clusterBlocks
	unit := w.clusterBlocks * w.blockSize
	start := w.groupFirst(g.number) * w.blockSize
	var free int64
	for at := int64(0); at < units; {
		if at%64 == 0 && at+64 <= units { // whole words at once
			switch le.Uint64(w.bitmap[at/8:]) {
			case 0:
				free, at = free+64, at+64
				continue
			case ^uint64(0):
				w.add(start+at*unit, 64*unit)
				at += 64
				continue
			}
		}
		if w.bitmap[at/8]>>(at%8)&1 == 1 {
			w.add(start+at*unit, unit)
		} else {
			free++
		}
		at++
	}
	if free != g.freeUnits {
		return unusable("group %d has %d free blocks in its bitmap and %d in its descriptor", g.number, free, g.freeUnits)
	}
	return nil
}

// add cuts at the end of the file system: its last cluster may be short.
func (w *walk) add(offset, length int64) {
	w.into.Add(offset, min(length, w.bytes()-offset))
}

// metadataOnly adds what is in use in a group whose bitmap was never written.
// Other groups have no metadata in such a group: that is what its file system
// goes by too when it first writes the bitmap.
func (w *walk) metadataOnly(g group) {
	first := w.groupFirst(g.number)
	end := first + w.groupBlocks(g.number)
	used := extent.Of(
		extent.Range{Offset: first, Length: w.leadBlocks(g.number)},
		extent.Range{Offset: g.blockBitmap, Length: 1},
		extent.Range{Offset: g.inodeBitmap, Length: 1},
		extent.Range{Offset: g.inodeTable, Length: w.inodeTableBlocks()})
	for _, r := range used.Intersect(extent.Set{{Offset: first, Length: end - first}}) {
		w.add(r.Offset*w.blockSize, r.Length*w.blockSize)
	}
}
