package wrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
)

// errStalled is the cause by which a call without progress is ended.
var errStalled = errors.New("no progress")

// Patience returns store with every call ended, as objstore.ErrUnavailable,
// that makes no progress for idle; 0 means 2 minutes. The time that the
// caller takes does not count: to give the next bytes of a Put, to read on
// from a Get, to use what a List gave.
func Patience(store objstore.Store, idle time.Duration) objstore.Store {
	if idle == 0 {
		idle = 2 * time.Minute
	}
	return patience{store, idle}
}

type patience struct {
	store objstore.Store
	idle  time.Duration
}

// watch ends its context when the store does nothing for too long.
type watch struct {
	context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

func (p patience) watch(ctx context.Context) *watch {
	w := &watch{idle: p.idle}
	w.Context, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(p.idle, func() { w.cancel(errStalled) })
	return w
}

// rest is when it is the caller's turn, on when it is the store's.
func (w *watch) rest() { w.timer.Stop() }
func (w *watch) on()   { w.timer.Reset(w.idle) }

// says gives an error that comes of our impatience the contract's word. It no
// longer says that it was cancelled: the caller did not.
func (w *watch) says(err error) error {
	if err != nil && errors.Is(context.Cause(w), errStalled) {
		return fmt.Errorf("%w: %w for %v: %s", objstore.ErrUnavailable, errStalled, w.idle, err.Error())
	}
	return err
}

// end releases the watch after its call.
func (w *watch) end(err error) error {
	w.timer.Stop()
	err = w.says(err)
	w.cancel(nil)
	return err
}

// Put writes; the time in which the content is read is the caller's.
func (p patience) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	w := p.watch(ctx)
	return w.end(p.store.Put(w, name, source{w, r}, size))
}

// source is content whose reading is not the store's doing.
type source struct {
	w *watch
	r io.Reader
}

// Read reads on while nobody watches.
func (s source) Read(b []byte) (int, error) {
	s.w.rest()
	defer s.w.on()
	return s.r.Read(b)
}

// Get reads; the time between two reads is the caller's.
func (p patience) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	w := p.watch(ctx)
	body, err := p.store.Get(w, name, offset, length)
	if err != nil {
		return nil, w.end(err)
	}
	w.rest()
	return watched{w, body}, nil
}

type watched struct {
	w    *watch
	body io.ReadCloser
}

// Read reads on.
func (b watched) Read(p []byte) (int, error) {
	b.w.on()
	defer b.w.rest()
	n, err := b.body.Read(p)
	if errors.Is(err, io.EOF) {
		return n, err
	}
	return n, b.w.says(err)
}

// Close ends the watch.
func (b watched) Close() error { return b.w.end(b.body.Close()) }

// Stat describes.
func (p patience) Stat(ctx context.Context, name string) (objstore.Info, error) {
	w := p.watch(ctx)
	info, err := p.store.Stat(w, name)
	return info, w.end(err)
}

// Delete removes.
func (p patience) Delete(ctx context.Context, name string) error {
	w := p.watch(ctx)
	return w.end(p.store.Delete(w, name))
}

// List lists; the time in which an object is used is the caller's.
func (p patience) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		w := p.watch(ctx)
		defer func() { _ = w.end(nil) }()
		for info, err := range p.store.List(w, prefix) {
			w.rest()
			if !yield(info, w.says(err)) || err != nil {
				return
			}
			w.on()
		}
	}
}
