package seal

import (
	"encoding/binary"
	"errors"
)

// ErrShort means that encoded bytes end too early, hold more than they should,
// or count more than there can be.
var ErrShort = errors.New("encoded bytes are cut or too long")

// Reader takes fixed-size big-endian values from the front of bytes that are
// not trusted. After the first shortage it gives zeros and Err says so.
type Reader struct {
	rest  []byte
	short bool
}

// NewReader reads from data.
func NewReader(data []byte) *Reader { return &Reader{rest: data} }

// Bytes takes n bytes; nil when there are fewer.
func (r *Reader) Bytes(n int) []byte {
	if r.short || n < 0 || n > len(r.rest) {
		r.short = true
		return nil
	}
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}

// Uint8 takes one byte.
func (r *Reader) Uint8() uint8 {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 takes two bytes.
func (r *Reader) Uint16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint32 takes four bytes.
func (r *Reader) Uint32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 takes eight bytes.
func (r *Reader) Uint64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Name takes a block name.
func (r *Reader) Name() Name {
	var n Name
	copy(n[:], r.Bytes(NameSize))
	return n
}

// ID takes a 16-byte id.
func (r *Reader) ID() [16]byte {
	var id [16]byte
	copy(id[:], r.Bytes(16))
	return id
}

// Count takes a four-byte count of things that are at least size bytes each,
// and refuses one that the rest cannot hold, before anything is allocated.
func (r *Reader) Count(size int) int {
	n := int(r.Uint32())
	if n > len(r.rest)/size {
		r.short = true
		return 0
	}
	return n
}

// More reports whether bytes are left and none was missing.
func (r *Reader) More() bool { return !r.short && len(r.rest) > 0 }

// Err returns nil when everything was there, and nothing more.
func (r *Reader) Err() error {
	if r.short || len(r.rest) > 0 {
		return ErrShort
	}
	return nil
}
