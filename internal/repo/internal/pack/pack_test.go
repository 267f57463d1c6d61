package pack_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

var keys = seal.Derive([32]byte{1}, [16]byte{2})

// build makes a pack of frames, each sealed by its own goroutine.
func build(id [16]byte, contents [][]byte) ([]byte, []pack.Frame) {
	b := pack.NewBuilder(keys, id, make([]byte, 0, 1<<20))
	var sealing sync.WaitGroup
	for _, content := range contents {
		slot, ok := b.Reserve(len(content), []pack.Block{{Name: keys.Name(content), Length: uint32(len(content))}})
		if !ok {
			panic("full")
		}
		sealing.Go(func() { slot.Seal(content) })
	}
	data, frames := b.Finish()
	sealing.Wait()
	return data, frames
}

func TestPacksSayWhatIsInThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		contents := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 300), 0, 20).Draw(t, "contents")
		id := [16]byte{9}
		data, want := build(id, contents)
		got, err := pack.ReadFooter(bytes.NewReader(data), int64(len(data)), keys, id)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || len(got) != len(contents) {
			t.Fatalf("read %v, want %v", got, want)
		}
		for i, f := range got {
			plain, err := pack.Cipher(keys, id).Open(nil, data[f.Offset:f.Offset+f.Length], int64(f.Offset), seal.RoleBody)
			if err != nil || !bytes.Equal(plain, contents[i]) {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
	})
}

func TestAFullPackTakesNoMoreAndStaysInItsMemory(t *testing.T) {
	blocks := []pack.Block{{Length: 30}, {Length: 20}}
	for spare := range 2 { // the second time one byte is missing
		buf := make([]byte, 0, pack.Size(50, blocks)-spare)
		b := pack.NewBuilder(keys, [16]byte{}, buf)
		if !b.Empty() {
			t.Error("a new pack is not empty")
		}
		slot, ok := b.Reserve(50, blocks)
		if ok != (spare == 0) {
			t.Fatalf("%d bytes too few, and it fits: %v", spare, ok)
		}
		if !ok {
			continue
		}
		slot.Seal(make([]byte, 50))
		if _, ok := b.Reserve(0, blocks[:1]); ok || b.Empty() {
			t.Error("took more than fits")
		}
		data, _ := b.Finish()
		if len(data) != cap(buf) || &data[0] != &buf[:1][0] {
			t.Errorf("%d bytes in other memory, there were %d", len(data), cap(buf))
		}
	}
}

func TestDamagedPacksAreRefused(t *testing.T) {
	id := [16]byte{9}
	data, _ := build(id, [][]byte{[]byte("one"), []byte("two")})
	for at := len(data) - 60; at < len(data); at++ {
		changed := bytes.Clone(data)
		changed[at] ^= 1
		if _, err := pack.ReadFooter(bytes.NewReader(changed), int64(len(changed)), keys, id); err == nil {
			t.Errorf("byte %d changed unnoticed", at)
		}
	}
	for size := range len(data) {
		if _, err := pack.ReadFooter(bytes.NewReader(data), int64(size), keys, id); err == nil {
			t.Errorf("cut to %d unnoticed", size)
		}
	}
	if _, err := pack.ReadFooter(bytes.NewReader(data), int64(len(data)), keys, [16]byte{8}); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("under another name: %v", err)
	}
}

func FuzzParseFooter(f *testing.F) {
	_, frames := build([16]byte{}, [][]byte{[]byte("one"), []byte("two")})
	f.Add(pack.AppendFooter(nil, frames), int64(46))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, int64(8))
	f.Add([]byte{0, 0, 0, 0}, int64(8))
	f.Fuzz(func(t *testing.T, data []byte, end int64) {
		frames, err := pack.ParseFooter(data, end)
		if err == nil && !bytes.Equal(pack.AppendFooter(nil, frames), data) {
			t.Error("not read back")
		}
	})
}

func FuzzReadFooter(f *testing.F) {
	data, _ := build([16]byte{}, [][]byte{[]byte("one")})
	f.Add(data)
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = pack.ReadFooter(bytes.NewReader(data), int64(len(data)), keys, [16]byte{}) // must not panic
	})
}
