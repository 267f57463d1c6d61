package pack

import (
	"encoding/binary"
	"sync"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Builder fills a pack in memory. Reserve and Finish are for one goroutine at a
// time; the slots that Reserve returns are sealed by many at once.
type Builder struct {
	ID     [16]byte
	cipher seal.Cipher
	buf    []byte // its length is what is reserved; never reallocated
	frames []Frame
	footer int            // bytes that must stay free behind the frames
	open   sync.WaitGroup // slots that are not sealed yet
}

// Size returns how many bytes a pack of one frame has, whose plaintext has plain
// bytes.
func Size(plain int, blocks []Block) int {
	return seal.HeaderSize + plain + seal.Overhead + footerSize(blocks) + emptyFooter
}

// emptyFooter is what the footer of no frames takes.
const emptyFooter = 4 + seal.Overhead + trailer

func footerSize(blocks []Block) int { return frameEntry + len(blocks)*blockEntry }

// NewBuilder starts a pack in buf, whose capacity bounds the pack: it is never
// reallocated, so that memory stays what the caller gave.
func NewBuilder(keys *seal.Keys, id [16]byte, buf []byte) *Builder {
	header := seal.Pack.Header()
	return &Builder{ID: id, cipher: Cipher(keys, id), buf: append(buf[:0], header[:]...), footer: emptyFooter}
}

// Empty reports whether no frame was reserved.
func (b *Builder) Empty() bool { return len(b.frames) == 0 }

// Slot is the place of one frame; it must be sealed exactly once.
type Slot struct {
	builder *Builder
	offset  int64
	place   []byte
}

// Reserve makes a place for a frame whose plaintext has plain bytes, or reports
// that the pack is full.
func (b *Builder) Reserve(plain int, blocks []Block) (Slot, bool) {
	start, size, footer := len(b.buf), plain+seal.Overhead, b.footer+footerSize(blocks)
	if cap(b.buf)-start < size+footer {
		return Slot{}, false
	}
	b.footer = footer
	b.buf = b.buf[:start+size]
	b.frames = append(b.frames, Frame{Offset: uint32(start), Length: uint32(size), Blocks: blocks})
	b.open.Add(1)
	return Slot{builder: b, offset: int64(start), place: b.buf[start : start : start+size]}, true
}

// Seal seals the frame's plaintext into its place.
func (s Slot) Seal(plain []byte) {
	s.builder.cipher.Seal(s.place, plain, s.offset, seal.RoleBody)
	s.builder.open.Done()
}

// Finish waits until every slot is sealed, and returns the whole pack and what
// is in it. The builder is not used afterwards.
func (b *Builder) Finish() ([]byte, []Frame) {
	b.open.Wait()
	end := len(b.buf)
	footer := AppendFooter(nil, b.frames)
	out := b.cipher.Seal(b.buf, footer, int64(end), seal.RoleFooter)
	return binary.BigEndian.AppendUint32(out, uint32(len(out)-end)), b.frames
}
