// Package pack encodes packs: objects that hold many sealed frames, and say
// themselves what is in them, so that an index can be rebuilt from packs
// alone. See spec/repository.md, section 5.
//
//	header 8 | frame | frame | ... | sealed footer | footer length 4
package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"holdfast.dev/holdfast/internal/repo/internal/frame"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Sizes in bytes.
const (
	MaxSize    = 64 << 20 // of a pack; readers refuse more
	trailer    = 4
	blockEntry = seal.NameSize + 4
	frameEntry = 4 + 4
)

// MaxFrame is the greatest length of a sealed frame in bytes.
const MaxFrame = frame.Head + frame.MaxPlain + seal.Overhead

// ErrPack means that an object is not a pack of this format.
var ErrPack = errors.New("malformed pack")

// Block is one block inside a frame; its place follows from the lengths of
// those before it.
type Block struct {
	Name   seal.Name
	Length uint32
}

// Frame is a sealed run of blocks.
type Frame struct {
	Offset uint32 // in the pack
	Length uint32 // sealed
	Blocks []Block
}

// AppendFooter appends the plaintext of a pack's footer.
func AppendFooter(dst []byte, frames []Frame) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(frames)))
	for _, f := range frames {
		dst = binary.BigEndian.AppendUint32(dst, f.Length)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.Blocks)))
		for i := range f.Blocks {
			dst = append(dst, f.Blocks[i].Name[:]...)
			dst = binary.BigEndian.AppendUint32(dst, f.Blocks[i].Length)
		}
	}
	return dst
}

// ParseFooter reads the plaintext of a footer that starts at byte end of its
// pack: the frames fill exactly what is between header and footer.
func ParseFooter(data []byte, end int64) ([]Frame, error) {
	r := seal.NewReader(data)
	frames := make([]Frame, 0, r.Count(frameEntry))
	offset := int64(seal.HeaderSize)
	for range cap(frames) {
		f := Frame{Offset: uint32(offset), Length: r.Uint32()}
		f.Blocks = make([]Block, r.Count(blockEntry))
		plain := int64(0)
		for i := range f.Blocks {
			f.Blocks[i] = Block{Name: r.Name(), Length: r.Uint32()}
			plain += int64(f.Blocks[i].Length)
		}
		offset += int64(f.Length)
		if f.Length > MaxFrame || offset > end || plain > frame.MaxPlain || len(f.Blocks) == 0 {
			return nil, fmt.Errorf("%w: frame of %d bytes, %d blocks", ErrPack, f.Length, len(f.Blocks))
		}
		frames = append(frames, f)
	}
	if r.Err() != nil || offset != end {
		return nil, fmt.Errorf("%w: footer does not match the frames", ErrPack)
	}
	return frames, nil
}

// ReadFooter reads what is in a pack of size bytes, without its frames.
func ReadFooter(r io.ReaderAt, size int64, keys *seal.Keys, id [16]byte) ([]Frame, error) {
	end, sealed, err := readTail(r, size)
	if err != nil {
		return nil, err
	}
	plain, err := Cipher(keys, id).Open(nil, sealed, end, seal.RoleFooter)
	if err != nil {
		return nil, fmt.Errorf("footer of pack: %w", err)
	}
	return ParseFooter(plain, end)
}

// readTail checks the header and returns where the sealed footer starts, and it.
func readTail(r io.ReaderAt, size int64) (int64, []byte, error) {
	var head [seal.HeaderSize]byte
	var tail [trailer]byte
	if size < seal.HeaderSize+trailer || size > MaxSize {
		return 0, nil, fmt.Errorf("%w: %d bytes", ErrPack, size)
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return 0, nil, fmt.Errorf("header of pack: %w", err)
	}
	if err := seal.Pack.Check(head[:]); err != nil {
		return 0, nil, err
	}
	if _, err := r.ReadAt(tail[:], size-trailer); err != nil {
		return 0, nil, fmt.Errorf("trailer of pack: %w", err)
	}
	length := int64(binary.BigEndian.Uint32(tail[:]))
	end := size - trailer - length
	if end < seal.HeaderSize {
		return 0, nil, fmt.Errorf("%w: footer of %d bytes in %d", ErrPack, length, size)
	}
	sealed := make([]byte, length)
	if _, err := r.ReadAt(sealed, end); err != nil {
		return 0, nil, fmt.Errorf("footer of pack: %w", err)
	}
	return end, sealed, nil
}

// Cipher returns the cipher of the pack with this id.
func Cipher(keys *seal.Keys, id [16]byte) seal.Cipher {
	return keys.Object(seal.Pack.Header(), id, nil)
}
