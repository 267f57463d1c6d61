// Package index encodes index segments: sorted, immutable tables that say in
// which pack, frame and place a block lies. A segment is looked up by reading
// one of its pages, through any io.ReaderAt: a range of an object, a file, or
// memory. See spec/repository.md, section 6.
//
//	header 8 | sealed page | sealed page | ... | sealed footer | footer length 4
package index

import (
	"encoding/binary"
	"errors"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Shape of a segment.
const (
	PageEntries = 256 // in every page but the last
	entrySize   = seal.NameSize + 5*4
	pageSize    = PageEntries*entrySize + seal.Overhead
	packSize    = 16 + 4
	trailer     = 4
)

// MaxFooter is the greatest length of a footer in bytes: it bounds what a
// reader allocates.
const MaxFooter = 256 << 20

// ErrIndex means that an object is not an index segment of this format.
var ErrIndex = errors.New("malformed index segment")

// Place says where a block lies.
type Place struct {
	Pack   [16]byte
	Offset uint32 // of the sealed frame in the pack
	Sealed uint32 // length of the sealed frame
	Start  uint32 // of the block in the frame's content
	Length uint32 // of the block
}

// Entry is one line of the table.
type Entry struct {
	Name  seal.Name
	Place Place
}

// Pack is one of the packs a segment speaks of.
type Pack struct {
	ID   [16]byte
	Size uint32 // of the object; 0 when the writer did not know
}

// Footer is what a segment says of itself.
type Footer struct {
	Entries  uint64
	Packs    []Pack
	Replaces [][16]byte // segments whose entries are all in this one
	fences   []uint64   // first eight bytes of the first name of each page
}

func (f *Footer) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, f.Entries)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.Packs)))
	for i := range f.Packs {
		dst = append(dst, f.Packs[i].ID[:]...)
		dst = binary.BigEndian.AppendUint32(dst, f.Packs[i].Size)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.Replaces)))
	for i := range f.Replaces {
		dst = append(dst, f.Replaces[i][:]...)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.fences)))
	for _, fence := range f.fences {
		dst = binary.BigEndian.AppendUint64(dst, fence)
	}
	return dst
}

// parseFooter reads the plaintext of a footer that starts at byte end.
func parseFooter(data []byte, end int64) (*Footer, error) {
	r := seal.NewReader(data)
	f := &Footer{Entries: r.Uint64()}
	f.Packs = make([]Pack, r.Count(packSize))
	for i := range f.Packs {
		f.Packs[i] = Pack{ID: r.ID(), Size: r.Uint32()}
	}
	f.Replaces = make([][16]byte, r.Count(16))
	for i := range f.Replaces {
		f.Replaces[i] = r.ID()
	}
	f.fences = make([]uint64, r.Count(8))
	for i := range f.fences {
		f.fences[i] = r.Uint64()
		if i > 0 && f.fences[i] < f.fences[i-1] {
			return nil, ErrIndex
		}
	}
	if r.Err() != nil || end != f.end() {
		return nil, ErrIndex
	}
	return f, nil
}

// end returns where the footer of a segment with these entries starts.
func (f *Footer) end() int64 {
	pages := int64(len(f.fences))
	if f.Entries > 1<<40 || int64(f.Entries) > pages*PageEntries || int64(f.Entries) <= (pages-1)*PageEntries && pages > 0 {
		return -1
	}
	return seal.HeaderSize + int64(f.Entries)*entrySize + pages*seal.Overhead
}

// Cipher returns the cipher of the segment with this id.
func Cipher(keys *seal.Keys, id [16]byte) seal.Cipher {
	return keys.Object(seal.Index.Header(), id, nil)
}
