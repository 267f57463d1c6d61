package extent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const space = 200

// drawSet makes a set and the same as a bit per byte.
func drawSet(t *rapid.T, label string) (Set, [space]bool) {
	ranges := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Range {
		offset := rapid.Int64Range(0, space-1).Draw(t, "offset")
		return Range{offset, rapid.Int64Range(0, space-offset).Draw(t, "length") / 4}
	}), 0, 8).Draw(t, label)
	var bits [space]bool
	for _, r := range ranges {
		for i := r.Offset; i < r.End(); i++ {
			bits[i] = true
		}
	}
	return Of(ranges...), bits
}

func check(t *rapid.T, what string, got Set, want func(i int) bool) {
	t.Helper()
	var bits [space]bool
	last := int64(-1)
	for _, r := range got {
		if r.Length <= 0 || r.Offset <= last {
			t.Fatalf("%s: not in order, empty or touching: %v", what, got)
		}
		last = r.End()
		for i := r.Offset; i < r.End(); i++ {
			bits[i] = true
		}
	}
	for i := range bits {
		if bits[i] != want(i) {
			t.Fatalf("%s: byte %d is %t in %v", what, i, bits[i], got)
		}
	}
}

func TestSetsAgainstBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, inA := drawSet(t, "a")
		b, inB := drawSet(t, "b")
		check(t, "of", a, func(i int) bool { return inA[i] })
		check(t, "union", a.Union(b), func(i int) bool { return inA[i] || inB[i] })
		check(t, "intersect", a.Intersect(b), func(i int) bool { return inA[i] && inB[i] })
		check(t, "subtract", a.Subtract(b), func(i int) bool { return inA[i] && !inB[i] })
		check(t, "complement", a.Complement(space), func(i int) bool { return !inA[i] })
		block := rapid.IntRange(1, 40).Draw(t, "block")
		check(t, "align", a.Align(int64(block), space), func(i int) bool {
			for j := i - i%block; j < min(i-i%block+block, space); j++ {
				if inA[j] {
					return true
				}
			}
			return false
		})
		r := Range{rapid.Int64Range(0, space-1).Draw(t, "at"), rapid.Int64Range(0, 20).Draw(t, "n")}
		want := true
		for i := r.Offset; i < r.End(); i++ {
			want = want && i < space && inA[i]
		}
		if a.Contains(r) != want {
			t.Fatalf("%v contains %v: %t", a, r, !want)
		}
	})
}

func TestBuilderNeverLosesAByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exact, _ := drawSet(t, "set")
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		b := NewBuilder(rapid.Int64Range(0, 10).Draw(t, "grain"), limit)
		for _, r := range exact {
			b.Add(r.Offset, r.Length)
		}
		got := b.Set()
		if len(got) > limit {
			t.Fatalf("%d ranges, at most %d", len(got), limit)
		}
		if lost := exact.Subtract(got); len(lost) > 0 {
			t.Fatalf("lost %v", lost)
		}
		if len(exact) > 0 && got[len(got)-1].End() != exact[len(exact)-1].End() {
			t.Fatalf("%v grew behind %v", got, exact)
		}
	})
}

func TestBuilderClosesShortGaps(t *testing.T) {
	b := NewBuilder(10, 100)
	for _, r := range []Range{{0, 5}, {14, 1}, {25, 5}, {40, 0}} {
		b.Add(r.Offset, r.Length)
	}
	if diff := cmp.Diff(Set{{0, 15}, {25, 5}}, b.Set()); diff != "" {
		t.Fatal(diff)
	}
}
