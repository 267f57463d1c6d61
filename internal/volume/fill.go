package volume

import (
	"context"
	"iter"
	"sync"
)

// Block is one block of a stream that is not a hole. Data is only read.
type Block struct {
	Offset int64 // bytes
	Data   []byte
}

// FillOptions of one Fill. The zero value is right for most.
type FillOptions struct {
	Writers  int            // writes under way at once; default 4
	Total    int64          // bytes that will come, for the progress; 0 when not known
	Progress func(Progress) // called after each block, by one goroutine at a time; may be nil
}

// Fill clears the target, writes the blocks, which may come in any order, and
// finishes. It keeps one block per writer in memory. Doing it again after a
// failure is right: it begins anew.
func Fill(ctx context.Context, t *Target, blocks iter.Seq2[Block, error], o FillOptions) error {
	if err := t.Clear(ctx); err != nil {
		return err
	}
	f := &filling{target: t, options: o, progress: Progress{Total: o.Total}}
	ctx, f.cancel = context.WithCancelCause(ctx)
	defer f.cancel(nil)
	if err := f.run(ctx, blocks); err != nil {
		return err
	}
	return t.Finish(ctx)
}

type filling struct {
	target   *Target
	options  FillOptions
	cancel   context.CancelCauseFunc
	mu       sync.Mutex
	progress Progress
}

func (f *filling) run(ctx context.Context, blocks iter.Seq2[Block, error]) error {
	work := make(chan Block)
	var writers sync.WaitGroup
	count := f.options.Writers
	if count <= 0 {
		count = 4
	}
	for range count {
		writers.Go(func() { f.write(work) })
	}
	for block, err := range blocks {
		if err != nil {
			f.cancel(err)
		}
		if ctx.Err() != nil {
			break
		}
		select {
		case work <- block:
		case <-ctx.Done():
		}
	}
	close(work)
	writers.Wait()
	return context.Cause(ctx)
}

// write takes blocks until there are no more. Data is copied into memory that
// writes past the page cache can use.
func (f *filling) write(work <-chan Block) {
	buffer := Aligned(int(f.target.blockSize))
	for block := range work {
		data := block.Data
		if f.target.direct != nil && !aligned(data, 0) && len(data) <= len(buffer) {
			data = buffer[:copy(buffer, data)]
		}
		if _, err := f.target.WriteAt(data, block.Offset); err != nil {
			f.cancel(err)
			continue
		}
		f.report(int64(len(data)))
	}
}

func (f *filling) report(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.Done += n
	if f.options.Progress != nil {
		f.options.Progress(f.progress)
	}
}
