package volume

import (
	"context"
	"io"
	"sync"
)

// Sink takes a stream's blocks in ascending order, each call from the same
// goroutine. What it is not told of is taken over from the base.
type Sink interface {
	// Copy stores the blocks from from up to, not including, to, which it reads
	// from device, each at its own place, by several goroutines and in large
	// pieces. It may return before that is done, and may be slow to return
	// when much is under way.
	Copy(device io.ReaderAt, from, to int64) error
	// Hole says that these blocks hold nothing.
	Hole(from, to int64) error
}

// Progress is how far a pump or a fill has come.
type Progress struct {
	Done  int64 // bytes
	Total int64 // bytes
}

// handOver is how many bytes are handed to a sink at once: ctx is looked at in
// between.
const handOver = 16 << 20

// Pump has the sink read what the plan says. report, which may be nil, is
// called after each read, by one goroutine at a time. Pump returns when
// everything was handed over; whether it was also read and stored is for the
// sink to say when it is closed. When ctx ends, so do reads that are under way.
func Pump(ctx context.Context, from io.ReaderAt, p Plan, into Sink, report func(Progress)) error {
	counted := &counter{ctx: ctx, device: from, report: report, progress: Progress{Total: p.ToRead}}
	at := max(handOver/p.BlockSize, 1)
	for _, step := range p.Steps {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if step.Kind == Hole {
			if err := into.Hole(step.From, step.To); err != nil {
				return err
			}
		}
		if step.Kind != Read {
			continue
		}
		for block := step.From; block < step.To; block += at {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := into.Copy(counted, block, min(block+at, step.To)); err != nil {
				return err
			}
		}
	}
	return nil
}

// counter is a device whose reads are counted, and end with ctx.
type counter struct {
	ctx      context.Context
	device   io.ReaderAt
	report   func(Progress)
	mu       sync.Mutex
	progress Progress
}

// ReadAt reads as io.ReaderAt does.
func (c *counter) ReadAt(p []byte, offset int64) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	n, err := c.device.ReadAt(p, offset)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.progress.Done += int64(n)
	if c.report != nil {
		c.report(c.progress)
	}
	return n, err
}
