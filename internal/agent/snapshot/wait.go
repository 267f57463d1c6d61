package snapshot

import (
	"context"
	"errors"
	"time"
)

// errTimedOut ends a wait whose condition did not come in time.
var errTimedOut = errors.New("timed out")

// await asks until done or an error, first often and then every two seconds.
func await(ctx context.Context, patience time.Duration, done func(context.Context) (bool, error)) error {
	deadline, cancel := context.WithTimeoutCause(ctx, patience, errTimedOut)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		finished, err := done(deadline)
		switch {
		case finished:
			return nil
		case deadline.Err() != nil:
			return context.Cause(deadline)
		case err != nil:
			return err
		}
		select {
		case <-deadline.Done():
			return context.Cause(deadline)
		case <-time.After(pause):
		}
	}
}
