package csi

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestChanged(t *testing.T) {
	run := func(offset, length int64, place uint64) extent { return extent{offset, length, place} }
	cases := map[string]struct {
		base, target []extent
		want         [][2]int64 // offset, length
	}{
		"both empty":         {},
		"equal":              {base: []extent{run(0, 10, 100)}, target: []extent{run(0, 10, 100)}},
		"equal, cut apart":   {base: []extent{run(0, 10, 100)}, target: []extent{run(0, 4, 100), run(4, 6, 104)}},
		"new data":           {target: []extent{run(5, 5, 1)}, want: [][2]int64{{5, 5}}},
		"hole punched":       {base: []extent{run(0, 10, 100)}, target: []extent{run(0, 4, 100), run(6, 4, 106)}, want: [][2]int64{{4, 2}}},
		"middle rewritten":   {base: []extent{run(0, 10, 100)}, target: []extent{run(0, 3, 100), run(3, 4, 900), run(7, 3, 107)}, want: [][2]int64{{3, 4}}},
		"neighbours joined":  {base: []extent{run(0, 10, 100)}, target: []extent{run(0, 5, 200), run(5, 5, 300)}, want: [][2]int64{{0, 10}}},
		"appended":           {base: []extent{run(0, 4, 100)}, target: []extent{run(0, 4, 100), run(4, 4, 104)}, want: [][2]int64{{4, 4}}},
		"two apart":          {base: []extent{run(0, 2, 1), run(8, 2, 9)}, target: []extent{run(0, 2, 50), run(8, 2, 60)}, want: [][2]int64{{0, 2}, {8, 2}}},
		"shifted by a block": {base: []extent{run(0, 4, 100)}, target: []extent{run(0, 4, 101)}, want: [][2]int64{{0, 4}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got [][2]int64
			for _, e := range changed(c.base, c.target) {
				got = append(got, [2]int64{e.Offset, e.Length})
			}
			if !slices.Equal(got, c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestChangedAgainstBytes compares with looking at every byte's place.
func TestChangedAgainstBytes(t *testing.T) {
	const size = 64
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 1))
		base, target := randomPlaces(random, size), []uint64(nil)
		target = slices.Clone(base)
		for range random.IntN(4) {
			from := random.IntN(size)
			copy(target[from:min(size, from+1+random.IntN(9))], randomPlaces(random, size))
		}
		got := make([]bool, size)
		for _, e := range changed(extentsOf(base), extentsOf(target)) {
			for i := e.Offset; i < e.end(); i++ {
				got[i] = true
			}
		}
		for i := range size {
			if got[i] != (base[i] != target[i]) {
				t.Fatalf("seed %d, offset %d: changed = %t, places %d and %d", seed, i, got[i], base[i], target[i])
			}
		}
	}
}

// randomPlaces gives each byte a place; 0 is a hole.
func randomPlaces(random *rand.Rand, size int) []uint64 {
	places := make([]uint64, size)
	for i := 0; i < size; {
		place, length := uint64(0), 1+random.IntN(12)
		if random.IntN(3) > 0 {
			place = 1 + random.Uint64N(1000)
		}
		for ; length > 0 && i < size; length, i = length-1, i+1 {
			places[i] = place
			if place > 0 {
				place++
			}
		}
	}
	return places
}

func extentsOf(places []uint64) []extent {
	var all []extent
	for i, p := range places {
		if p == 0 {
			continue
		}
		if n := len(all); n > 0 && all[n-1].end() == int64(i) && all[n-1].place+uint64(all[n-1].Length) == p {
			all[n-1].Length++
			continue
		}
		all = append(all, extent{Offset: int64(i), Length: 1, place: p})
	}
	return all
}
