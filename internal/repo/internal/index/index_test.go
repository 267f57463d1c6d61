package index_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

var cipher = index.Cipher(seal.Derive([32]byte{1}, [16]byte{2}), [16]byte{3})

// write makes a segment of a map.
func write(t interface{ Fatal(...any) }, entries map[seal.Name]index.Place, replaces [][16]byte) []byte {
	var out bytes.Buffer
	w, err := index.NewWriter(&out, cipher, replaces)
	if err != nil {
		t.Fatal(err)
	}
	names := slices.SortedFunc(maps.Keys(entries), func(a, b seal.Name) int { return bytes.Compare(a[:], b[:]) })
	for _, name := range names {
		if err := w.Add(index.Entry{Name: name, Place: entries[name]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(t interface{ Fatal(...any) }, data []byte) *index.Segment {
	s, err := index.Open(bytes.NewReader(data), int64(len(data)), cipher)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// draw makes a map whose names often share their first bytes, so that pages
// begin alike.
func draw(t *rapid.T) map[seal.Name]index.Place {
	entries := map[seal.Name]index.Place{}
	count := rapid.SampledFrom([]int{0, 1, 2, 255, 256, 257, 600, 1100}).Draw(t, "count")
	spread := rapid.SampledFrom([]int{1, 8, 24}).Draw(t, "spread")
	seed := rapid.Uint32().Draw(t, "seed")
	for i := range uint32(count) {
		var n seal.Name
		h := (i + 1) * 2654435761
		n[spread], n[spread+1], n[spread+2], n[30], n[31] = byte(h>>24), byte(h>>16), byte(h>>8), byte(i>>8), byte(i)
		n[31]++
		entries[n] = index.Place{Pack: [16]byte{byte(i % 5)}, Offset: h, Sealed: h + 1, Start: seed, Length: i}
	}
	return entries
}

func TestASegmentAnswersAsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := draw(t)
		s := open(t, write(t, entries, [][16]byte{{1}, {2}}))
		if int(s.Entries) != len(entries) || len(s.Replaces) != 2 || s.Replaces[1] != [16]byte{2} {
			t.Fatalf("footer %+v", s.Footer)
		}
		for name, want := range entries {
			if got, found, err := s.Find(name); err != nil || !found || got != want {
				t.Fatalf("%x: %+v, %v, %v", name, got, found, err)
			}
			name[29]++
			if _, found, err := s.Find(name); err != nil || found {
				t.Fatalf("%x was found", name)
			}
		}
		all, last := 0, seal.Name{}
		for e, err := range s.All() {
			if err != nil || e.Place != entries[e.Name] || bytes.Compare(e.Name[:], last[:]) <= 0 {
				t.Fatalf("%x: %+v, %v", e.Name, e.Place, err)
			}
			all, last = all+1, e.Name
		}
		if all != len(entries) {
			t.Fatalf("%d of %d", all, len(entries))
		}
	})
}

func TestAFindReadsOnePage(t *testing.T) {
	entries := map[seal.Name]index.Place{}
	for i := range 5000 {
		entries[seal.Name{byte(i >> 8), byte(i), 1}] = index.Place{Length: uint32(i)}
	}
	data := write(t, entries, nil)
	counted := &counting{ReaderAt: bytes.NewReader(data)}
	s, err := index.Open(counted, int64(len(data)), cipher)
	if err != nil {
		t.Fatal(err)
	}
	for name := range entries {
		counted.reads, counted.bytes = 0, 0
		if _, found, err := s.Find(name); !found || err != nil || counted.reads != 1 || counted.bytes > 14<<10 {
			t.Fatalf("found %v, %v with %d reads of %d bytes", found, err, counted.reads, counted.bytes)
		}
	}
}

type counting struct {
	io.ReaderAt
	reads, bytes int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	c.bytes += len(p)
	return c.ReaderAt.ReadAt(p, off)
}

func TestEntriesOutOfOrderAreRefused(t *testing.T) {
	w, err := index.NewWriter(io.Discard, cipher, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, index.ErrIndex, index.ErrIndex} {
		if err := w.Add(index.Entry{Name: seal.Name{5 - byte(i/2)}}); !errors.Is(err, want) {
			t.Errorf("entry %d: %v", i, err)
		}
	}
}

func TestDamagedSegmentsAreNoticed(t *testing.T) {
	entries := map[seal.Name]index.Place{}
	for i := range 300 {
		entries[seal.Name{byte(i >> 8), byte(i), 1}] = index.Place{}
	}
	data := write(t, entries, nil)
	for at := 0; at < len(data); at += 7 {
		changed := bytes.Clone(data)
		changed[at] ^= 1
		s, err := index.Open(bytes.NewReader(changed), int64(len(changed)), cipher)
		for name := range entries {
			if err != nil {
				break
			}
			_, _, err = s.Find(name)
		}
		if err == nil {
			t.Errorf("byte %d changed unnoticed", at)
		}
	}
	for size := 0; size < len(data); size += 13 {
		if _, err := index.Open(bytes.NewReader(data[:size]), int64(size), cipher); err == nil {
			t.Errorf("cut to %d unnoticed", size)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(write(f, map[seal.Name]index.Place{{1}: {}}, nil))
	f.Add([]byte("HFINDX\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if s, err := index.Open(bytes.NewReader(data), int64(len(data)), cipher); err == nil {
			_, _, _ = s.Find(seal.Name{1}) // must not panic
		}
	})
}

func TestFiltersKnowAllThatWasAddedAndLittleElse(t *testing.T) {
	keys := seal.Derive([32]byte{1}, [16]byte{2})
	for _, count := range []uint64{0, 1, 1000, 50_000} {
		f := index.NewFilter(count)
		for i := range count {
			f.Add(keys.Name(fmt.Append(nil, i)))
		}
		wrong := 0
		for i := range uint64(50_000) {
			switch has := f.Has(keys.Name(fmt.Append(nil, i))); {
			case i < count && !has:
				t.Fatalf("name %d of %d is not known", i, count)
			case i < count:
			case f.Has(keys.Name(fmt.Append(nil, i, "other"))):
				wrong++
			}
		}
		if wrong > 200 {
			t.Errorf("%d of 50,000 others are known to a filter of %d", wrong, count)
		}
	}
}

func TestReplacedSegmentsAreListed(t *testing.T) {
	var out bytes.Buffer
	w, err := index.NewWriter(&out, cipher, [][16]byte{{1}})
	if err != nil {
		t.Fatal(err)
	}
	w.Replace([16]byte{2})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if s := open(t, out.Bytes()); !slices.Equal(s.Replaces, [][16]byte{{1}, {2}}) {
		t.Errorf("%x", s.Replaces)
	}
}
