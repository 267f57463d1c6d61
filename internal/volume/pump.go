package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Sink takes a stream's blocks in ascending order. It is called from one
// goroutine. What is neither written nor a hole is taken over from the base.
type Sink interface {
	// Write stores a block: all of it, or what is left of the volume for the
	// last one. content may be reused when Write returns.
	Write(block int64, content []byte) error
	// Hole says that the blocks from from up to, not including, to hold nothing.
	Hole(from, to int64) error
}

// Progress is how far a pump or a fill has come.
type Progress struct {
	Done  int64 // bytes
	Total int64 // bytes; of a fill an estimate may not be known: 0
}

// PumpOptions of one Pump. The zero value is right for most.
type PumpOptions struct {
	ReadSize int            // bytes of one read; default 2 MiB, a multiple of the block size or less
	Ahead    int            // reads under way or waiting, each of ReadSize; default 8
	Progress func(Progress) // called after each read from one goroutine; may be nil
}

func (o PumpOptions) withDefaults(blockSize int64) PumpOptions {
	if o.ReadSize <= 0 {
		o.ReadSize = 2 << 20
	}
	o.ReadSize = int(max(int64(o.ReadSize)/blockSize, 1) * blockSize)
	if o.Ahead <= 0 {
		o.Ahead = 8
	}
	return o
}

// piece is one read, or one hole.
type piece struct {
	step   Step
	buffer []byte
	done   chan error // gets one value when the buffer is filled
}

// Pump reads what the plan says and hands it to the sink, while the next reads
// are under way. It takes ReadSize times Ahead of memory. It returns when all is
// handed over, at the first error, or when ctx ends; no read is under way then.
func Pump(ctx context.Context, from io.ReaderAt, p Plan, into Sink, o PumpOptions) error {
	o = o.withDefaults(p.BlockSize)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	buffers := make(chan []byte, o.Ahead)
	for range o.Ahead {
		buffers <- nil // made when first needed
	}
	pieces := make(chan piece, o.Ahead)
	go func() {
		defer close(pieces)
		p.read(ctx, from, o, buffers, pieces)
	}()
	progress := Progress{Total: p.ToRead}
	var failed error
	for next := range pieces {
		err := next.wait()
		if failed == nil && ctx.Err() == nil {
			if failed = errors.Join(err, p.hand(next, into, err)); failed != nil {
				cancel(failed)
			}
			progress.Done += int64(len(next.buffer))
			if o.Progress != nil && next.step.Kind == Read && failed == nil {
				o.Progress(progress)
			}
		}
		if next.buffer != nil {
			buffers <- next.buffer[:cap(next.buffer)]
		}
	}
	if failed != nil {
		return failed
	}
	return context.Cause(ctx)
}

// read starts the reads in order and sends them to be waited for.
func (p Plan) read(ctx context.Context, from io.ReaderAt, o PumpOptions, buffers chan []byte, pieces chan<- piece) {
	perRead := int64(o.ReadSize) / p.BlockSize
	for _, step := range p.Steps {
		switch step.Kind {
		case Hole:
			pieces <- piece{step: step}
			continue
		case Inherit:
			continue
		}
		for at := step.From; at < step.To; at += perRead {
			var buffer []byte
			select {
			case buffer = <-buffers:
			case <-ctx.Done():
				return
			}
			if buffer == nil {
				buffer = Aligned(o.ReadSize)
			}
			part := Step{Read, at, min(at+perRead, step.To)}
			n := min(part.To*p.BlockSize, p.Size) - at*p.BlockSize
			next := piece{step: part, buffer: buffer[:n], done: make(chan error, 1)}
			go func() { next.done <- readWhole(from, next.buffer, at*p.BlockSize) }()
			pieces <- next
		}
	}
}

func (p piece) wait() error {
	if p.done == nil {
		return nil
	}
	return <-p.done
}

// hand gives a piece that was read without error to the sink.
func (p Plan) hand(next piece, into Sink, err error) error {
	if err != nil {
		return nil
	}
	if next.step.Kind == Hole {
		return into.Hole(next.step.From, next.step.To)
	}
	rest := next.buffer
	for block := next.step.From; block < next.step.To; block++ {
		n := p.length(block)
		if err := into.Write(block, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// readWhole fills p; a device that ends early is an error.
func readWhole(from io.ReaderAt, p []byte, offset int64) error {
	n, err := from.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(p), offset, err)
}
