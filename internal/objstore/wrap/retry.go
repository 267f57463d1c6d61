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
	Attempts int           // in a row without progress; 0 means 7
	First    time.Duration // bound of the wait after the first attempt, doubled each time; 0 means 200 ms
	Longest  time.Duration // bound of every wait; 0 means 10 s
	Within   time.Duration // no attempt begins later after the first, or after progress; 0 means 5 minutes
}

// longestAsked bounds the wait that a store may ask for.
const longestAsked = time.Minute

// Retry returns store with every call repeated that failed with
// objstore.ErrUnavailable, or whose body broke off: a read goes on where it
// broke, a listing after the last name it gave. Nothing else is repeated.
//
// A Put is repeated when its content can be read again (io.Seeker). After an
// attempt whose answer was lost, it says objstore.ErrExists of the very object
// it wrote: only the caller can know whether anybody else uses that name.
func Retry(store objstore.Store, retries Retries) objstore.Store {
	if retries.Attempts == 0 {
		retries.Attempts = 7
	}
	if retries.First == 0 {
		retries.First = 200 * time.Millisecond
	}
	if retries.Longest == 0 {
		retries.Longest = 10 * time.Second
	}
	if retries.Within == 0 {
		retries.Within = 5 * time.Minute
	}
	return retry{store, retries}
}

type retry struct {
	store   objstore.Store
	retries Retries
}

// series is a row of attempts at one thing.
type series struct {
	Retries
	failed int
	over   <-chan time.Time // closes the row
}

func (r retry) series() *series {
	return &series{Retries: r.retries, over: time.After(r.retries.Within)}
}

// progress begins the row anew.
func (s *series) progress() {
	if s.failed > 0 {
		s.failed, s.over = 0, time.After(s.Within)
	}
}

// again waits before the next attempt, and returns nil when there is to be one
// after err.
func (s *series) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if s.failed++; s.failed >= s.Attempts {
		return fmt.Errorf("gave up after %d attempts: %w", s.failed, err)
	}
	timer := time.NewTimer(s.wait(err))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.over:
		return fmt.Errorf("gave up after %d attempts in %v: %w", s.failed, s.Within, err)
	case <-ctx.Done():
		return fmt.Errorf("%w, after: %w", ctx.Err(), err)
	}
}

// wait is anything up to the doubled bound, so that many callers that failed
// together do not come back together; a store that says when is heeded.
func (s *series) wait(err error) time.Duration {
	bound := min(s.Longest, s.First<<min(s.failed-1, 20))
	wait := rand.N(bound + 1)
	if later, ok := errors.AsType[*objstore.Later](err); ok {
		wait += min(later.After, longestAsked)
	}
	return wait
}

// do repeats call until it succeeds, fails for good, or has had its attempts.
func (r retry) do(ctx context.Context, call func() error) error {
	for row := r.series(); ; {
		err := call()
		if err == nil || !errors.Is(err, objstore.ErrUnavailable) {
			return err
		}
		if stop := row.again(ctx, err); stop != nil {
			return stop
		}
	}
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
		last, row := "", r.series()
		for {
			err := r.listAfter(ctx, prefix, &last, row, yield)
			if err == nil {
				return
			}
			if errors.Is(err, objstore.ErrUnavailable) {
				if err = row.again(ctx, err); err == nil {
					continue
				}
			}
			yield(objstore.Info{}, err)
			return
		}
	}
}

// listAfter lists once what comes after last. It returns nil when the listing
// has ended, for whatever good reason.
func (r retry) listAfter(ctx context.Context, prefix string, last *string, row *series, yield func(objstore.Info, error) bool) error {
	for info, err := range r.store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if info.Name <= *last {
			continue
		}
		*last = info.Name
		row.progress()
		if !yield(info, nil) {
			return nil
		}
	}
	return nil
}
