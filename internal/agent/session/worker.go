package session

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

const (
	// pollSeconds is how long one claim waits for work.
	pollSeconds = 50
	// unwellSeconds is the same while the extension is not healthy. Health is
	// told with claims only, and what waits for it should not wait long.
	unwellSeconds = 2
)

// Report is what a handler tells while it works and what it is told.
type Report interface {
	// Progress replaces the progress that the next extend carries.
	Progress(progress agentv1.Progress)
	// Health replaces what the next extend says the operation waits for.
	Health(health agentv1.Health)
	// Cancelled is closed when the service asks to stop; the handler winds the
	// work up and returns OutcomeCancelled.
	Cancelled() <-chan struct{}
}

// Result is how an operation ended.
type Result struct {
	Outcome  agentv1.Outcome
	Problem  *agentv1.Problem // when Failed
	Warnings []agentv1.Warning
	Value    json.RawMessage // the kind's result
	// After removes what the operation left in the cluster. It is called once
	// the service has the result, so that a result is never lost; nil does nothing.
	After func(ctx context.Context)
}

// Failure is a Result that ends an operation with a problem.
func Failure(problem agentv1.Problem) Result {
	return Result{Outcome: agentv1.OutcomeFailed, Problem: &problem}
}

// Handler carries out operations. Handle is called again with the same
// operation id after a restart or a lost lease and must find its earlier
// traces. When ctx ends it returns at once and its result is not used.
type Handler interface {
	Handle(ctx context.Context, operation agentv1.Operation, report Report) Result
}

// Worker claims operations and hands them to a handler.
type Worker struct {
	Client  *Client
	Handler Handler
	Slots   int // operations at the same time
	// Facts tells what the cluster looks like; asked before every claim.
	Facts func(ctx context.Context) agentv1.ClusterFacts
	// Health tells whether the extension can work; nil when it has no view.
	Health func(ctx context.Context) *agentv1.Health
	Log    *slog.Logger
}

// Run works until ctx ends, then waits for the handlers to return. Operations
// under way are not finished: the service offers them again.
func (w *Worker) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, w.Slots)
	wait := backoff{first: w.Client.config.FirstWait}
	for {
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
		}
		operation, pause := w.claim(ctx, &wait)
		if operation == nil {
			<-slots
			if !sleep(ctx, pause) {
				return nil
			}
			continue
		}
		running.Go(func() {
			defer func() { <-slots }()
			w.work(ctx, *operation)
		})
	}
}

// claim asks once for work; without any it says how long to pause.
func (w *Worker) claim(ctx context.Context, wait *backoff) (*agentv1.Operation, time.Duration) {
	request := agentv1.ClaimRequest{WaitSeconds: pollSeconds, Facts: w.Facts(ctx)}
	if w.Health != nil {
		request.Health = w.Health(ctx)
	}
	if request.Health != nil && !request.Health.Healthy {
		request.WaitSeconds = unwellSeconds
	}
	operation, err := w.Client.Claim(ctx, request)
	if err == nil {
		wait.reset()
		return operation, 0
	}
	pause := wait.next(retryAfter(err))
	if ctx.Err() == nil {
		w.Log.WarnContext(ctx, "claim failed, will try again", "error", err, "wait", pause)
	}
	return nil, pause
}

// work carries one operation out under its lease, then finishes it.
func (w *Worker) work(ctx context.Context, operation agentv1.Operation) {
	log := w.Log.With("operation", operation.ID, "kind", string(operation.Kind))
	log.InfoContext(ctx, "operation claimed")
	lease := newLease(operation.Lease)
	held, release := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { w.keep(held, operation, lease, release) })
	result := w.Handler.Handle(held, operation, lease)
	// The lease is kept until the result has been delivered.
	if held.Err() == nil {
		w.finish(held, operation, result, log)
	}
	if cause := context.Cause(held); cause != nil {
		log.WarnContext(ctx, "operation left", "cause", cause)
	}
	release(nil)
	keeper.Wait()
}

// finish delivers the result until the service has accepted it, the lease is
// lost or ctx ends.
func (w *Worker) finish(ctx context.Context, operation agentv1.Operation, result Result, log *slog.Logger) {
	request := agentv1.FinishRequest{
		LeaseToken: operation.Lease.Token, Outcome: result.Outcome, Problem: result.Problem,
		Warnings: result.Warnings, Result: result.Value,
	}
	wait := backoff{first: w.Client.config.FirstWait}
	for {
		err := w.Client.Finish(ctx, operation.ID, request)
		switch {
		case err == nil:
			log.InfoContext(ctx, "operation finished", "outcome", string(result.Outcome))
			if result.After != nil {
				result.After(ctx)
			}
			return
		case lost(err):
			log.WarnContext(ctx, "operation is no longer ours", "error", err)
			return
		case status(err) == http.StatusRequestEntityTooLarge && len(request.Warnings) > 1:
			request.Warnings = trimWarnings(request.Warnings)
		}
		pause := wait.next(retryAfter(err))
		log.WarnContext(ctx, "finish failed, will try again", "error", err, "wait", pause)
		if !sleep(ctx, pause) {
			return
		}
	}
}
