package volume

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/volume/extent"
)

const testBlock = 4096

// world is a volume in small: a byte per sector of a quarter block, of which
// the storage knows which were ever written and the file system which count.
type world struct {
	content   []byte // per sector
	allocated []bool
	used      []bool
}

const sector = testBlock / 4

func (w *world) size() int64 { return int64(len(w.content)) * sector }

func (w *world) device() *bytes.Reader {
	var b []byte
	for _, c := range w.content {
		b = append(b, bytes.Repeat([]byte{c}, sector)...)
	}
	return bytes.NewReader(b)
}

func mapFrom(bits []bool) *Map {
	var ranges []extent.Range
	for i, b := range bits {
		if b {
			ranges = append(ranges, extent.Range{Offset: int64(i) * sector, Length: sector})
		}
	}
	return &Map{Ranges: extent.Of(ranges...), Length: int64(len(bits)) * sector}
}

// stream is what a sink with a base ends up with.
type stream map[int64][]byte

func (s stream) Copy(device io.ReaderAt, from, to int64) error {
	for b := from; b < to; b++ {
		content := make([]byte, testBlock)
		n, err := device.ReadAt(content, b*testBlock)
		if err != nil && (err != io.EOF || n == 0) {
			return err
		}
		s[b] = content[:n]
		if zero(content) {
			delete(s, b)
		}
	}
	return nil
}

func (s stream) Hole(from, to int64) error {
	for b := from; b < to; b++ {
		delete(s, b)
	}
	return nil
}

func (s stream) stored(size int64) extent.Set {
	var ranges []extent.Range
	for b := range s {
		ranges = append(ranges, extent.Range{Offset: b * testBlock, Length: testBlock})
	}
	return extent.Of(ranges...).Intersect(extent.All(size))
}

// TestStreamsHoldEveryUsedByte takes several backups of a changing volume, each
// on top of the last, with whatever maps happen to be known, and compares what
// the file system uses with what the stream holds.
func TestStreamsHoldEveryUsedByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 70).Draw(t, "sectors")
		w := &world{content: make([]byte, n), allocated: make([]bool, n), used: make([]bool, n)}
		var before stream
		var beforeSize int64
		for round := range rapid.IntRange(1, 4).Draw(t, "rounds") {
			changed := w.live(t, round > 0)
			s := stream{}
			in := Input{Size: w.size(), BlockSize: testBlock}
			if rapid.Bool().Draw(t, "know used") {
				in.Used = mapFrom(w.used)
			}
			if rapid.Bool().Draw(t, "know allocated") {
				in.Allocated = mapFrom(w.allocated)
			}
			if round > 0 && rapid.Bool().Draw(t, "with base") {
				s = before
				in.Base = &Base{Length: beforeSize, Stored: before.stored(beforeSize)}
				if rapid.Bool().Draw(t, "know changed") {
					in.Changed = mapFrom(changed)
				}
			}
			p, err := MakePlan(in)
			if err != nil {
				t.Fatal(err)
			}
			var last Progress
			err = Pump(context.Background(), w.device(), p, s, func(p Progress) { last = p })
			if err != nil || last.Done != p.ToRead {
				t.Fatalf("done %+v of %d: %v", last, p.ToRead, err)
			}
			w.compare(t, s, in.Used != nil)
			before, beforeSize = s, w.size()
		}
	})
}

// live changes the volume and returns which sectors changed. What is freed
// keeps its content, and may be used again without being written.
func (w *world) live(t *rapid.T, grow bool) []bool {
	changed := make([]bool, len(w.content))
	for range rapid.IntRange(0, 12).Draw(t, "events") {
		i := rapid.IntRange(0, len(w.content)-1).Draw(t, "sector")
		switch rapid.IntRange(0, 4).Draw(t, "event") {
		case 0, 1: // written, on the books or not yet
			w.content[i], w.allocated[i], changed[i] = byte(rapid.IntRange(0, 3).Draw(t, "byte")), true, true
		case 2: // on the books
			w.used[i] = true
		case 3: // freed
			w.used[i] = false
		case 4: // discarded
			w.content[i], w.allocated[i], w.used[i], changed[i] = 0, false, false, true
		}
	}
	for range rapid.IntRange(0, 5).Draw(t, "grown") {
		if grow {
			w.content, w.allocated, w.used = append(w.content, 9), append(w.allocated, true), append(w.used, true)
		}
	}
	return changed
}

func (w *world) compare(t *rapid.T, s stream, usedOnly bool) {
	for i, c := range w.content {
		if usedOnly && !w.used[i] {
			continue
		}
		var got byte
		if block := s[int64(i/4)]; block != nil {
			got = block[i%4*sector]
		}
		if got != c {
			t.Fatalf("sector %d: %d in the stream, %d on the volume", i, got, c)
		}
	}
}

