// Package ext4 tells which blocks of an ext2, ext3 or ext4 file system are in
// use, so that a copy of a volume need not read its free space.
//
//	super block ── features, geometry, checksum
//	     │
//	journal ── committed but not yet written back: laid over the device in memory
//	     │
//	group descriptors ── block bitmaps ── used ranges
//
// The device is a snapshot of a file system that may have been mounted and
// written to at that moment. What counts is what a mount of the snapshot would
// see, so a journal that needs recovery is followed first. Whatever is not
// understood, or does not agree with itself, is an error and never a guess: a
// block with live data must not be called free.
package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// superOffset and superSize are the same whatever the block size.
const (
	superOffset = 1024
	superSize   = 1024
	magic       = 0xEF53
)

// ErrOther says that the device does not hold such a file system.
var ErrOther = errors.New("not an ext2, ext3 or ext4 file system")

// Unusable says why a file system's own map of its blocks is not relied on.
type Unusable string

// Error is the reason.
func (u Unusable) Error() string { return string(u) }

func unusable(format string, args ...any) error {
	return Unusable(fmt.Sprintf("ext4: "+format, args...))
}

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// readFull fills p from offset; less is an error.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("ext4: read %d bytes at %d: %w", len(p), offset, err)
}
