package frame_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/repo/internal/frame"
)

func codec(t testing.TB) *frame.Codec {
	t.Helper()
	c, err := frame.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestFramesAreReadBack(t *testing.T) {
	c := codec(t)
	rapid.Check(t, func(t *rapid.T) {
		content := bytes.Repeat(rapid.SliceOf(rapid.Byte()).Draw(t, "content"), rapid.IntRange(1, 50).Draw(t, "times"))
		before := []byte("before")
		data, err := c.Encode(before, content)
		if err != nil || !bytes.HasPrefix(data, before) {
			t.Fatal(err)
		}
		data = data[len(before):]
		if len(data) > len(content)+frame.Head {
			t.Fatalf("%d bytes grew to %d", len(content), len(data))
		}
		got, err := c.Decode(before, data)
		if err != nil || !bytes.Equal(got, append(before, content...)) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

func TestWhatDoesNotShrinkIsStoredAsItIs(t *testing.T) {
	noise := make([]byte, 100_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	c := codec(t)
	if data, err := c.Encode(nil, noise); err != nil || len(data) != len(noise)+frame.Head || data[0] != 0 {
		t.Errorf("noise: %d bytes, method %d, %v", len(data), data[0], err)
	}
	if data, err := c.Encode(nil, make([]byte, 100_000)); err != nil || len(data) > 1000 || data[0] != 1 {
		t.Errorf("zeros: %d bytes, method %d, %v", len(data), data[0], err)
	}
	if _, err := c.Encode(nil, make([]byte, frame.MaxPlain+1)); !errors.Is(err, frame.ErrFrame) {
		t.Errorf("too much content: %v", err)
	}
}

// frameOf makes a frame by hand.
func frameOf(method byte, size uint32, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{method}, size), payload...)
}

func TestMalformedFramesAreRefused(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 64<<20), nil)
	small := enc.EncodeAll([]byte("content"), nil)
	c := codec(t)
	for name, data := range map[string][]byte{
		"empty": nil, "head only": {0, 0, 0}, "method": frameOf(2, 1, []byte{1}), "raw short": frameOf(0, 3, []byte{1, 2}),
		"raw long": frameOf(0, 1, []byte{1, 2}), "no zstd": frameOf(1, 3, []byte{1, 2, 3}), "bomb": frameOf(1, frame.MaxPlain, bomb),
		"huge": frameOf(1, 1<<32-1, small), "lies short": frameOf(1, 6, small), "lies long": frameOf(1, 8, small),
		"cut": frameOf(1, 7, small[:len(small)-2]), "two zstd frames": frameOf(1, 7, append(bytes.Clone(small), small...)),
	} {
		if _, err := c.Decode(nil, data); !errors.Is(err, frame.ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	c := codec(f)
	for _, content := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("ab"), 100)} {
		data, err := c.Encode(nil, content)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		content, err := c.Decode(nil, data)
		if err != nil {
			return
		}
		if len(content) > frame.MaxPlain {
			t.Fatalf("%d bytes", len(content))
		}
		again, err := c.Encode(nil, content)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := c.Decode(nil, again); err != nil || !bytes.Equal(back, content) {
			t.Fatalf("not read back: %v", err)
		}
	})
}