func TestPlan(t *testing.T) {
	all := func(ranges ...extent.Range) *Map { return &Map{Ranges: extent.Of(ranges...), Length: 10 * testBlock} }
	r := func(from, to float64) extent.Range {
		return extent.Range{Offset: int64(from * testBlock), Length: int64((to - from) * testBlock)}
	}
	base := &Base{Length: 10 * testBlock, Stored: extent.Of(r(0, 8))}
	cases := map[string]struct {
		in   Input
		want []Step
		text string
	}{
		"nothing known":     {Input{}, []Step{{Read, 0, 10}}, "40.0 KiB of 40.0 KiB to read"},
		"free space":        {Input{Used: all(r(0, 2.5), r(7, 8))}, []Step{{Read, 0, 3}, {Hole, 3, 7}, {Read, 7, 8}, {Hole, 8, 10}}, "only what the file system uses"},
		"allocated as well": {Input{Used: all(r(0, 5)), Allocated: all(r(3, 9))}, []Step{{Hole, 0, 3}, {Read, 3, 5}, {Hole, 5, 10}}, "storage has allocated"},
		"all free":          {Input{Used: all()}, []Step{{Hole, 0, 10}}, "0 bytes of"},
		"nothing changed":   {Input{Base: base, Changed: all()}, []Step{{Inherit, 0, 8}, {Read, 8, 10}}, "32.0 KiB unchanged"},
		"one byte changed":  {Input{Base: base, Changed: all(extent.Range{Offset: 3*testBlock + 7, Length: 1}), Allocated: all(r(0, 8))}, []Step{{Inherit, 0, 3}, {Read, 3, 4}, {Inherit, 4, 8}, {Hole, 8, 10}}, "4.0 KiB of"},
		"base, no changes":  {Input{Base: base, Notes: []string{"the driver has no such service"}}, []Step{{Read, 0, 10}}, "(the driver has no such service)"},
		"a shorter map":     {Input{Used: &Map{Ranges: extent.Of(r(1, 2)), Length: 4 * testBlock}}, []Step{{Hole, 0, 1}, {Read, 1, 2}, {Hole, 2, 4}, {Read, 4, 10}}, ""},
		"base was longer":   {Input{Base: &Base{Length: 99 * testBlock, Stored: extent.All(99 * testBlock)}, Changed: all()}, []Step{{Inherit, 0, 10}}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.in.Size, c.in.BlockSize = 10*testBlock, testBlock
			p, err := MakePlan(c.in)
			if err != nil || !slices.Equal(p.Steps, c.want) || !strings.Contains(p.Reason, c.text) {
				t.Fatalf("got %v, %q, %v", p.Steps, p.Reason, err)
			}
		})
	}
	for _, in := range []Input{{Size: -1, BlockSize: testBlock}, {Size: 1, BlockSize: 5000}, {Size: 1, BlockSize: testBlock, Changed: &Map{}}} {
		if _, err := MakePlan(in); err == nil {
			t.Errorf("%+v is taken", in)
		}
	}
	if in := (Input{Size: 10, BlockSize: testBlock, Base: base, Changed: all(), Allocated: all()}).Distrust("caught"); in.Changed != nil || in.Allocated != nil || in.Base == nil {
		t.Errorf("still trusted: %+v", in)
	}
}

func TestDecideBase(t *testing.T) {
	now := Identity{Driver: "d", VolumeHandle: "v", ClaimUID: "c", VolumeMode: "Block", Size: 10, BlockSize: 4096, SnapshotHandle: "s2"}
	good := Candidate{Identity: now, SnapshotExists: true}
	good.SnapshotHandle = "s1"
	if d := DecideBase(now, &good); !d.Base || !d.Changed || d.Reason != "" {
		t.Fatalf("got %+v", d)
	}
	if d := DecideBase(now, nil); d.Base || d.Reason == "" {
		t.Fatalf("got %+v", d)
	}
	cases := map[string]struct {
		change func(*Candidate)
		base   bool
	}{
		"another driver":       {func(c *Candidate) { c.Driver = "x" }, false},
		"another volume":       {func(c *Candidate) { c.VolumeHandle = "x" }, false},
		"another claim":        {func(c *Candidate) { c.ClaimUID = "x" }, false},
		"claim not recorded":   {func(c *Candidate) { c.ClaimUID = "" }, false},
		"another mode":         {func(c *Candidate) { c.VolumeMode = "Filesystem" }, false},
		"other blocks":         {func(c *Candidate) { c.BlockSize = 8192 }, false},
		"shrunk":               {func(c *Candidate) { c.Size = 11 }, false},
		"grown":                {func(c *Candidate) { c.Size = 9; c.SnapshotExists = false }, true},
		"unreadable":           {func(c *Candidate) { c.Unreadable = "damaged" }, false},
		"snapshot gone":        {func(c *Candidate) { c.SnapshotExists = false }, true},
		"same snapshot":        {func(c *Candidate) { c.SnapshotHandle = "s2" }, true},
		"snapshot not recoded": {func(c *Candidate) { c.SnapshotHandle = "" }, true},
	}
	for name, c := range cases {
		bad := good
		c.change(&bad)
		if d := DecideBase(now, &bad); d.Base != c.base || d.Changed || d.Reason == "" {
			t.Errorf("%s: got %+v", name, d)
		}
	}
	if d := DecideBase(Identity{}, &Candidate{SnapshotExists: true}); d.Base {
		t.Error("two unknown volumes are the same")
	}
}
