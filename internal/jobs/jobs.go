// Package jobs is the job engine behind a thin seam: handlers take steps, and
// a step answers done, again after a while, or failed. Steps are repeated
// after errors, crashes and restarts, so each must be safe to repeat. The
// engine itself is River; nothing outside this package knows that.
package jobs

import (
	"context"
	"encoding/json"
	"time"
)

// Handler takes the steps of one kind of job. Steps of the same job may run at
// the same time when it was woken while it ran.
type Handler struct {
	Kind string
	// Work takes one step within Timeout. An error is tried again with a
	// growing, jittered pause for as long as it takes: to give up is the
	// handler's decision, by answering Failed.
	Work func(ctx context.Context, args json.RawMessage) (Result, error)
	// Timeout is how long one step may take; 0 means StepTimeout.
	Timeout time.Duration
}

// StepTimeout is how long one step may take before its context ends, unless its
// handler says otherwise.
const StepTimeout = time.Minute

// Result is how a step ended.
type Result struct {
	again  bool
	after  time.Duration
	failed error
}

// Done ends the job.
func Done() Result { return Result{} }

// Again asks for the next step after d, or when the job is enqueued once more,
// whichever comes first.
func Again(d time.Duration) Result { return Result{again: true, after: max(d, 0)} }

// Failed ends the job for good and leaves the reason with the engine.
func Failed(reason error) Result { return Result{failed: reason} }
