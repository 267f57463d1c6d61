// Package clock is the only caller of time.Now, so that every decision about
// time can be tested with a clock that the test moves.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time.
type Clock interface {
	// Now returns the current time in UTC.
	Now() time.Time
}

// System is the machine's clock.
type System struct{}

// Now returns the machine's time in UTC.
func (System) Now() time.Time { return time.Now().UTC() }

// Elapsed returns how to ask how much time has passed since the call. With System
// that does not follow the machine's clock when it is set: what must not last longer
// than it seems, such as a lease, is measured so.
func Elapsed(c Clock) func() time.Duration {
	begun := c.Now()
	if _, machine := c.(System); machine {
		begun = time.Now() // with the monotonic reading, which UTC loses
		return func() time.Duration { return time.Since(begun) }
	}
	return func() time.Duration { return c.Now().Sub(begun) }
}

// Manual is a clock that stands still until it is moved. It is safe for
// concurrent use.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual returns a clock standing at t.
func NewManual(t time.Time) *Manual { return &Manual{now: t.UTC()} }

// Now returns the time the clock stands at.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Advance moves the clock forward by d.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}
