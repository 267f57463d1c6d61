package recode

import "encoding/binary"

// A token of S2 begins with a byte whose low two bits tell what it is.
const (
	tokenLiteral = iota
	tokenNear    // 4 to 11 bytes from up to 2 KiB before; from nowhere: from as far as last time
	tokenFar     // up to 64 bytes, offset in two bytes
	tokenFarther // the same, in four
)

// copies tells of each first byte of a token that copies: how many bytes it
// copies, in how many further bytes the offset stands << 8, and the offset's
// high part << 16.
var copies = func() (t [256]uint32) {
	for b := range uint32(256) {
		switch b & 3 {
		case tokenNear:
			t[b] = 4 + b>>2&7 | 1<<8 | b>>5<<24
		case tokenFar:
			t[b] = 1 + b>>2 | 2<<8
		case tokenFarther:
			t[b] = 1 + b>>2 | 4<<8
		}
	}
	return t
}()

// lowBytes keeps so many bytes of a word.
var lowBytes = [8]uint32{1: 0xff, 2: 0xffff, 3: 0xffffff, 4: 0xffffffff}

func word(data []byte, at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }

// read reads the tokens up to end; behind it they have slack. Content and tokens
// are known to agree: what copies makes of them is compared with the content
// before anybody relies on it.
func (e *Encoder) read(tokens []byte, end int) {
	_, at := binary.Uvarint(tokens)
	done, literals, last := 0, 0, uint32(0) // what was put into blocks; what waits; the offset
	for at < end {
		first := tokens[at]
		if first&3 == tokenLiteral {
			n := int(first >> 2)
			if extra := n - 59; extra > 0 {
				n = int(word(tokens, at+1) & lowBytes[extra&7])
				at += extra
			}
			at += 2 + n
			if literals += n + 1; done+literals >= e.block.to {
				done, literals = e.cross(done, literals, 0, 0)
			}
			continue
		}
		c := copies[first]
		size := int(c >> 8 & 7)
		offset, match := word(tokens, at+1)&lowBytes[size]|c>>16, int(c&0xff)
		at += 1 + size
		if offset == 0 {
			offset = last
			match, at = repeat(tokens, at, match)
		}
		for tokens[at]&^(7<<2) == tokenNear && tokens[at+1] == 0 && at < end { // it goes on
			more := 0
			more, at = repeat(tokens, at+2, 4+int(tokens[at]>>2))
			match += more
		}
		last = offset
		if match < minMatch || done+literals+match >= e.block.to {
			done, literals = e.cross(done, literals, match, offset)
			continue
		}
		e.put(done, literals, match, offset)
		done, literals = done+literals+match, 0
	}
	if e.block.from < len(e.content) {
		e.addLiterals(done, e.block.to-done)
		e.flush()
	}
}

// repeat reads the length of a token that copies from as far as the last one did,
// whose first byte says length.
func repeat(tokens []byte, at, length int) (match, next int) {
	switch length {
	case 4 + 5:
		return 4 + 4 + int(tokens[at]), at + 1
	case 4 + 6:
		return 4 + 1<<8 + int(word(tokens, at)&0xffff), at + 2
	case 4 + 7:
		return 4 + 1<<16 + int(word(tokens, at)&0xffffff), at + 3
	}
	return length, at
}

// cross puts literals, and a match behind them if there is one, that may reach the
// end of the block or go beyond it. It returns what is done then, and how many
// literals wait.
func (e *Encoder) cross(done, literals, match int, offset uint32) (doneNow, waiting int) {
	for done+literals+match >= e.block.to && e.block.to > e.block.from {
		room := e.block.to - done - literals // for the match; below zero when the literals alone reach
		if room >= minMatch {
			e.put(done, literals, room, offset)
		} else {
			e.addLiterals(done, e.block.to-done)
		}
		literals, match = max(0, -room), match-max(0, room)
		done = e.block.to
		e.flush()
	}
	if match < minMatch {
		return done, literals + match
	}
	e.put(done, literals, match, offset)
	return done + literals + match, 0
}
