package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"sort"
	"sync"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Segment looks blocks up. On the heap it keeps the footer: 8 bytes per 256
// entries and 20 bytes per pack. It is safe for concurrent use.
type Segment struct {
	Footer
	r      io.ReaderAt
	cipher seal.Cipher
}

// Open reads the footer of a segment of size bytes.
func Open(r io.ReaderAt, size int64, cipher seal.Cipher) (*Segment, error) {
	var head [seal.HeaderSize]byte
	var tail [trailer]byte
	if size < seal.HeaderSize+trailer {
		return nil, fmt.Errorf("%w: %d bytes", ErrIndex, size)
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("header of index segment: %w", err)
	}
	if err := seal.Index.Check(head[:]); err != nil {
		return nil, err
	}
	if _, err := r.ReadAt(tail[:], size-trailer); err != nil {
		return nil, fmt.Errorf("trailer of index segment: %w", err)
	}
	length := int64(binary.BigEndian.Uint32(tail[:]))
	end := size - trailer - length
	if end < seal.HeaderSize || length > MaxFooter {
		return nil, fmt.Errorf("%w: footer of %d bytes in %d", ErrIndex, length, size)
	}
	s := &Segment{r: r, cipher: cipher}
	plain, err := s.open(make([]byte, length), end, seal.RoleFooter)
	if err != nil {
		return nil, fmt.Errorf("footer of index segment: %w", err)
	}
	footer, err := parseFooter(plain, end)
	if err != nil {
		return nil, fmt.Errorf("footer of index segment: %w", err)
	}
	s.Footer = *footer
	return s, nil
}

func (s *Segment) open(sealed []byte, offset int64, role seal.Role) ([]byte, error) {
	if _, err := s.r.ReadAt(sealed, offset); err != nil {
		return nil, err
	}
	return s.cipher.Open(sealed[:0], sealed, offset, role)
}

// buffers hold a sealed page each: a lookup allocates nothing.
var buffers = sync.Pool{New: func() any { return new([pageSize]byte) }}

// page returns the plaintext of a page, in buffer.
func (s *Segment) page(n int, buffer *[pageSize]byte) ([]byte, error) {
	entries := min(PageEntries, int64(s.Entries)-int64(n)*PageEntries)
	plain, err := s.open(buffer[:entries*entrySize+seal.Overhead], seal.HeaderSize+int64(n)*pageSize, seal.RoleBody)
	if err != nil {
		return nil, fmt.Errorf("page %d of index segment: %w", n, err)
	}
	return plain, nil
}

// Find looks a block up, reading one page; two when names share a fence.
func (s *Segment) Find(name seal.Name) (Place, bool, error) {
	_, place, found, err := s.Number(name)
	return place, found, err
}

// Number is Find, and tells which entry of the segment it is, from 0.
func (s *Segment) Number(name seal.Name) (int64, Place, bool, error) {
	f := fence(name)
	buffer := buffers.Get().(*[pageSize]byte)
	defer buffers.Put(buffer)
	last := sort.Search(len(s.fences), func(i int) bool { return s.fences[i] > f }) - 1
	for n := last; n >= 0; n-- {
		plain, err := s.page(n, buffer)
		if err != nil {
			return 0, Place{}, false, err
		}
		i, place, found, err := s.search(plain, name)
		if found || err != nil || s.fences[n] < f {
			return int64(n)*PageEntries + int64(i), place, found, err
		}
	}
	return 0, Place{}, false, nil
}

func (s *Segment) search(plain []byte, name seal.Name) (int, Place, bool, error) {
	count := len(plain) / entrySize
	i := sort.Search(count, func(i int) bool {
		return bytes.Compare(plain[i*entrySize:i*entrySize+seal.NameSize], name[:]) >= 0
	})
	if i == count || !bytes.Equal(plain[i*entrySize:i*entrySize+seal.NameSize], name[:]) {
		return i, Place{}, false, nil
	}
	e, err := s.entry(plain, i)
	return i, e.Place, err == nil, err
}

func (s *Segment) entry(plain []byte, i int) (Entry, error) {
	r := seal.NewReader(plain[i*entrySize : (i+1)*entrySize])
	e := Entry{Name: r.Name()}
	number := r.Uint32()
	if int64(number) >= int64(len(s.Packs)) {
		return Entry{}, fmt.Errorf("%w: entry of pack %d of %d", ErrIndex, number, len(s.Packs))
	}
	e.Place = Place{Pack: s.Packs[number].ID, Offset: r.Uint32(), Sealed: r.Uint32(), Start: r.Uint32(), Length: r.Uint32()}
	return e, nil
}

// All yields every entry in order of names, a page at a time. An error ends
// the sequence.
func (s *Segment) All() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var buffer [pageSize]byte
		for n := range s.fences {
			plain, err := s.page(n, &buffer)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for i := range len(plain) / entrySize {
				if e, err := s.entry(plain, i); !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}
