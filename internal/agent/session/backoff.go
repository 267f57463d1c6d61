package session

import (
	"context"
	"math/rand/v2"
	"time"
)

// Waits between attempts: doubling from the first, up to the last, each drawn
// at random from its upper half, so that many clusters do not call in step
// after the service was away.
const (
	firstWait = time.Second
	lastWait  = time.Minute
)

// backoff counts failed attempts in a row. The zero value is ready to use.
type backoff struct {
	attempts int
	first    time.Duration // 0 means firstWait
}

// next returns how long to wait before the next attempt, at least atLeast.
func (b *backoff) next(atLeast time.Duration) time.Duration {
	first := b.first
	if first == 0 {
		first = firstWait
	}
	wait := min(first<<min(b.attempts, 16), lastWait)
	b.attempts++
	wait = wait/2 + rand.N(wait/2+1)
	return max(wait, atLeast)
}

// reset is called after an attempt that worked.
func (b *backoff) reset() { b.attempts = 0 }

// sleep waits for d or until ctx ends; it reports whether d has passed.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
