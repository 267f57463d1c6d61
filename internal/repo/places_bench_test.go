package repo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// benchEntries are the blocks of 128 GiB in blocks of 64 KiB.
const benchEntries = 2 << 20

// benchName is the name of the n-th block.
func benchName(keys *seal.Keys, n int) seal.Name {
	return keys.Name(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// segments stores an index of so many segments, each with its share of the
// blocks.
func segments(b *testing.B, keys *seal.Keys, count int) objstore.Store {
	b.Helper()
	store := &objstoretest.Memory{}
	for s := range count {
		var names []seal.Name
		for n := s; n < benchEntries; n += count {
			names = append(names, benchName(keys, n))
		}
		slices.SortFunc(names, func(x, y seal.Name) int { return bytes.Compare(x[:], y[:]) })
		var out bytes.Buffer
		id := layout.ID{byte(s >> 8), byte(s)}
		w, err := index.NewWriter(&out, index.Cipher(keys, id), nil)
		for i := range names {
			if err == nil {
				err = w.Add(index.Entry{Name: names[i], Place: index.Place{Pack: [16]byte{byte(i >> 16), byte(i >> 8)}, Length: 1}})
			}
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
		store.Overwrite(layout.Index(id), out.Bytes())
	}
	return store
}

// BenchmarkFind looks blocks up among two million.
func BenchmarkFind(b *testing.B) {
	keys := seal.Derive([32]byte{1}, [16]byte{1})
	for _, count := range []int{1, 10, 300} {
		store := segments(b, keys, count)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		p := newPlaces(store, keys)
		if err := p.refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		for what, start := range map[string]int{"there": 0, "new": benchEntries} {
			names := make([]seal.Name, 1<<16)
			for i := range names {
				names[i] = benchName(keys, start+i*31%benchEntries)
			}
			b.Run(fmt.Sprintf("segments=%d/%s", count, what), func(b *testing.B) {
				i := 0
				for b.Loop() {
					if _, found, err := p.find(names[i%len(names)], nil); err != nil || found != (start == 0) {
						b.Fatal(found, err)
					}
					i++
				}
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "heap-MB")
			})
		}
		if err := p.close(); err != nil {
			b.Fatal(err)
		}
	}
}
