package wrap

import (
	"context"
	"fmt"
	"io"
	"iter"

	"golang.org/x/time/rate"

	"holdfast.dev/holdfast/internal/objstore"
)

// Limits bound what all users of one target do together.
type Limits struct {
	BytesPerSecond int64 // of content, up and down together; 0 means no limit
	Concurrent     int   // calls at a time; 0 means no limit
}

// Limit is shared by the users of one target: every store it wraps counts.
type Limit struct {
	bytes *rate.Limiter
	burst int
	calls chan struct{} // nil without a limit
}

// NewLimit returns a limit. It sits inside of Retry, so that what is sent
// again counts again, and a wait between attempts keeps nobody out.
func NewLimit(l Limits) *Limit {
	limit := &Limit{bytes: rate.NewLimiter(rate.Inf, 0), burst: 1 << 20}
	if l.BytesPerSecond > 0 {
		limit.burst = int(min(l.BytesPerSecond, 1<<20))
		limit.bytes = rate.NewLimiter(rate.Limit(l.BytesPerSecond), limit.burst)
	}
	if l.Concurrent > 0 {
		limit.calls = make(chan struct{}, l.Concurrent)
	}
	return limit
}

// Store returns store under the limit. A body that is being read does not
// count as a call, nor does a caller that uses what a List gave: it may well
// make the next call, which must not wait for itself.
func (l *Limit) Store(store objstore.Store) objstore.Store { return limited{store, l} }

func (l *Limit) enter(ctx context.Context) error {
	if l.calls == nil {
		return ctx.Err()
	}
	select {
	case l.calls <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the store's other users: %w", ctx.Err())
	}
}

func (l *Limit) leave() {
	if l.calls != nil {
		<-l.calls
	}
}

type limited struct {
	store objstore.Store
	limit *Limit
}

// call makes a call when there is room for it.
func (s limited) call(ctx context.Context, do func() error) error {
	if err := s.limit.enter(ctx); err != nil {
		return err
	}
	defer s.limit.leave()
	return do()
}

// Put writes within the limit.
func (s limited) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	return s.call(ctx, func() error { return s.store.Put(ctx, name, &metered{ctx, r, s.limit}, size) })
}

// Get reads within the limit.
func (s limited) Get(ctx context.Context, name string, offset, length int64) (body io.ReadCloser, err error) {
	err = s.call(ctx, func() error {
		body, err = s.store.Get(ctx, name, offset, length)
		return err
	})
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{&metered{ctx, body, s.limit}, body}, nil
}

// metered is content that waits for its bytes.
type metered struct {
	ctx   context.Context
	r     io.Reader
	limit *Limit
}

// Read reads, and waits until that much was allowed.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p[:min(len(p), m.limit.burst)])
	if wait := m.limit.bytes.WaitN(m.ctx, n); wait != nil {
		if m.ctx.Err() == nil { // it would take longer than there is time
			wait = fmt.Errorf("%w: %s", context.DeadlineExceeded, wait.Error())
		}
		return 0, fmt.Errorf("wait for bandwidth: %w", wait)
	}
	return n, err
}

// Stat describes when there is room.
func (s limited) Stat(ctx context.Context, name string) (info objstore.Info, err error) {
	err = s.call(ctx, func() error {
		info, err = s.store.Stat(ctx, name)
		return err
	})
	return info, err
}

// Delete removes when there is room.
func (s limited) Delete(ctx context.Context, name string) error {
	return s.call(ctx, func() error { return s.store.Delete(ctx, name) })
}

// List lists when there is room, and makes room while an object is used.
func (s limited) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		if err := s.limit.enter(ctx); err != nil {
			yield(objstore.Info{}, err)
			return
		}
		for info, err := range s.store.List(ctx, prefix) {
			s.limit.leave()
			if !yield(info, err) || err != nil {
				return
			}
			if err := s.limit.enter(ctx); err != nil {
				yield(objstore.Info{}, err)
				return
			}
		}
		s.limit.leave()
	}
}
