package volume

import (
	"context"
	"sync"
)

// WriteBlock stores one block of a stream, or several neighbours, at offset
// bytes; the last one of the stream may be short. data is only read, and not kept. Several goroutines may call it.
type WriteBlock func(offset int64, data []byte) error

// Fill clears the target, has restore write every block that is not a hole, in
// any order and by as many goroutines as it likes, and finishes the target.
// report, which may be nil, is called after each write with how much was
// written, by one goroutine at a time; Total is left to the caller. Doing it
// again after a failure is right: it begins anew.
func Fill(ctx context.Context, t *Target, restore func(context.Context, WriteBlock) error, report func(Progress)) error {
	if err := t.Clear(ctx); err != nil {
		return err
	}
	f := &filling{target: t, report: report}
	if err := restore(ctx, f.write); err != nil {
		return err
	}
	return t.Finish(ctx)
}

type filling struct {
	target   *Target
	report   func(Progress)
	mu       sync.Mutex
	progress Progress
}

func (f *filling) write(offset int64, data []byte) error {
	if _, err := f.target.WriteAt(data, offset); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.Done += int64(len(data))
	if f.report != nil {
		f.report(f.progress)
	}
	return nil
}
