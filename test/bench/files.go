package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// content is a kind of files: append adds a piece of it, of any length.
type content func(g *generator, dst []byte) []byte

// compressible are kinds of files that a compressor makes smaller, each in its
// own way and by another factor.
var compressible = []content{prose, logLines, jsonLines, numbers, table, code}

// generator makes seeded content.
type generator struct {
	rng   *rand.Rand
	words []string
	row   uint64
}

// newGenerator makes the content of one file. Files with the same seed have the
// same words, as those of one application do.
func newGenerator(words []string, seed uint64) *generator {
	return &generator{rng: rand.New(rand.NewPCG(seed, 3)), words: words, row: seed << 20}
}

// vocabulary is words of letters with the frequencies of a language's.
func vocabulary(seed uint64) []string {
	rng := rand.New(rand.NewPCG(seed, 4))
	const letters = "etaoinshrdlucmfwypvbgkjqxz"
	words := make([]string, 12_000)
	for i := range words {
		word := make([]byte, 2+rng.IntN(3)+rng.IntN(7))
		for j := range word {
			word[j] = letters[rng.IntN(1+rng.IntN(len(letters)))]
		}
		words[i] = string(word)
	}
	return words
}

// word takes frequent words more often than rare ones.
func (g *generator) word() string {
	bits := g.rng.Uint64()
	span := uint64(16) << (bits & 7 * 3 / 2) // up to 16 K
	return g.words[(bits>>8)%span%uint64(len(g.words))]
}

func prose(g *generator, dst []byte) []byte {
	for range 8 + g.rng.IntN(12) {
		dst = append(append(dst, g.word()...), ' ')
	}
	return append(dst, ".\n"...)
}

func logLines(g *generator, dst []byte) []byte {
	g.row += g.rng.Uint64N(3000)
	dst = append(dst, "2026-11-22T"...)
	dst = fmt.Appendf(dst, "%02d:%02d:%02d.%03dZ ", g.row/3600000%24, g.row/60000%60, g.row/1000%60, g.row%1000)
	dst = append(dst, []string{"INFO ", "INFO ", "DEBUG ", "WARN "}[g.rng.IntN(4)]...)
	dst = append(append(dst, g.word()...), '.')
	dst = append(append(dst, g.word()...), ": request "...)
	dst = strconv.AppendUint(dst, g.rng.Uint64(), 16)
	dst = append(append(dst, " of "...), g.word()...)
	dst = append(dst, " took "...)
	dst = strconv.AppendInt(dst, int64(g.rng.IntN(5000)), 10)
	return append(dst, " ms\n"...)
}

func jsonLines(g *generator, dst []byte) []byte {
	g.row++
	dst = strconv.AppendUint(append(dst, `{"id":`...), g.row, 10)
	dst = append(append(append(dst, `,"name":"`...), g.word()...), `","tags":["`...)
	dst = append(append(append(dst, g.word()...), `","`...), g.word()...)
	dst = strconv.AppendFloat(append(dst, `"],"amount":`...), float64(g.rng.IntN(1e6))/100, 'f', 2, 64)
	dst = strconv.AppendBool(append(dst, `,"active":`...), g.rng.IntN(4) > 0)
	return append(dst, "}\n"...)
}

func numbers(g *generator, dst []byte) []byte {
	for range 6 {
		dst = append(strconv.AppendInt(dst, int64(g.rng.IntN(100_000)), 10), ';')
	}
	return append(dst, '\n')
}

// table is pages of a database: rows of fixed fields, and room that is empty.
func table(g *generator, dst []byte) []byte {
	end := len(dst) + 8192
	for len(dst) < end-1500 {
		g.row++
		dst = binary.LittleEndian.AppendUint64(dst, g.row)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(g.row/7))
		dst = binary.LittleEndian.AppendUint32(dst, g.rng.Uint32N(1<<20))
		dst = binary.LittleEndian.AppendUint64(dst, g.rng.Uint64())
		word := g.word()
		dst = append(append(dst, word...), make([]byte, 24-min(24, len(word)))...)
	}
	return append(dst, make([]byte, end-len(dst))...)
}

func code(g *generator, dst []byte) []byte {
	dst = append(append(append(dst, "\tif err := "...), g.word()...), '.')
	dst = append(append(dst, g.word()...), '(')
	dst = append(append(dst, g.word()...), "); err != nil {\n\t\treturn fmt.Errorf(\""...)
	dst = append(append(dst, g.word()...), ' ')
	return append(append(dst, g.word()...), ": %w\", err)\n\t}\n"...)
}

// noise is what is compressed or encrypted already.
func noise(g *generator, dst []byte) []byte {
	for range 512 {
		dst = binary.LittleEndian.AppendUint64(dst, g.rng.Uint64())
	}
	return dst
}

// fill makes a file's content of size bytes in dst.
func (g *generator) fill(kind content, dst []byte, size int) []byte {
	for dst = dst[:0]; len(dst) < size; {
		dst = kind(g, dst)
	}
	return dst[:size]
}
