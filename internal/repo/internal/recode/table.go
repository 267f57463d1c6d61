package recode

import "math/bits"

const (
	maxLog   = 9
	maxCodes = 64 // more than there are
)

// table is a finite state entropy code of the codes of one kind: the more
// frequent a code, the more of the states are its own, and the fewer bits does
// it take to get to one of them.
type table struct {
	counts [maxCodes]uint32
	shares [maxCodes]uint32 // of the states
	log    uint             // of the number of states; 0 when there is one code only
	only   byte             // that code
	states [1 << maxLog]uint16
	moves  [maxCodes]move
}

// move is how to get to a state of a code.
type move struct {
	bits uint32 // to write, << 16, less what a state must have for one bit more
	base int32  // of the code's states
}

// Kinds of tables, as zstd numbers them.
const (
	kindOnly  = 1
	kindTable = 2
)

// build makes the table for n counted codes, of at most 1<<most states. It
// returns the table's kind.
func (t *table) build(n int, most uint) byte {
	used, greatest, last := 0, 0, 0
	for c, count := range t.counts {
		if count > 0 {
			used, last = used+1, c
		}
		if count > t.counts[greatest] {
			greatest = c
		}
	}
	if used == 1 {
		t.log, t.only, t.states[0], t.moves[greatest] = 0, byte(greatest), 0, move{}
		return kindOnly
	}
	t.log = uint(max(5, bits.Len(uint(n))-2, bits.Len(uint(used))))
	t.log = min(t.log, most)
	t.share(n, greatest)
	t.spread(last)
	return kindTable
}

// share gives each code that was counted its share of the states, at least one.
func (t *table) share(n, greatest int) {
	left := 1 << t.log
	for c, count := range t.counts {
		t.shares[c] = 0
		if count > 0 {
			t.shares[c] = max(1, uint32((uint64(count)<<t.log+uint64(n)/2)/uint64(n)))
		}
		left -= int(t.shares[c])
	}
	if left >= 0 {
		t.shares[greatest] += uint32(left)
		return
	}
	for ; left < 0; left++ { // rounding gave too many
		for c, share := range t.shares {
			if share > t.shares[greatest] {
				greatest = c
			}
		}
		t.shares[greatest]--
	}
}

// spread gives out the states in the order that zstd demands.
func (t *table) spread(last int) {
	size := uint32(1) << t.log
	mask, step := size-1, size>>1+size>>3+3
	var owner [1 << maxLog]uint8
	var next [maxCodes]uint32
	at, sum := uint32(0), uint32(0)
	for c := range last + 1 {
		share := t.shares[c]
		for range share {
			owner[at&(1<<maxLog-1)] = uint8(c)
			at = (at + step) & mask
		}
		next[c] = sum
		if share > 0 {
			width := uint32(t.log)
			if share > 1 {
				width -= uint32(bits.Len32(share-1)) - 1
			}
			t.moves[c] = move{width<<16 - share<<width, int32(sum) - int32(share)}
		}
		sum += share
	}
	for state := range size {
		c := owner[state] % maxCodes
		t.states[next[c]%(1<<maxLog)] = uint16(size + state)
		next[c]++
	}
}

// append appends what a reader needs to make the table.
func (t *table) append(dst []byte) []byte {
	if t.log == 0 {
		return append(dst, t.only)
	}
	acc, have := uint32(t.log-5), uint(4)
	put := func(v int, width uint) {
		acc |= uint32(v) << have
		for have += width; have >= 8; have -= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
		}
	}
	size := 1 << t.log
	left, threshold, width := size+1, size, t.log+1
	for c := 0; left > 1; {
		share := int(t.shares[c])
		c++
		small := 2*threshold - 1 - left // so many values take a bit less
		left -= share
		v := share + 1
		if v >= threshold {
			v += small
		}
		if v < small {
			put(v, width-1)
		} else {
			put(v, width)
		}
		if share == 0 {
			c += putZeros(t.shares[c:], put)
		}
		for left < threshold {
			width--
			threshold >>= 1
		}
	}
	if have > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}

// putZeros says how many more codes have no share, and returns it.
func putZeros(shares []uint32, put func(v int, width uint)) int {
	n := 0
	for shares[n] == 0 {
		n++
	}
	for more := n; ; more -= 3 {
		put(min(more, 3), 2)
		if more < 3 {
			return n
		}
	}
}

// state is one of a table's.
type state uint32

// first is the state that the last code leaves.
func (t *table) first(c uint64) state {
	if t.log == 0 {
		return 0
	}
	m := t.moves[c%maxCodes]
	width := (m.bits + 1<<15) >> 16
	return state(t.states[uint32(int32((width<<16-m.bits)>>width)+m.base)%(1<<maxLog)])
}

// next moves to a state of the code, adding the bits that lead back. It returns
// how many, and all bits.
func (s *state) next(t *table, c, acc uint64, have uint) (uint, uint64) {
	m := t.moves[c%maxCodes]
	width := (uint32(*s) + m.bits) >> 16 & 31
	acc |= uint64(uint32(*s)&(1<<width-1)) << (have & 63)
	*s = state(t.states[uint32(int32(uint32(*s)>>width)+m.base)%(1<<maxLog)])
	return uint(width), acc
}
