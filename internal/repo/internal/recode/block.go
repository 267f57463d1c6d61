package recode

import (
	"errors"

	"github.com/klauspost/compress/huff0"
)

// block is a piece of the content on its way into the frame.
type block struct {
	from, to int // in the content
	literals []byte
	size     int // of literals
	steps    []step
	count    int // of steps
	before   recents
}

// start begins the block at a place of the content.
func (b *block) start(from, length int) {
	b.from, b.to, b.size, b.count = from, min(length, from+maxBlock), 0, 0
}

// Kinds of blocks and of literals, as zstd numbers them.
const (
	raw        = 0
	repeated   = 1 // one byte
	compressed = 2
)

// flush ends the block, and starts the next. One that did not get smaller is
// stored as it is; the reader's recent offsets are those from before it then.
func (e *Encoder) flush() {
	b := &e.block
	start, size := len(e.dst), b.to-b.from
	kind := compressed
	e.dst = append(e.dst, 0, 0, 0)
	if !e.compress() || len(e.dst)-start-3 >= size {
		kind = raw
		e.dst = append(e.dst[:start+3], e.content[b.from:b.to]...)
		e.tables.recents = b.before
	}
	head := uint32(len(e.dst)-start-3)<<3 | uint32(kind)<<1
	if b.to == len(e.content) {
		head |= 1 // the last one
	}
	putUint24(e.dst[start:], head)
	b.start(b.to, len(e.content))
	e.recent(e.tables.recents)
}

// recent sets the offsets that the block begins with.
func (e *Encoder) recent(r recents) {
	e.tables.recents, e.block.before = r, r
	e.tables.clear()
}

// compress codes the block; false when that is not worth trying.
func (e *Encoder) compress() bool {
	literals := e.block.literals[:e.block.size]
	if e.block.count == 0 && even(literals) {
		return false
	}
	e.appendLiterals(literals)
	e.appendSteps()
	return true
}

// fewLiterals are not worth a table.
const fewLiterals = 64

func (e *Encoder) appendLiterals(literals []byte) {
	n := len(literals)
	if n < fewLiterals {
		e.dst = append(appendLiteralsHead(e.dst, raw, n), literals...)
		return
	}
	code := huff0.Compress4X
	if n < 1<<10 {
		code = huff0.Compress1X
	}
	coded, _, err := code(literals, &e.huffman)
	switch {
	case err == nil && len(coded) < n:
		e.dst = append(appendCodedHead(e.dst, n, len(coded)), coded...)
	case errors.Is(err, huff0.ErrUseRLE):
		e.dst = append(appendLiteralsHead(e.dst, repeated, n), literals[0])
	default:
		e.dst = append(appendLiteralsHead(e.dst, raw, n), literals...)
	}
}

// appendLiteralsHead says how many literals there are, in 20 bits.
func appendLiteralsHead(dst []byte, kind, n int) []byte {
	head := uint32(kind) | 3<<2 | uint32(n)<<4
	return append(dst, byte(head), byte(head>>8), byte(head>>16))
}

// appendCodedHead says how many literals there are, and into how many bytes they
// were coded: one stream up to 1 KiB, else four.
func appendCodedHead(dst []byte, n, coded int) []byte {
	format, width := uint64(0), 10
	switch {
	case n >= 1<<14:
		format, width = 3, 18
	case n >= 1<<10:
		format, width = 2, 14
	}
	head := compressed | format<<2 | uint64(n)<<4 | uint64(coded)<<(4+width)
	for bits := 4 + 2*width; bits > 0; bits -= 8 {
		dst = append(dst, byte(head))
		head >>= 8
	}
	return dst
}

func putUint24(dst []byte, v uint32) {
	dst[0], dst[1], dst[2] = byte(v), byte(v>>8), byte(v>>16)
}
