package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
)

// minExtend is the shortest pause between two extends.
const minExtend = 100 * time.Millisecond

// lease is the running lease of one operation and the handler's Report.
type lease struct {
	token     string
	length    time.Duration
	cancelled chan struct{}
	once      sync.Once

	mu       sync.Mutex
	progress *agentv1.Progress
	health   *agentv1.Health
}

func newLease(l agentv1.Lease) *lease {
	return &lease{token: l.Token, length: time.Duration(l.Seconds) * time.Second, cancelled: make(chan struct{})}
}

// Progress replaces the progress that the next extend carries.
func (l *lease) Progress(progress agentv1.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress = &progress
}

// Health replaces what the next extend says the operation waits for.
func (l *lease) Health(health agentv1.Health) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.health = &health
}

// Cancelled is closed when the service asks to stop.
func (l *lease) Cancelled() <-chan struct{} { return l.cancelled }

func (l *lease) request() agentv1.ExtendRequest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return agentv1.ExtendRequest{LeaseToken: l.token, Progress: l.progress, Health: l.health}
}

// renewed takes over what the service answered.
func (l *lease) renewed(answer agentv1.ExtendResponse) {
	if answer.LeaseSeconds > 0 {
		l.length = time.Duration(answer.LeaseSeconds) * time.Second
	}
	if answer.CancelRequested {
		l.once.Do(func() { close(l.cancelled) })
	}
}

// keep extends the lease every quarter of its length until ctx ends: three may
// get lost, and whoever watches sees progress every few seconds. When the
// service says it is lost, or could not be reached for the whole length of it,
// the work is released with ErrLeaseLost: somebody else may hold it now.
func (w *Worker) keep(ctx context.Context, operation agentv1.Operation, l *lease, release context.CancelCauseFunc) {
	// Measured from before the call: the service counts from a later moment.
	// A wall clock that is set back must not make it longer.
	passed := clock.Elapsed(w.Client.config.Clock)
	asked := passed()
	wait := backoff{first: w.Client.config.FirstWait}
	pause := l.length / 4
	for sleep(ctx, max(pause, minExtend)) {
		attempt := passed()
		answer, err := w.extend(ctx, operation, l, l.length-(attempt-asked))
		if err == nil {
			asked = attempt
			l.renewed(answer)
			wait.reset()
			pause = l.length / 4
			continue
		}
		left := l.length - (passed() - asked)
		if lost(err) || left <= 0 {
			release(fmt.Errorf("%w: %w", ErrLeaseLost, err))
			return
		}
		pause = min(wait.next(retryAfter(err)), l.length/4, left)
	}
}

// extend asks once. A call that hangs is dropped in time for another one
// within what is left of the lease.
func (w *Worker) extend(ctx context.Context, operation agentv1.Operation, l *lease, left time.Duration) (agentv1.ExtendResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, max(min(l.length/2, left), minExtend))
	defer cancel()
	return w.Client.Extend(ctx, operation.ID, l.request())
}

// trimWarnings halves the list; the last warning counts what was left out.
func trimWarnings(warnings []agentv1.Warning) []agentv1.Warning {
	keep := len(warnings) / 2
	return append(warnings[:keep:keep], agentv1.Warning{Problem: agentv1.Problem{
		Code: "WarningsOmitted", Message: fmt.Sprintf("%d more warnings were left out of the report", len(warnings)-keep),
	}})
}
