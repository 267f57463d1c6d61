// Package extent holds ordered sets of byte ranges: what of a volume is used,
// allocated, changed, to be read. Sets are values; every operation returns a
// new one and takes time proportional to the ranges of its operands.
package extent

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// Range is a run of bytes of a volume: Length bytes from Offset.
type Range struct {
	Offset, Length int64
}

// End is the offset behind the last byte.
func (r Range) End() int64 { return r.Offset + r.Length }

// String shows the range as [from,to).
func (r Range) String() string { return fmt.Sprintf("[%d,%d)", r.Offset, r.End()) }

// Set is a set of bytes as ranges in ascending order that neither overlap nor
// touch, none of them empty. The zero value is the empty set.
type Set []Range

// All returns the set of the first size bytes.
func All(size int64) Set {
	if size <= 0 {
		return nil
	}
	return Set{{0, size}}
}

// Of returns the set of the bytes in ranges, which may overlap and come in any
// order. Empty ranges do not count.
func Of(ranges ...Range) Set {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b Range) int {
		switch {
		case a.Offset < b.Offset:
			return -1
		case a.Offset > b.Offset:
			return 1
		}
		return 0
	})
	var s Set
	for _, r := range sorted {
		s = s.push(r.Offset, r.End())
	}
	return s
}

// push adds [from,to) where from is not before the start of the last range.
func (s Set) push(from, to int64) Set {
	if from >= to {
		return s
	}
	if n := len(s); n > 0 && from <= s[n-1].End() {
		s[n-1].Length = max(s[n-1].End(), to) - s[n-1].Offset
		return s
	}
	return append(s, Range{from, to - from})
}

// Bytes is the number of bytes in the set.
func (s Set) Bytes() int64 {
	var n int64
	for _, r := range s {
		n += r.Length
	}
	return n
}

// Contains tells whether every byte of r is in the set.
func (s Set) Contains(r Range) bool {
	if r.Length <= 0 {
		return true
	}
	i := sort.Search(len(s), func(i int) bool { return s[i].End() > r.Offset })
	return i < len(s) && s[i].Offset <= r.Offset && s[i].End() >= r.End()
}

// Union returns the bytes in either set.
func (s Set) Union(o Set) Set {
	out := make(Set, 0, len(s)+len(o))
	for len(s) > 0 || len(o) > 0 {
		if len(o) == 0 || len(s) > 0 && s[0].Offset <= o[0].Offset {
			out, s = out.push(s[0].Offset, s[0].End()), s[1:]
		} else {
			out, o = out.push(o[0].Offset, o[0].End()), o[1:]
		}
	}
	return out
}

// Intersect returns the bytes in both sets.
func (s Set) Intersect(o Set) Set {
	var out Set
	for len(s) > 0 && len(o) > 0 {
		out = out.push(max(s[0].Offset, o[0].Offset), min(s[0].End(), o[0].End()))
		if s[0].End() < o[0].End() {
			s = s[1:]
		} else {
			o = o[1:]
		}
	}
	return out
}

// Subtract returns the bytes of s that are not in o.
func (s Set) Subtract(o Set) Set {
	var out Set
	for _, r := range s {
		at := r.Offset
		for len(o) > 0 && o[0].End() <= at {
			o = o[1:]
		}
		for _, gone := range o {
			if gone.Offset >= r.End() {
				break
			}
			out = out.push(at, min(gone.Offset, r.End()))
			at = max(at, gone.End())
		}
		out = out.push(at, r.End())
	}
	return out
}

// Complement returns the bytes of [0,size) that are not in the set.
func (s Set) Complement(size int64) Set { return All(size).Subtract(s) }

// Align returns the smallest set of whole blocks that holds s, cut at size: the
// last block may be short. block is a number of bytes above zero.
func (s Set) Align(block, size int64) Set {
	var out Set
	for _, r := range s {
		to := r.End()
		if rest := to % block; rest > 0 {
			to += min(block-rest, math.MaxInt64-to)
		}
		out = out.push(r.Offset-r.Offset%block, min(to, size))
	}
	return out
}
