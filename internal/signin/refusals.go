package signin

import (
	"sync"
	"time"

	"holdfast.dev/holdfast/internal/clock"
)

// How many refusals one caller may collect in a window before it has to wait,
// and how many callers are remembered.
const (
	refusalLimit   = 10
	refusalWindow  = time.Minute
	refusalCallers = 10_000
)

// refusals counts failed attempts by caller.
type refusals struct {
	clock clock.Clock
	mu    sync.Mutex
	by    map[string]tally
}

type tally struct {
	since time.Time
	n     int
}

func newRefusals(c clock.Clock) *refusals { return &refusals{clock: c, by: map[string]tally{}} }

func (r *refusals) tooMany(who string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.by[who]
	return t.n >= refusalLimit && r.clock.Now().Sub(t.since) < refusalWindow
}

func (r *refusals) add(who string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	t := r.by[who]
	if now.Sub(t.since) >= refusalWindow {
		t = tally{since: now}
	}
	t.n++
	if len(r.by) >= refusalCallers {
		r.forget(now)
	}
	r.by[who] = t
}

// forget drops whom it may, and everybody when nobody's window is over: memory
// is bounded even against a flood of made-up names.
func (r *refusals) forget(now time.Time) {
	for who, t := range r.by {
		if now.Sub(t.since) >= refusalWindow {
			delete(r.by, who)
		}
	}
	if len(r.by) >= refusalCallers {
		clear(r.by)
	}
}
