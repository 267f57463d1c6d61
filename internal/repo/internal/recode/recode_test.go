package recode_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/repo/internal/recode"
)

func decoder(t testing.TB) *zstd.Decoder {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

type fataler interface{ Fatalf(string, ...any) }

// size compresses content behind something else, requires that it comes back,
// and returns how many bytes it takes; its own when it was given up.
func size(t fataler, e *recode.Encoder, d *zstd.Decoder, content []byte) int {
	out, smaller := e.Append([]byte("before"), content)
	frame, found := bytes.CutPrefix(out, []byte("before"))
	if !found || smaller != (len(frame) > 0) {
		t.Fatalf("%d bytes behind the others, %v", len(frame), smaller)
	}
	if !smaller {
		return len(content)
	}
	if cap(out) > 0 && len(frame) > recode.MaxSize(len(content)) {
		t.Fatalf("%d bytes became %d", len(content), len(frame))
	}
	got, err := d.DecodeAll(frame, nil)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes came back as %d: %v", len(content), len(got), err)
	}
	return len(frame)
}

// piece is a kind of content: append adds some of it.
type piece func(rng *rand.Rand, dst []byte) []byte

var pieces = map[string]piece{
	"noise":  func(rng *rand.Rand, dst []byte) []byte { return binary.LittleEndian.AppendUint64(dst, rng.Uint64()) },
	"zeros":  func(rng *rand.Rand, dst []byte) []byte { return append(dst, make([]byte, 1+rng.IntN(300_000))...) },
	"digits": func(rng *rand.Rand, dst []byte) []byte { return fmt.Appendf(dst, "%d;", rng.IntN(100_000)) },
	"rows": func(rng *rand.Rand, dst []byte) []byte {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(dst)))
		return append(binary.LittleEndian.AppendUint32(dst, rng.Uint32N(1000)), "        row of a table "...)
	},
	"far": func(rng *rand.Rand, dst []byte) []byte { // what was there before, from anywhere
		if len(dst) < 1000 {
			return binary.LittleEndian.AppendUint64(dst, rng.Uint64())
		}
		from := rng.IntN(len(dst) - 100)
		return append(dst, dst[from:from+rng.IntN(100)]...)
	},
	"long": func(rng *rand.Rand, dst []byte) []byte { // the same, much of it
		if len(dst) < 1000 {
			return binary.LittleEndian.AppendUint64(dst, rng.Uint64())
		}
		from := rng.IntN(len(dst))
		return append(dst, dst[from:from+rng.IntN(len(dst)-from)]...)
	},
	"lines": func(rng *rand.Rand, dst []byte) []byte {
		return fmt.Appendf(dst, "10.0.0.%d GET /objects/%x %d\n", rng.IntN(250), rng.Uint32()>>8, 200+rng.IntN(5))
	},
}

func fill(rng *rand.Rand, kind string, n int) []byte {
	var all []byte
	for len(all) < n {
		all = pieces[kind](rng, all)
	}
	return all[:n]
}

const most = 1 << 20

// Sizes around the ends of blocks matter most.
func sizes() []int {
	const block = 128 << 10
	all := []int{1, 2, 15, 16, 17, 63, 64, 1023, 1024, 1025, 1<<14 - 1, 1 << 14, 1<<14 + 1, most}
	for _, n := range []int{1, 3} {
		for around := -4; around <= 4; around++ {
			all = append(all, n*block+around)
		}
	}
	return all
}

func TestWhatIsCompressedComesBack(t *testing.T) {
	e, d := new(recode.Encoder), decoder(t)
	for kind := range pieces {
		rng := rand.New(rand.NewPCG(1, uint64(len(kind))))
		content := fill(rng, kind, most)
		for _, n := range sizes() {
			if got := size(t, e, d, content[:n]); kind == "noise" && got < n || kind != "noise" && n > 64<<10 && got > n*3/4 {
				t.Errorf("%d bytes of %s became %d", n, kind, got)
			}
		}
	}
	size(t, e, d, fill(rand.New(rand.NewPCG(1, 2)), "far", 16<<20)) // with the greatest offsets
	for _, n := range []int{0, 16<<20 + 1} {
		if out, smaller := e.Append(nil, make([]byte, n)); smaller || out != nil {
			t.Errorf("%d bytes became %d", n, len(out))
		}
	}
}

// What stands beside each other has different codes and offsets, also in the
// middle of a block, and some blocks do not get smaller.
func TestMixturesComeBack(t *testing.T) {
	e, d := new(recode.Encoder), decoder(t)
	var kinds []string
	for kind := range pieces {
		kinds = append(kinds, kind)
	}
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var content []byte
		for range rapid.IntRange(1, 8).Draw(t, "parts") {
			kind := pieces[rapid.SampledFrom(kinds).Draw(t, "kind")]
			end := len(content) + rapid.SampledFrom([]int{3, 100, 5000, 70_000, 200_000}).Draw(t, "bytes")
			for len(content) < end {
				content = kind(rng, content)
			}
		}
		size(t, e, d, content[:min(len(content), 16<<20)])
	})
}

// It was made to be as good as the library's fastest level.
func TestItIsAsSmallAsTheLibrarys(t *testing.T) {
	library, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		t.Fatal(err)
	}
	e, d := new(recode.Encoder), decoder(t)
	for kind := range pieces {
		content := fill(rand.New(rand.NewPCG(1, 3)), kind, 2<<20)
		got, want := size(t, e, d, content), len(library.EncodeAll(content, nil))
		if got > want*115/100+100 {
			t.Errorf("%s: %d bytes, the library makes %d", kind, got, want)
		}
		t.Logf("%s: %.3f of the library's", kind, float64(got)/float64(want))
	}
}

func FuzzAppend(f *testing.F) {
	for kind := range pieces {
		f.Add(fill(rand.New(rand.NewPCG(1, 4)), kind, 3000), uint16(50))
	}
	e, d := new(recode.Encoder), decoder(f)
	f.Fuzz(func(t *testing.T, content []byte, times uint16) {
		if len(content)*int(times) <= 1<<20 {
			content = bytes.Repeat(content, int(times)) // beyond one block
		}
		size(t, e, d, content)
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, kind := range []string{"lines", "rows", "digits", "noise"} {
		b.Run(kind, func(b *testing.B) {
			e, content := new(recode.Encoder), fill(rand.New(rand.NewPCG(1, 5)), kind, 4<<20)
			out := make([]byte, 0, recode.MaxSize(len(content)))
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				e.Append(out, content)
			}
		})
	}
}
