package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
)

// step is every job as River sees it: one River kind, with ours inside, so
// that handlers are values and not types.
type step struct {
	Name string `json:"name" river:"unique"`
	Key  string `json:"key" river:"unique"`
	// Turn tells apart the job that runs from the one lined up behind it.
	Turn int             `json:"turn" river:"unique"`
	Args json.RawMessage `json:"args"`
}

// Kind is River's name for all our jobs.
func (step) Kind() string { return "step" }

// waiting are the states in which a job keeps its unique key.
var waiting = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateRetryable, rivertype.JobStateScheduled,
}

// Queue puts jobs in line. It is separate from the Engine because whoever
// enqueues is built before the handlers are.
type Queue struct {
	in inserter
}

// inserter is River's client as a queue needs it, inside a catalog transaction.
type inserter interface {
	insert(ctx context.Context, tx *sqlstore.Transaction, args step, o *river.InsertOpts) (*rivertype.JobInsertResult, error)
	retry(ctx context.Context, tx *sqlstore.Transaction, id int64) error
}

// NewQueue returns the queue in db.
func NewQueue(db *sqlstore.DB) (*Queue, error) {
	config := &river.Config{Logger: slog.New(slog.DiscardHandler)}
	if db.Engine != nil {
		client, err := river.NewClient(riverpgxv5.New(db.Engine), config)
		if err != nil {
			return nil, fmt.Errorf("open the job queue: %w", err)
		}
		return &Queue{onPostgres{client}}, nil
	}
	client, err := river.NewClient(riversqlite.New(db.Write), config)
	if err != nil {
		return nil, fmt.Errorf("open the job queue: %w", err)
	}
	return &Queue{onSQLite{client}}, nil
}

// Enqueue puts a job in line inside tx. When a job of its kind and unique key
// waits already, that one is woken instead; when one is running, a second is
// lined up behind it, because the running one may have looked already at what
// tx changes. It fits sqlstore.Enqueue.
func (q *Queue) Enqueue(ctx context.Context, tx *sqlstore.Transaction, job catalog.Job) error {
	if job.UniqueKey == "" {
		_, err := q.in.insert(ctx, tx, step{Name: job.Kind, Args: job.Args}, options(job, river.UniqueOpts{}))
		return err
	}
	unique := river.UniqueOpts{ByArgs: true, ByState: waiting}
	for turn := 0; ; turn++ { // ends: no more jobs run than there are workers
		args := step{Name: job.Kind, Key: job.UniqueKey, Turn: turn, Args: job.Args}
		inserted, err := q.in.insert(ctx, tx, args, options(job, unique))
		switch {
		case err != nil:
			return err
		case !inserted.UniqueSkippedAsDuplicate:
			return nil
		case inserted.Job.State != rivertype.JobStateRunning:
			return q.wake(ctx, tx, job, inserted.Job.ID)
		}
	}
}

// wake lets a waiting job run now, unless it was asked for at a later time.
func (q *Queue) wake(ctx context.Context, tx *sqlstore.Transaction, job catalog.Job, id int64) error {
	if !job.NotBefore.IsZero() {
		return nil
	}
	return q.in.retry(ctx, tx, id)
}

func options(job catalog.Job, unique river.UniqueOpts) *river.InsertOpts {
	return &river.InsertOpts{
		// The most that PostgreSQL's column holds: giving up is the handler's decision.
		MaxAttempts: math.MaxInt16,
		ScheduledAt: job.NotBefore,
		UniqueOpts:  unique,
	}
}
