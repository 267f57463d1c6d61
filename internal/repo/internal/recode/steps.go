package recode

import (
	"encoding/binary"
	"math/bits"
)

// minMatch is the least match of zstd in bytes.
const minMatch = 3

const (
	maxSteps     = maxBlock / minMatch
	maxStepBytes = (16 + 16 + 24 + 9 + 9 + 8 + 7) / 8
)

// step is some literals, and a match behind them (RFC 8878 calls it a
// sequence): its codes, and the bits that tell more than the codes do.
type step struct {
	more  uint64
	codes uint64 // of literals | of the match << 8 | of the offset << 16 | how many bits more has << 24
}

// recents are the offsets that need no bits.
type recents [3]uint32

// take returns the number zstd has for an offset, and makes it a recent one.
func (r *recents) take(offset uint32, afterLiterals bool) uint32 {
	number := offset + 3
	switch {
	case offset == r[0] && afterLiterals:
		return 1
	case offset == r[1]:
		r[0], r[1] = offset, r[0]
		number = 2
	default:
		if offset == r[2] {
			number = 3
		}
		r[0], r[1], r[2] = offset, r[0], r[1]
	}
	if !afterLiterals && number <= 3 {
		number-- // r[0] itself would go on with the match before
	}
	return number
}

// code is a code of a length | the count of its bits << 8. Small lengths have
// codes of their own, others share one and tell the rest in bits; those behind
// the tables share one for each power of two.
type code uint16

var (
	literalCodes = [64]code(codes(16, 1, 1, 1, 1, 2, 2, 3, 3, 4))
	matchCodes   = [128]code(codes(32, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5))
)

// codes makes a table: each number below plain is its own code, the codes behind
// have these counts of bits.
func codes(plain int, widths ...int) (t []code) {
	for n := range plain {
		t = append(t, code(n))
	}
	for i, width := range widths {
		for range 1 << width {
			t = append(t, code(plain+i)|code(width)<<8)
		}
	}
	return t
}

// codeOf is the code of a number: that of the table, or the power of two below it
// and base.
func codeOf(table []code, n, base int) code {
	if n < len(table) {
		return table[n]
	}
	power := bits.Len32(uint32(n)) - 1
	return code(power+base) | code(power)<<8
}

// put adds the content from done on as literals, and the match behind them.
func (e *Encoder) put(done, literals, match int, offset uint32) {
	e.addLiterals(done, literals)
	t := &e.tables
	number := t.recents.take(offset, literals > 0)
	match -= minMatch
	lc, mc := codeOf(literalCodes[:], literals, 19), codeOf(matchCodes[:], match, 36)
	oc := uint(bits.Len32(number)) - 1
	lb, mb := uint(lc>>8)&31, uint(mc>>8)&31
	more := uint64(number) & (1<<(oc&31) - 1)
	more = more<<mb | uint64(match)&(1<<mb-1)
	more = more<<lb | uint64(literals)&(1<<lb-1)
	lc, mc = lc&(maxCodes-1), mc&(maxCodes-1)
	e.block.steps[e.block.count] = step{more, uint64(lc) | uint64(mc)<<8 | uint64(oc)<<16 | uint64(lb+mb+oc)<<24}
	e.block.count++
	t.literals.counts[lc]++
	t.match.counts[mc]++
	t.offset.counts[oc&(maxCodes-1)]++
}

// addLiterals adds content to the block's literals.
func (e *Encoder) addLiterals(from, n int) {
	b := &e.block
	if n <= slack && from+slack <= len(e.content) {
		*(*[slack]byte)(b.literals[b.size:]) = *(*[slack]byte)(e.content[from:])
	} else {
		copy(b.literals[b.size:], e.content[from:from+n])
	}
	b.size += n
}

// tables are the codes of a block.
type tables struct {
	recents                 recents
	literals, offset, match table
}

func (t *tables) clear() {
	clear(t.literals.counts[:])
	clear(t.offset.counts[:])
	clear(t.match.counts[:])
}

// appendSteps appends the number of steps, the tables, and the steps.
func (e *Encoder) appendSteps() {
	n := e.block.count
	switch {
	case n < 128:
		e.dst = append(e.dst, byte(n))
	case n < 0x7f00:
		e.dst = append(e.dst, 0x80|byte(n>>8), byte(n))
	default:
		e.dst = append(e.dst, 0xff, byte(n-0x7f00), byte((n-0x7f00)>>8))
	}
	if n == 0 {
		return
	}
	t := &e.tables
	kinds := t.literals.build(n, 9)<<6 | t.offset.build(n, 8)<<4 | t.match.build(n, 9)<<2
	e.dst = append(e.dst, kinds)
	e.dst = t.literals.append(e.dst)
	e.dst = t.offset.append(e.dst)
	e.dst = t.match.append(e.dst)
	e.dst = append(e.dst, e.code()...)
}

// code codes the steps, the last one first, since they are read from behind.
func (e *Encoder) code() []byte {
	out, steps, t := e.bits, e.block.steps[:e.block.count], &e.tables
	s := steps[len(steps)-1]
	literals, match, offset := t.literals.first(s.codes), t.match.first(s.codes>>8), t.offset.first(s.codes>>16)
	acc, have, at := s.more, uint(s.codes>>24), 0 // bits, how many, where they go
	for i := len(steps) - 2; i >= 0; i-- {
		s := steps[i]
		binary.LittleEndian.PutUint64(out[at:], acc)
		at, acc, have = at+int(have>>3), acc>>(have&56), have&7
		var n uint
		n, acc = offset.next(&t.offset, s.codes>>16, acc, have)
		have += n
		n, acc = match.next(&t.match, s.codes>>8, acc, have)
		have += n
		n, acc = literals.next(&t.literals, s.codes, acc, have)
		have += n
		n = uint(s.codes >> 24)
		if have+n > 63 {
			binary.LittleEndian.PutUint64(out[at:], acc)
			at, acc, have = at+int(have>>3), acc>>(have&56), have&7
		}
		acc |= s.more << have
		have += n
	}
	binary.LittleEndian.PutUint64(out[at:], acc)
	at, acc, have = at+int(have>>3), acc>>(have&56), have&7
	for _, last := range []struct {
		state state
		log   uint
	}{{match, t.match.log}, {offset, t.offset.log}, {literals, t.literals.log}, {1, 1}} { // a bit marks the end
		acc |= uint64(last.state) & (1<<last.log - 1) << have
		have += last.log
	}
	binary.LittleEndian.PutUint64(out[at:], acc)
	return out[:at+int(have+7)/8]
}
