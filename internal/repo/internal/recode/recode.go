// Package recode compresses to zstd frames (RFC 8878) faster than a zstd
// encoder in Go does, and to the same size: S2 searches for matches, which it
// does in assembly, and what it found is coded in zstd's way, which makes it
// smaller by a third than S2's own. Readers see ordinary zstd.
//
//	content ── S2 ── tokens ── per block of 128 KiB: literals ── Huffman ──┬── frame
//	                                                 steps ───── FSE ──────┘
package recode

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/s2"
)

const (
	// maxBlock is the most content in bytes that zstd lets a block have.
	maxBlock = 128 << 10
	// maxContent is where a step would need more bits than there is room for.
	maxContent = 16 << 20
	// slack is read, or written, beyond what is meant, to move words and not bytes.
	slack = 16
)

// Encoder compresses. It holds working memory of about 1.3 times the largest
// content, and is for one goroutine at a time. The zero value is ready.
type Encoder struct {
	content []byte
	dst     []byte // the frame so far, behind what was there
	tokens  []byte // of S2
	block   block
	tables  tables
	huffman huff0.Scratch
	bits    []byte // steps coded
}

// Append appends the frame of content, which may be larger than content, or
// returns false, appending nothing, when it is clear early that content cannot
// be made smaller. Content is at most 16 MiB.
func (e *Encoder) Append(dst, content []byte) ([]byte, bool) {
	if len(content) == 0 || len(content) > maxContent {
		return dst, false
	}
	e.ready(len(content))
	found := s2.Encode(e.tokens[:len(e.tokens)-slack], content)
	if len(found) >= len(content) && even(content) {
		return dst, false
	}
	e.content, e.dst = content, appendHead(dst, len(content))
	e.block.start(0, len(content))
	e.recent(recents{1, 4, 8}) // as a frame begins
	e.read(e.tokens[:len(found)+slack], len(found))
	dst, e.content, e.dst = e.dst, nil, nil
	return dst, true
}

// MaxSize is how many bytes Append may need for so much content, while it works.
func MaxSize(content int) int { return content + content>>10 + 2*maxBlock }

// ready makes the buffers.
func (e *Encoder) ready(size int) {
	if need := s2.MaxEncodedLen(size) + slack; len(e.tokens) < need {
		e.tokens = make([]byte, need)
	}
	if e.bits == nil {
		e.bits = make([]byte, maxSteps*maxStepBytes+slack)
		e.block.literals = make([]byte, maxBlock+slack)
		e.block.steps = make([]step, maxSteps)
		e.huffman.Reuse = huff0.ReusePolicyNone
	}
}

// appendHead begins a frame that has one segment, which says its length, and no
// checksum.
func appendHead(dst []byte, size int) []byte {
	dst = append(dst, 0x28, 0xb5, 0x2f, 0xfd, 2<<6|1<<5)
	return binary.LittleEndian.AppendUint32(dst, uint32(size))
}

// even reports whether all bytes seem to be about as frequent, so that no code
// makes them shorter. It looks at some of them.
func even(content []byte) bool {
	const looks = 4096
	if len(content) < 4*looks {
		return false
	}
	var counts [256]uint32
	for i := range looks {
		counts[content[i*(len(content)/looks)]]++
	}
	squares := uint32(0)
	for _, n := range counts {
		squares += n * n
	}
	const expected = looks*looks/256 + looks // of noise
	return squares < expected*11/10
}
