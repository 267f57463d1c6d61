// Package xfs tells which blocks of an XFS file system are in use, so that a
// copy of a volume need not read its free space.
//
//	super block ── features, geometry, checksum
//	     │
//	log ── committed but not yet written back: laid over the device in memory
//	     │
//	per allocation group: AGF ── free space by block number ── what is left is used
//
// The device is a snapshot of a file system that may have been mounted: also a
// frozen one has something in its log. Only what the log holds of free space is
// followed. What recovery would do beyond that frees blocks, or takes free ones
// after the copy was made, so it does not matter here. Whatever is not
// understood, or does not agree with itself, is an error and never a guess.
// Only version 5, with checksums, is read.
package xfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Magic is what such a file system begins with.
const Magic = "XFSB"

// sector is the unit of addresses in the log, whatever the device's is.
const sector = 512

// ErrOther says that the device does not hold such a file system.
var ErrOther = errors.New("not an XFS file system")

// Unusable says why a file system's own map of its blocks is not relied on.
type Unusable string

// Error is the reason.
func (u Unusable) Error() string { return string(u) }

func unusable(format string, args ...any) error {
	return Unusable(fmt.Sprintf("xfs: "+format, args...))
}

var (
	le         = binary.LittleEndian
	be         = binary.BigEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// sumOK checks p against the checksum in it at offset at.
func sumOK(p []byte, at int) bool {
	sum := crc32.Checksum(p[:at], castagnoli)
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	return crc32.Update(sum, castagnoli, p[at+4:]) == le.Uint32(p[at:])
}

// readFull fills p from offset; less is an error.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("xfs: read %d bytes at %d: %w", len(p), offset, err)
}
