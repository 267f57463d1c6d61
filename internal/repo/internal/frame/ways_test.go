package frame

import (
	"bytes"
	"errors"
	"testing"
)

// A compressor that is wrong is found out, and the next one takes its place.
func TestWrongCompressorsAreNotBelieved(t *testing.T) {
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	content := bytes.Repeat([]byte("content "), 20_000)
	right := c.waysFor(len(content))
	other := func(dst, content []byte) ([]byte, bool) { return right[1](dst, append(bytes.Clone(content[1:]), 0)) }
	rubbish := func(dst, _ []byte) ([]byte, bool) { return append(dst, "rubbish"...), true }
	for _, wrong := range []way{other, rubbish} {
		c.ways = func(int) []way { return []way{wrong, right[1]} }
		data, err := c.Encode([]byte("before"), content)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Decode(nil, data[len("before"):]); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes came back: %v", len(got), err)
		}
		c.ways = func(int) []way { return []way{wrong} }
		if data, err := c.Encode(nil, content); !errors.Is(err, ErrCompressor) {
			t.Errorf("%d bytes, %v", len(data), err)
		}
	}
}

func TestLargeContentIsCompressedTheFastWay(t *testing.T) {
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if small, large := len(c.waysFor(largeContent-1)), len(c.waysFor(largeContent)); small != 1 || large != 2 {
		t.Errorf("%d ways for small content, %d for large", small, large)
	}
}
