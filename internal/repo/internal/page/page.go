// Package page encodes the pages a stream is a tree of, and the groups of
// records an archive stream consists of. Pages are stored as blocks, so equal
// pages of two recovery points are stored once. It reads and writes bytes
// only. See spec/repository.md, sections 7 and 8.
package page

import (
	"encoding/binary"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Kinds of pages: the first byte of each.
const (
	kindVolume  = 1
	kindArchive = 2
)

// MaxLevels is the greatest depth of a tree.
const MaxLevels = 12

// ErrPage means that bytes are not a page or group of this format.
var ErrPage = errors.New("malformed page")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrPage}, args...)...)
}

// head reads kind, level and count of a page and checks the first two.
func head(r *seal.Reader, kind uint8, level int) (int, error) {
	k, l, count := r.Uint8(), r.Uint8(), r.Uint16()
	if k != kind || int(l) != level {
		return 0, malformed("kind %d at level %d, want kind %d at level %d", k, l, kind, level)
	}
	return int(count), nil
}

func appendHead(dst []byte, kind uint8, level, count int) []byte {
	return binary.BigEndian.AppendUint16(append(dst, kind, byte(level)), uint16(count))
}
