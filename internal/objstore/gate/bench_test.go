package gate_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

const packSize = 16 << 20

// drain is a store that takes everything and keeps nothing, and gives zeros.
type drain struct{ *objstoretest.Memory }

// Put reads the content.
func (drain) Put(_ context.Context, _ string, r io.Reader, size int64) error {
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Get gives zeros.
func (drain) Get(_ context.Context, _ string, _, length int64) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(zeros{}, length)), nil
}

type zeros struct{}

// Read gives zeros.
func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func benchPut(b *testing.B, s objstore.Store) {
	content := bytes.Repeat([]byte("0123456789abcdef"), packSize/16)
	var n atomic.Int64
	b.SetBytes(packSize)
	b.SetParallelism(2)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := s.Put(b.Context(), fmt.Sprintf("packs/%d", n.Add(1)), bytes.NewReader(content), packSize); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkPutPack(b *testing.B) {
	folder := func(b *testing.B) objstore.Store {
		s, err := filesystem.Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return s
	}
	b.Run("to memory through the gate", func(b *testing.B) {
		benchPut(b, open(b, gatetest.New(b, drain{&objstoretest.Memory{}}, gatetest.Options{AnyName: true})))
	})
	b.Run("to a folder", func(b *testing.B) { benchPut(b, folder(b)) })
	b.Run("to a folder through the gate", func(b *testing.B) {
		benchPut(b, open(b, gatetest.New(b, folder(b), gatetest.Options{AnyName: true})))
	})
}

func BenchmarkGetPack(b *testing.B) {
	s := open(b, gatetest.New(b, drain{&objstoretest.Memory{}}, gatetest.Options{AnyName: true}))
	b.SetBytes(packSize)
	b.SetParallelism(2)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			body, err := s.Get(b.Context(), "a", 0, packSize)
			if err != nil {
				b.Error(err)
				return
			}
			if n, err := io.Copy(io.Discard, body); n != packSize || err != nil {
				b.Error(n, err)
			}
			body.Close()
		}
	})
}

// Many callers at the same time, with 64 uploads under way, cost buffers and not
// packs, on both sides together.
func TestMemoryIsBounded(t *testing.T) {
	w := gatetest.New(t, drain{&objstoretest.Memory{}}, gatetest.Options{AnyName: true})
	var stores []objstore.Store
	for range 4 { // each has 16 uploads at most
		stores = append(stores, open(t, w))
	}
	var before, peak runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	for n := range 128 {
		all.Go(func() {
			if err := stores[n%4].Put(t.Context(), fmt.Sprintf("packs/%d", n), io.LimitReader(zeros{}, packSize/2), packSize/2); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	most := uint64(0)
	for {
		select {
		case <-done:
			if grown := most - min(most, before.HeapInuse); grown > 64<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			} else {
				t.Logf("the heap grew by %d MiB", grown>>20)
			}
			return
		case <-time.After(10 * time.Millisecond):
			runtime.ReadMemStats(&peak)
			most = max(most, peak.HeapInuse)
		}
	}
}
