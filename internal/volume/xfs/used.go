package xfs

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
	if err != nil {
		return err
	}
	v := &view{device: r, size: size, newer: map[int64][]byte{}}
	if err := recoverLog(ctx, v, s); err != nil {
		return err
	}
	for group := range s.groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.group(v, group, into); err != nil {
			return err
		}
	}
	end := s.blocks * s.blockSize
	into.Add(end, size-end)
	return nil
}

// view is the file system as recovery would leave it: the device, and over it
// the buffers that the log holds newer versions of, by their byte offset.
type view struct {
	device io.ReaderAt
	size   int64
	newer  map[int64][]byte
	bytes  int // of newer
}

// buffer reads n bytes at offset. changed tells that they are partly from the
// log, in which case their checksum is not up to date.
func (v *view) buffer(offset, n int64) (p []byte, changed bool, err error) {
	if p, ok := v.newer[offset]; ok {
		if int64(len(p)) != n {
			return nil, false, unusable("the log has %d bytes at %d, not %d", len(p), offset, n)
		}
		return p, true, nil
	}
	if offset < 0 || offset+n > v.size {
		return nil, false, unusable("%d bytes at %d", n, offset)
	}
	p = make([]byte, n)
	return p, false, readFull(v.device, p, offset)
}

// group adds what a group uses: everything that its tree of free space by
// block number does not hold.
func (s *super) group(v *view, number int64, into *extent.Builder) error {
	start := number * s.groupSize * s.blockSize
	agf, changed, err := v.buffer(start+s.sectorSize, s.sectorSize)
	if err != nil {
		return err
	}
	blocks := s.groupBlocks(number)
	switch {
	case be.Uint32(agf) != magicAGF || be.Uint32(agf[4:]) != 1 || int64(be.Uint32(agf[8:])) != number ||
		int64(be.Uint32(agf[12:])) != blocks || string(agf[64:80]) != string(s.uuid[:]):
		return unusable("the header of group %d makes no sense", number)
	case !changed && !sumOK(agf, 216):
		return unusable("the checksum of the header of group %d is wrong", number)
	}
	t := tree{super: s, view: v, group: number, blocks: blocks}
	if err := t.walk(int64(be.Uint32(agf[16:])), int(be.Uint32(agf[28:])), func(first int64) {
		into.Add(start+t.at*s.blockSize, (first-t.at)*s.blockSize)
	}); err != nil {
		return err
	}
	if free := int64(be.Uint32(agf[52:])); t.free != free {
		return unusable("group %d has %d free blocks in its tree and %d in its header", number, t.free, free)
	}
	into.Add(start+t.at*s.blockSize, (blocks-t.at)*s.blockSize)
	return nil
}
