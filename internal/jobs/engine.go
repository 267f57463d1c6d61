package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
)

const (
	workers      = 16
	pollInterval = 200 * time.Millisecond // a woken job is not announced, it is found
	softStop     = 10 * time.Second
	firstRetry   = time.Second
	longestRetry = time.Minute
	// rescueAfter is when a step counts as that of a process that died: its context has
	// ended by then. River waits longer for handlers that may take longer.
	rescueAfter = StepTimeout + 15*time.Second
)

// Engine runs jobs until it is stopped.
type Engine struct {
	client runner
	// resume takes up what an earlier process left; nil where others may be at
	// work on the same database.
	resume func(context.Context) error
}

// runner is River's client as an engine needs it.
type runner interface {
	Start(context.Context) error
	Stopped() <-chan struct{}
}

// NewEngine returns an engine that works the queue in db. On SQLite it is the
// only one: Run takes for its own whatever is in the database. On PostgreSQL any
// number of processes have one each; River elects the one that looks after
// schedules and offers again what a process that died was working on. What waits for
// a moment goes by clk.
func NewEngine(db *sqlstore.DB, clk clock.Clock, log *slog.Logger, handlers ...Handler) (*Engine, error) {
	w := &worker{handlers: map[string]Handler{}, log: log}
	for _, handler := range handlers {
		if _, twice := w.handlers[handler.Kind]; twice {
			return nil, fmt.Errorf("two handlers for jobs of kind %s", handler.Kind)
		}
		w.handlers[handler.Kind] = handler
	}
	all := river.NewWorkers()
	river.AddWorker(all, w)
	config := &river.Config{
		ErrorHandler:         &reporter{log: log},
		FetchPollInterval:    pollInterval,
		JobTimeout:           StepTimeout,
		Logger:               slog.New(quiet{log.Handler()}),
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		RescueStuckJobsAfter: rescueAfter,
		RetryPolicy:          &backoff{clock: clk},
		SoftStopTimeout:      softStop,
		Workers:              all,
	}
	if _, machine := clk.(clock.System); !machine {
		config.Test.Time = hands{clk}
	}
	e := &Engine{}
	var err error
	if db.Engine != nil {
		e.client, err = river.NewClient(riverpgxv5.New(db.Engine), config)
	} else {
		e.client, err = river.NewClient(riversqlite.New(db.Write), config)
		e.resume = func(ctx context.Context) error { return resume(ctx, db.Write) }
	}
	if err != nil {
		return nil, fmt.Errorf("open the job engine: %w", err)
	}
	return e, nil
}

// Run works jobs until ctx ends, then lets running steps finish for a short time.
func (e *Engine) Run(ctx context.Context) error {
	var err error
	if e.resume != nil {
		err = e.resume(ctx)
	}
	if err == nil {
		err = e.client.Start(ctx)
	}
	if ctx.Err() != nil && err != nil {
		return nil // stopped before it began
	}
	if err != nil {
		return fmt.Errorf("start the job engine: %w", err)
	}
	<-e.client.Stopped()
	return nil
}

// resume takes up what a killed process left: its running jobs, and its
// leadership, which would otherwise hold up scheduled jobs until it expires.
// This is right only because on SQLite there is one process.
func resume(ctx context.Context, db *sql.DB) error {
	for _, statement := range []string{
		`UPDATE river_job SET state = 'available', attempt = max(attempt - 1, 0) WHERE state = 'running'`,
		`DELETE FROM river_leader`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("take up the jobs of an earlier process: %w", err)
		}
	}
	return nil
}

// worker hands River's jobs to our handlers.
type worker struct {
	river.WorkerDefaults[step]
	handlers map[string]Handler
	log      *slog.Logger
}

// Timeout is that of the step's handler; 0 lets the engine's hold.
func (w *worker) Timeout(job *river.Job[step]) time.Duration {
	return w.handlers[job.Args.Name].Timeout
}

// Work takes one step.
func (w *worker) Work(ctx context.Context, job *river.Job[step]) error {
	handler, known := w.handlers[job.Args.Name]
	if !known {
		// Tried again, not dropped: a newer version of the service may know it.
		return fmt.Errorf("no handler for jobs of kind %q", job.Args.Name)
	}
	result, err := handler.Work(ctx, job.Args.Args)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return river.JobSnooze(0) // interrupted by a stop, not failed
	case err != nil:
		return err
	case result.failed != nil:
		return river.JobCancel(result.failed)
	case result.again:
		return river.JobSnooze(result.after)
	}
	return nil
}

// reporter writes what goes wrong in steps to the log.
type reporter struct{ log *slog.Logger }

// HandleError is called for every failed step.
func (r *reporter) HandleError(_ context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	r.log.Warn("step failed, will be tried again", "job", string(job.EncodedArgs), "attempt", job.Attempt, "error", err)
	return nil
}

// HandlePanic is called for every step that panicked.
func (r *reporter) HandlePanic(_ context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	r.log.Error("step panicked, will be tried again", "job", string(job.EncodedArgs), "panic", fmt.Sprint(value), "trace", trace)
	return nil
}

// quiet keeps the engine's chatter out of the log: it tells of failed steps at
// the level of information, and reporter does that better.
type quiet struct{ slog.Handler }

// Enabled lets warnings and errors pass.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// hands let the queue go by a clock that is not the machine's, so that what waits
// in it comes due with everything else. With the machine's the database decides
// where replicas share one: their clocks may differ.
type hands struct{ clock.Clock }

// NowOrNil is the moment that the database is to take for its own.
func (h hands) NowOrNil() *time.Time { return new(h.Now()) }

// backoff doubles the pause with every failure, up to a minute, and shakes it
// so that many jobs that failed together do not come back together.
type backoff struct{ clock clock.Clock }

// NextRetry says when a failed job is tried again.
func (b *backoff) NextRetry(job *rivertype.JobRow) time.Time {
	pause := longestRetry
	if n := len(job.Errors); n < 6 {
		pause = firstRetry << n
	}
	return b.clock.Now().Add(pause/2 + rand.N(pause/2))
}
