package volume

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// Matcher compares with the base stream.
type Matcher interface {
	// Same tells whether the base holds exactly content as a block.
	Same(ctx context.Context, block int64, content []byte) (bool, error)
}

// Verify reads a sample of the blocks that the plan takes over unread and
// compares them with the base. It returns the first one that differs, -1 when
// none does. About half of the sample lies at the edges of runs, where mistakes
// in offsets show; the rest is spread evenly. seed chooses; it is not to be
// foreseen.
func Verify(ctx context.Context, r io.ReaderAt, p Plan, base Matcher, samples int, seed uint64) (int64, error) {
	buffer := Aligned(int(p.BlockSize))
	for _, block := range p.sample(samples, seed) {
		if err := ctx.Err(); err != nil {
			return -1, err
		}
		content := buffer[:p.length(block)]
		if _, err := r.ReadAt(content, block*p.BlockSize); err != nil && err != io.EOF {
			return -1, fmt.Errorf("verify block %d: %w", block, err)
		}
		same, err := base.Same(ctx, block, content)
		if err != nil {
			return -1, fmt.Errorf("verify block %d: %w", block, err)
		}
		if !same {
			return block, nil
		}
	}
	return -1, nil
}

// length is the size of a block; the last one may be short.
func (p Plan) length(block int64) int64 { return min(p.BlockSize, p.Size-block*p.BlockSize) }

// sample chooses at most n of the inherited blocks, in ascending order.
func (p Plan) sample(n int, seed uint64) []int64 {
	random := rand.New(rand.NewPCG(seed, 68))
	var runs []Step
	var total int64
	for _, s := range p.Steps {
		if s.Kind == Inherit {
			runs = append(runs, s)
			total += s.To - s.From
		}
	}
	var chosen []int64
	for i := 0; i < n/2 && len(runs) > 0; i++ {
		run := runs[random.IntN(len(runs))]
		chosen = append(chosen, []int64{run.From, run.To - 1}[random.IntN(2)])
	}
	even := min(int64(n-len(chosen)), total)
	at, behind := 0, int64(0) // runs before at hold behind blocks
	for i := range even {
		from, to := total*i/even, total*(i+1)/even
		nth := from + random.Int64N(to-from)
		for nth >= behind+runs[at].To-runs[at].From {
			behind += runs[at].To - runs[at].From
			at++
		}
		chosen = append(chosen, runs[at].From+nth-behind)
	}
	slices.Sort(chosen)
	return slices.Compact(chosen)
}
