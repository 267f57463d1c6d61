package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Writer writes a segment, one page of memory at a time.
type Writer struct {
	w      io.Writer
	cipher seal.Cipher
	offset int64
	page   []byte
	last   seal.Name
	packs  map[[16]byte]uint32 // id to its place in the table
	footer Footer
}

// NewWriter starts a segment with the cipher of its id. packs gives the
// objects' sizes where they are known.
func NewWriter(w io.Writer, cipher seal.Cipher, replaces [][16]byte) (*Writer, error) {
	header := seal.Index.Header()
	if _, err := w.Write(header[:]); err != nil {
		return nil, fmt.Errorf("write index segment: %w", err)
	}
	return &Writer{w: w, cipher: cipher, offset: seal.HeaderSize, packs: map[[16]byte]uint32{},
		footer: Footer{Replaces: replaces}}, nil
}

// Pack tells the size of a pack whose entries follow.
func (w *Writer) Pack(id [16]byte, size uint32) {
	n := w.number(id)
	w.footer.Packs[n].Size = size
}

// Replace enters a segment that this one replaces.
func (w *Writer) Replace(id [16]byte) { w.footer.Replaces = append(w.footer.Replaces, id) }

func (w *Writer) number(id [16]byte) uint32 {
	n, known := w.packs[id]
	if !known {
		n = uint32(len(w.footer.Packs))
		w.packs[id] = n
		w.footer.Packs = append(w.footer.Packs, Pack{ID: id})
	}
	return n
}

// Add appends an entry. Names come in strictly ascending order.
func (w *Writer) Add(e Entry) error {
	if bytes.Compare(e.Name[:], w.last[:]) <= 0 {
		return fmt.Errorf("%w: entries out of order", ErrIndex)
	}
	w.last = e.Name
	if len(w.page) == 0 {
		w.footer.fences = append(w.footer.fences, fence(e.Name))
	}
	w.page = append(w.page, e.Name[:]...)
	for _, v := range [5]uint32{w.number(e.Place.Pack), e.Place.Offset, e.Place.Sealed, e.Place.Start, e.Place.Length} {
		w.page = binary.BigEndian.AppendUint32(w.page, v)
	}
	w.footer.Entries++
	if len(w.page) == PageEntries*entrySize {
		return w.flush()
	}
	return nil
}

func (w *Writer) flush() error {
	if len(w.page) == 0 {
		return nil
	}
	if err := w.write(w.page, seal.RoleBody); err != nil {
		return err
	}
	w.page = w.page[:0]
	return nil
}

func (w *Writer) write(plain []byte, role seal.Role) error {
	sealed := w.cipher.Seal(nil, plain, w.offset, role)
	if _, err := w.w.Write(sealed); err != nil {
		return fmt.Errorf("write index segment: %w", err)
	}
	w.offset += int64(len(sealed))
	return nil
}

// Close writes the last page and the footer. It does not close what it writes to.
func (w *Writer) Close() error {
	if err := w.flush(); err != nil {
		return err
	}
	start := w.offset
	if err := w.write(w.footer.append(nil), seal.RoleFooter); err != nil {
		return err
	}
	length := binary.BigEndian.AppendUint32(nil, uint32(w.offset-start))
	if _, err := w.w.Write(length); err != nil {
		return fmt.Errorf("write index segment: %w", err)
	}
	return nil
}

// fence is the part of a name that pages are told apart by.
func fence(n seal.Name) uint64 { return binary.BigEndian.Uint64(n[:8]) }
