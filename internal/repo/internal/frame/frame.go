// Package frame encodes the plaintext of a sealed frame: one or more
// neighbouring blocks, compressed together when that makes them smaller. What
// was compressed is decompressed and compared before it is handed out, since
// compressors have had bugs that lost data. See spec/repository.md, section 5.
package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"holdfast.dev/holdfast/internal/repo/internal/recode"
)

// MaxPlain is the greatest length of a frame's content in bytes; it bounds what
// a reader allocates, whatever a hostile bucket holds.
const MaxPlain = 16 << 20

// Head is the number of bytes before the payload: method, content length.
const Head = 5

// Methods of a payload.
const (
	methodRaw  = 0
	methodZstd = 1
)

// Errors of this package.
var (
	ErrFrame      = errors.New("malformed frame")
	ErrCompressor = errors.New("compressed output does not decompress to its input")
)

// Codec encodes and decodes frames. It holds working memory of several MiB and
// is for one goroutine at a time.
type Codec struct {
	fast  recode.Encoder
	enc   *zstd.Encoder
	ways  func(size int) []way
	dec   *zstd.Decoder
	check []byte // output of the comparison
}

// NewCodec returns a codec.
func NewCodec() (*Codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("zstd encoder: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxPlain))
	if err != nil {
		return nil, fmt.Errorf("zstd decoder: %w", err)
	}
	c := &Codec{enc: enc, dec: dec}
	c.ways = c.waysFor
	return c, nil
}

// Close releases the codec's memory and goroutines.
func (c *Codec) Close() {
	_ = c.enc.Close() // nothing is buffered
	c.dec.Close()
}

// largeContent is from where on recode is used, in bytes: what it has to say of
// its codes, in each block, is little then.
const largeContent = 64 << 10

// Encode appends the frame of content to dst.
func (c *Codec) Encode(dst, content []byte) ([]byte, error) {
	if len(content) > MaxPlain {
		return nil, fmt.Errorf("%w: %d bytes of content, at most %d", ErrFrame, len(content), MaxPlain)
	}
	start := len(dst)
	dst = slices.Grow(dst, Head+max(c.enc.MaxEncodedSize(len(content)), recode.MaxSize(len(content)))) // growing while it compresses would leave garbage
	dst = append(dst, methodZstd, 0, 0, 0, 0)
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(content)))
	for _, compress := range c.ways(len(content)) {
		out, smaller := compress(dst, content)
		if !smaller || len(out)-start-Head >= len(content) {
			out = append(out[:start+Head], content...)
			out[start] = methodRaw
			return out, nil
		}
		if c.back(out[start+Head:], content) {
			return out, nil
		} // another way may be right
	}
	return nil, ErrCompressor
}

// way appends content compressed, or returns false when that makes it no
// smaller.
type way func(dst, content []byte) ([]byte, bool)

// waysFor returns how content of so many bytes is compressed, the best way first.
func (c *Codec) waysFor(size int) []way {
	library := func(dst, content []byte) ([]byte, bool) { return c.enc.EncodeAll(content, dst), true }
	if size < largeContent {
		return []way{library}
	}
	return []way{c.fast.Append, library}
}

// back reports whether the payload decompresses to the content.
func (c *Codec) back(payload, content []byte) bool {
	c.check = slices.Grow(c.check[:0], len(content))
	plain, err := c.dec.DecodeAll(payload, c.check)
	return err == nil && bytes.Equal(plain, content)
}

// Decode appends the content of a frame to dst.
func (c *Codec) Decode(dst, data []byte) ([]byte, error) {
	if len(data) < Head {
		return nil, fmt.Errorf("%w: %d bytes", ErrFrame, len(data))
	}
	size := binary.BigEndian.Uint32(data[1:])
	if size > MaxPlain {
		return nil, fmt.Errorf("%w: %d bytes of content", ErrFrame, size)
	}
	payload := data[Head:]
	switch data[0] {
	case methodRaw:
		if len(payload) != int(size) {
			return nil, fmt.Errorf("%w: %d bytes, %d announced", ErrFrame, len(payload), size)
		}
		return append(dst, payload...), nil
	case methodZstd:
		return c.expand(dst, payload, int(size))
	}
	return nil, fmt.Errorf("%w: method %d", ErrFrame, data[0])
}

func (c *Codec) expand(dst, payload []byte, size int) ([]byte, error) {
	start := len(dst)
	if cap(dst)-start < size {
		dst = append(make([]byte, 0, start+size), dst...)
	}
	out, err := c.dec.DecodeAll(payload, dst)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	if len(out)-start != size {
		return nil, fmt.Errorf("%w: %d bytes, %d announced", ErrFrame, len(out)-start, size)
	}
	return out, nil
}
