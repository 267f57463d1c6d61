package page_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

func drawNames(t *rapid.T, most int) []seal.Name {
	return rapid.SliceOfN(rapid.Map(rapid.Byte(), func(b byte) seal.Name { return seal.Name{b} }), 1, most).Draw(t, "names")
}

func TestVolumePagesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, page.VolumeFan)
		level := rapid.IntRange(0, 5).Draw(t, "level")
		data := page.AppendVolume(nil, level, names)
		got, err := page.ParseVolume(data, level, len(names))
		if err != nil || !slices.Equal(got, names) {
			t.Fatalf("%v, %v", got, err)
		}
		for what, err := range map[string]error{
			"level":    second(page.ParseVolume(data, level+1, len(names))),
			"children": second(page.ParseVolume(data, level, len(names)+1)),
			"cut":      second(page.ParseVolume(data[:len(data)-1], level, len(names))),
			"grown":    second(page.ParseVolume(append(data, 0), level, len(names))),
			"kind":     second(page.ParseArchive(data, level, page.Entry{}, "")),
		} {
			if !errors.Is(err, page.ErrPage) {
				t.Errorf("other %s: %v", what, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestGeometry(t *testing.T) {
	const size = 1 << 16
	for _, c := range []struct {
		length, blocks int64
		levels         int
		last           int64
	}{
		{0, 0, 0, 0}, {1, 1, 1, 1}, {size, 1, 1, size}, {size + 1, 2, 1, 1}, {256 * size, 256, 1, size}, {256*size + 5, 257, 2, 5},
		{256 * 256 * size, 256 * 256, 2, size}, {256*256*size + 1, 256*256 + 1, 3, 1},
	} {
		g := page.Geometry{Length: c.length, BlockSize: size}
		if g.Check() != nil || g.Blocks() != c.blocks || g.Levels() != c.levels || c.blocks > 0 && g.Size(c.blocks-1) != c.last {
			t.Errorf("%+v: %d blocks, %d levels", c, g.Blocks(), g.Levels())
		}
	}
	for _, g := range []page.Geometry{{-1, size}, {1, 0}, {1, 100}, {1, 5000}, {1, 2048}, {1, 8 << 20}, {1<<56 + 1, size}, {1, -4096}} {
		if !errors.Is(g.Check(), page.ErrPage) {
			t.Errorf("%+v is taken", g)
		}
	}
	g := page.Geometry{Length: 300*size + 1, BlockSize: size}
	if g.Children(0, 0) != 256 || g.Children(0, 256) != 45 || g.Children(1, 0) != 2 || page.Span(2) != 65536 {
		t.Error("children")
	}
}

func drawEntries(t *rapid.T) (entries []page.Entry, sum page.Entry) {
	for i, name := range drawNames(t, 20) {
		e := page.Entry{Name: name, Records: uint64(i + 1), Bytes: rapid.Uint64Range(0, 1<<30).Draw(t, "bytes"), Last: fmt.Sprintf("key-%03d", i)}
		sum.Records += e.Records
		sum.Bytes += e.Bytes
		sum.Last = e.Last
		entries = append(entries, e)
	}
	return entries, sum
}

func TestArchivePagesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries, sum := drawEntries(t)
		data := page.AppendArchive(nil, 1, entries)
		got, err := page.ParseArchive(data, 1, sum, "")
		if err != nil || !slices.Equal(got, entries) {
			t.Fatalf("%v, %v", got, err)
		}
		if _, err := page.ParseArchive(data, 1, page.Entry{Records: sum.Records, Bytes: sum.Bytes}, "key"); err != nil {
			t.Errorf("as a root: %v", err)
		}
		more, less, other := sum, sum, sum
		more.Records++
		less.Bytes++
		other.Last += "x"
		for what, err := range map[string]error{
			"level": second(page.ParseArchive(data, 0, sum, "")), "records": second(page.ParseArchive(data, 1, more, "")),
			"bytes": second(page.ParseArchive(data, 1, less, "")), "last": second(page.ParseArchive(data, 1, other, "")),
			"before": second(page.ParseArchive(data, 1, sum, entries[0].Last)), "cut": second(page.ParseArchive(data[:len(data)-1], 1, sum, "")),
			"grown": second(page.ParseArchive(append(data, 0), 1, sum, "")), "kind": second(page.ParseVolume(data, 1, len(entries))),
		} {
			if !errors.Is(err, page.ErrPage) {
				t.Errorf("other %s: %v", what, err)
			}
		}
	})
}

func TestGroupsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.StringN(1, 30, -1), 1, 20, rapid.ID).Draw(t, "keys")
		slices.Sort(keys)
		var data []byte
		entry := page.Entry{Records: uint64(len(keys)), Last: keys[len(keys)-1]}
		for _, key := range keys {
			value := rapid.SliceOf(rapid.Byte()).Draw(t, "value")
			entry.Bytes += uint64(len(value))
			data = page.AppendRecord(data, key, value)
		}
		records, err := page.ParseGroup(data, entry, "")
		if err != nil || len(records) != len(keys) {
			t.Fatalf("%d records, %v", len(records), err)
		}
		var again []byte
		for _, r := range records {
			again = page.AppendRecord(again, r.Key, r.Value)
		}
		if !bytes.Equal(again, data) {
			t.Fatal("not read back")
		}
		for what, err := range map[string]error{
			"records": second(page.ParseGroup(data, page.Entry{Records: entry.Records + 1, Bytes: entry.Bytes, Last: entry.Last}, "")),
			"bytes":   second(page.ParseGroup(data, page.Entry{Records: entry.Records, Bytes: entry.Bytes + 1, Last: entry.Last}, "")),
			"last":    second(page.ParseGroup(data, page.Entry{Records: entry.Records, Bytes: entry.Bytes, Last: entry.Last + "x"}, "")),
			"before":  second(page.ParseGroup(data, entry, keys[0])), "cut": second(page.ParseGroup(data[:len(data)-1], entry, "")),
			"grown": second(page.ParseGroup(append(data, 0), entry, "")),
		} {
			if !errors.Is(err, page.ErrPage) {
				t.Errorf("other %s: %v", what, err)
			}
		}
	})
}

func TestBoundariesFollowFromKeys(t *testing.T) {
	groups, pages := 0, 0
	const keys = 100_000
	for i := range keys {
		weight := page.Weight(fmt.Sprintf("ns/%d", i))
		if page.EndsGroup(weight) {
			groups++
		}
		if page.EndsPage(weight, 0) {
			pages++
		}
		if page.EndsPage(weight, 0) && !page.EndsGroup(weight) || page.EndsPage(weight, 1) && !page.EndsPage(weight, 0) {
			t.Fatal("a page ends within a group or page below it")
		}
	}
	if mean := keys / groups; mean < 28 || mean > 36 {
		t.Errorf("%d records in a group in the mean", mean)
	}
	if mean := groups / pages; mean < 40 || mean > 90 {
		t.Errorf("%d groups in a page in the mean", mean)
	}
}

func FuzzParseVolume(f *testing.F) {
	f.Add(page.AppendVolume(nil, 0, make([]seal.Name, 2)), 0, 2)
	f.Add([]byte{1, 0, 0xff, 0xff}, 0, 65535)
	f.Fuzz(func(t *testing.T, data []byte, level, children int) {
		if names, err := page.ParseVolume(data, level, children); err == nil && !bytes.Equal(page.AppendVolume(nil, level, names), data) {
			t.Error("not read back")
		}
	})
}

func FuzzParseArchive(f *testing.F) {
	f.Add(page.AppendArchive(nil, 0, []page.Entry{{Records: 2, Bytes: 3, Last: "a"}}), uint64(2), uint64(3), "a")
	f.Add([]byte{2, 0, 0xff, 0xff}, uint64(0), uint64(0), "")
	f.Fuzz(func(t *testing.T, data []byte, records, size uint64, last string) {
		entries, err := page.ParseArchive(data, 0, page.Entry{Records: records, Bytes: size, Last: last}, "")
		if err == nil && !bytes.Equal(page.AppendArchive(nil, 0, entries), data) {
			t.Error("not read back")
		}
	})
}

func FuzzParseGroup(f *testing.F) {
	f.Add(page.AppendRecord(page.AppendRecord(nil, "a", []byte("1")), "b", nil), uint64(2), uint64(1), "b")
	f.Add([]byte{0, 1, 'a', 0xff, 0xff, 0xff, 0xff}, uint64(1), uint64(0), "a")
	f.Fuzz(func(t *testing.T, data []byte, records, size uint64, last string) {
		got, err := page.ParseGroup(data, page.Entry{Records: records, Bytes: size, Last: last}, "")
		if err != nil {
			return
		}
		var again []byte
		for _, r := range got {
			again = page.AppendRecord(again, r.Key, r.Value)
		}
		if !bytes.Equal(again, data) {
			t.Error("not read back")
		}
	})
}
