package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"holdfast.dev/holdfast/internal/catalog"
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

// MigrateSQLite brings the engine's tables up to date. It may be repeated.
func MigrateSQLite(ctx context.Context, db *sql.DB) error {
	migrator, err := sqliteMigrations(db)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the job engine: %w", err)
	}
	return nil
}

// CheckSQLite fails when the engine's tables are not those that this program
// works with.
func CheckSQLite(ctx context.Context, db *sql.DB) error {
	migrator, err := sqliteMigrations(db)
	if err != nil {
		return err
	}
	result, err := migrator.Validate(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the job engine's schema: %w", err)
	}
	if !result.OK {
		return fmt.Errorf("the job engine's schema is not current: %s", strings.Join(result.Messages, "; "))
	}
	return nil
}

func sqliteMigrations(db *sql.DB) (*rivermigrate.Migrator[*sql.Tx], error) {
	migrator, err := rivermigrate.New(riversqlite.New(db), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("prepare the job engine's migrations: %w", err)
	}
	return migrator, nil
}

// Queue puts jobs in line. It is separate from the Engine because whoever
// enqueues is built before the handlers are.
type Queue struct {
	client *river.Client[*sql.Tx]
}

// NewSQLiteQueue returns the queue in db.
func NewSQLiteQueue(db *sql.DB) (*Queue, error) {
	client, err := river.NewClient(riversqlite.New(db), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("open the job queue: %w", err)
	}
	return &Queue{client: client}, nil
}

// Enqueue puts a job in line inside tx. When a job of its kind and unique key
// waits already, that one is woken instead; when one is running, a second is
// lined up behind it, because the running one may have looked already at what
// tx changes. It fits sqlstore.Enqueue.
func (q *Queue) Enqueue(ctx context.Context, tx *sql.Tx, job catalog.Job) error {
	if job.UniqueKey == "" {
		_, err := q.client.InsertTx(ctx, tx, step{Name: job.Kind, Args: job.Args}, options(job, river.UniqueOpts{}))
		return err
	}
	unique := river.UniqueOpts{ByArgs: true, ByState: waiting}
	for turn := 0; ; turn++ { // ends: no more jobs run than there are workers
		args := step{Name: job.Kind, Key: job.UniqueKey, Turn: turn, Args: job.Args}
		inserted, err := q.client.InsertTx(ctx, tx, args, options(job, unique))
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
func (q *Queue) wake(ctx context.Context, tx *sql.Tx, job catalog.Job, id int64) error {
	if !job.NotBefore.IsZero() {
		return nil
	}
	_, err := q.client.JobRetryTx(ctx, tx, id)
	return err
}

func options(job catalog.Job, unique river.UniqueOpts) *river.InsertOpts {
	return &river.InsertOpts{
		// The most that PostgreSQL's column holds: giving up is the handler's decision.
		MaxAttempts: math.MaxInt16,
		ScheduledAt: job.NotBefore,
		UniqueOpts:  unique,
	}
}
