package index

import (
	"encoding/binary"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Filter tells of most names that a segment does not have them, without
// reading it: two bytes for each, and one wrong hit in about a thousand. Names are
// keyed hashes, so their own bytes serve as its hash functions.
type Filter struct {
	lines [][8]uint64 // one line of the processor's cache each
}

const (
	bitsPerName = 16
	bitsSet     = 7 // by each name in its line
	lineBits    = 512
)

// FilterSize returns how many bytes the filter of so many names takes.
func FilterSize(names uint64) int64 {
	return (int64(names)*bitsPerName/lineBits + 1) * lineBits / 8
}

// NewFilter returns an empty filter for so many names.
func NewFilter(names uint64) *Filter {
	return &Filter{lines: make([][8]uint64, FilterSize(names)*8/lineBits)}
}

// line returns a name's line, and the bits that say which of it the name sets.
// The first eight bytes of names are left out: entries are sorted by them.
func (f *Filter) line(name *seal.Name) (*[8]uint64, uint64) {
	which := binary.BigEndian.Uint64(name[8:]) % uint64(len(f.lines))
	return &f.lines[which], binary.BigEndian.Uint64(name[16:])
}

// Add enters a name.
func (f *Filter) Add(name seal.Name) {
	line, bits := f.line(&name)
	for range bitsSet {
		line[bits>>6&7] |= 1 << (bits & 63)
		bits >>= 9
	}
}

// Has reports whether the name may have been added; false is certain.
func (f *Filter) Has(name seal.Name) bool {
	line, bits := f.line(&name)
	for range bitsSet {
		if line[bits>>6&7]&(1<<(bits&63)) == 0 {
			return false
		}
		bits >>= 9
	}
	return true
}
