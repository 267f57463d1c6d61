package wrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
)

// Retries say how long to go on. The zero value means the defaults.
type Retries struct {
	Attempts int           // in all; 0 means 6
	First    time.Duration // wait after the first attempt, doubled each time; 0 means 200 ms
	Longest  time.Duration // greatest wait; 0 means 10 s
}

// Retry returns store with every call repeated that failed with
// objstore.ErrUnavailable, or whose body broke off: a read goes on where it
// broke, a listing after the last name it gave. A Put is repeated when its
// content can be read again (io.Seeker). After an attempt whose answer was
// lost, a Put may say objstore.ErrExists of the very object it wrote.
func Retry(store objstore.Store, retries Retries) objstore.Store {
	if retries.Attempts == 0 {
		retries.Attempts = 6
	}
	if retries.First == 0 {
		retries.First = 200 * time.Millisecond
	}
	if retries.Longest == 0 {
		retries.Longest = 10 * time.Second
	}
	return retry{store, retries}
}

type retry struct {
	store   objstore.Store
	retries Retries
}

// do repeats call until it succeeds, fails for good, or has had its attempts.
func (r retry) do(ctx context.Context, call func() error) error {
	for attempt := 1; ; attempt++ {
		err := call()
		if err == nil || !transient(err) || ctx.Err() != nil {
			return err
		}
		if attempt == r.retries.Attempts {
			return fmt.Errorf("gave up after %d attempts: %w", attempt, err)
		}
		if stop := r.wait(ctx, attempt); stop != nil {
			return fmt.Errorf("%w, after: %w", stop, err)
		}
	}
}

// wait sleeps for half to all of the doubled wait, so that many callers that
// failed together do not come back together.
func (r retry) wait(ctx context.Context, attempt int) error {
	longest := min(r.retries.Longest, r.retries.First<<min(attempt-1, 20))
	timer := time.NewTimer(longest/2 + rand.N(longest/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func transient(err error) bool {
	return errors.Is(err, objstore.ErrUnavailable) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Put repeats a write whose content can be rewound.
func (r retry) Put(ctx context.Context, name string, content io.Reader, size int64) error {
	seeker, ok := content.(io.Seeker)
	if !ok {
		return r.store.Put(ctx, name, content, size)
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("write object %s: %w", name, err)
	}
	return r.do(ctx, func() error {
		if _, err := seeker.Seek(start, io.SeekStart); err != nil {
			return fmt.Errorf("write object %s: %w", name, err)
		}
		return r.store.Put(ctx, name, content, size)
	})
}

// Stat repeats.
func (r retry) Stat(ctx context.Context, name string) (info objstore.Info, err error) {
	err = r.do(ctx, func() error {
		info, err = r.store.Stat(ctx, name)
		return err
	})
	return info, err
}

// Delete repeats.
func (r retry) Delete(ctx context.Context, name string) error {
	return r.do(ctx, func() error { return r.store.Delete(ctx, name) })
}

// List goes on after the last name it gave.
func (r retry) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		last, stopped := "", false
		err := r.do(ctx, func() error {
			for info, err := range r.store.List(ctx, prefix) {
				if err != nil {
					return err
				}
				if info.Name <= last {
					continue
				}
				last = info.Name
				if !yield(info, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(objstore.Info{}, err)
		}
	}
}
