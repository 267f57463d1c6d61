package jobs_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/test/postgres"
)

// openDB returns a database with the engine's tables.
func openDB(t *testing.T, path string) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.OpenSQLite(path)
	return migrated(t, db, err)
}

// openPostgres is openDB on a server.
func openPostgres(t *testing.T, url string) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.OpenPostgres(t.Context(), url, 0)
	return migrated(t, db, err)
}

func migrated(t *testing.T, db *sqlstore.DB, err error) *sqlstore.DB {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := jobs.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

func newDB(t *testing.T) *sqlstore.DB { return openDB(t, filepath.Join(t.TempDir(), "jobs.db")) }

// onBoth does a test on every database.
func onBoth(t *testing.T, do func(*testing.T, *sqlstore.DB)) {
	t.Run("sqlite", func(t *testing.T) { do(t, newDB(t)) })
	t.Run("postgres", func(t *testing.T) { do(t, openPostgres(t, postgres.Database(t))) })
}

// start runs an engine until the test or the returned function ends it.
func start(t *testing.T, db *sqlstore.DB, handlers ...jobs.Handler) (stop func()) {
	t.Helper()
	engine, err := jobs.NewEngine(db, clock.System{}, slog.New(slog.DiscardHandler), handlers...)
	if err != nil {
		t.Fatal(err)
	}
	return runEngine(t, engine)
}

func runEngine(t *testing.T, engine *jobs.Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// enqueue puts jobs in line in one transaction.
func enqueue(t *testing.T, db *sqlstore.DB, all ...catalog.Job) {
	t.Helper()
	queue, err := jobs.NewQueue(db)
	if err != nil {
		t.Fatal(err)
	}
	err = sqlstore.New(db, queue.Enqueue).Update(t.Context(), func(tx catalog.Tx) (err error) {
		for _, job := range all {
			if job.Args == nil {
				job.Args = json.RawMessage(`{}`)
			}
			err = errors.Join(err, tx.Enqueue(job))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, within time.Duration, check func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !check(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

func count(t *testing.T, db *sql.DB, where string) (n int) {
	t.Helper()
	if err := db.QueryRow(`SELECT count(*) FROM river_job WHERE ` + where).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestJobRunsWithItsArguments(t *testing.T) { onBoth(t, testJobRunsWithItsArguments) }

func testJobRunsWithItsArguments(t *testing.T, db *sqlstore.DB) {
	got := make(chan string, 1)
	start(t, db, jobs.Handler{Kind: "say", Work: func(_ context.Context, args json.RawMessage) (jobs.Result, error) {
		got <- string(args)
		return jobs.Done(), nil
	}})
	enqueue(t, db, catalog.Job{Kind: "say", Args: json.RawMessage(`{"word":"hi"}`)})
	select {
	case args := <-got:
		if strings.ReplaceAll(args, " ", "") != `{"word":"hi"}` { // PostgreSQL writes JSON in its own way
			t.Fatalf("args = %s", args)
		}
	case <-time.After(time.Minute):
		t.Fatal("the job did not run")
	}
}

func TestAgainThenDone(t *testing.T) { onBoth(t, testAgainThenDone) }

func testAgainThenDone(t *testing.T, db *sqlstore.DB) {
	var steps atomic.Int64
	start(t, db, jobs.Handler{Kind: "k", Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
		if steps.Add(1) < 4 {
			return jobs.Again(10 * time.Millisecond), nil
		}
		return jobs.Done(), nil
	}})
	enqueue(t, db, catalog.Job{Kind: "k"})
	eventually(t, "four steps and an end", time.Minute, func() bool {
		return steps.Load() == 4 && count(t, db.Read, `state = 'completed'`) == 1
	})
}

func TestErrorsAndPanicsAreTriedAgain(t *testing.T) { onBoth(t, testErrorsAndPanicsAreTriedAgain) }

func testErrorsAndPanicsAreTriedAgain(t *testing.T, db *sqlstore.DB) {
	var steps atomic.Int64
	start(t, db, jobs.Handler{Kind: "k", Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
		switch steps.Add(1) {
		case 1:
			return jobs.Result{}, errors.New("store unavailable")
		case 2:
			panic("a bug")
		}
		return jobs.Done(), nil
	}})
	enqueue(t, db, catalog.Job{Kind: "k"})
	eventually(t, "third try", time.Minute, func() bool { return steps.Load() == 3 })
}

func TestFailedIsTheEnd(t *testing.T) { onBoth(t, testFailedIsTheEnd) }

func testFailedIsTheEnd(t *testing.T, db *sqlstore.DB) {
	var steps atomic.Int64
	start(t, db, jobs.Handler{Kind: "k", Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
		steps.Add(1)
		return jobs.Failed(errors.New("never")), nil
	}})
	enqueue(t, db, catalog.Job{Kind: "k"})
	eventually(t, "end", time.Minute, func() bool { return count(t, db.Read, `state = 'cancelled'`) == 1 })
	if steps.Load() != 1 {
		t.Fatalf("%d steps, want 1", steps.Load())
	}
}

// While a job waits, enqueuing it again wakes it; while it runs, a second one
// is lined up, because the first may not have seen what changed.
func TestUniqueKey(t *testing.T) { onBoth(t, testUniqueKey) }

func testUniqueKey(t *testing.T, db *sqlstore.DB) {
	var steps atomic.Int64
	running, release := make(chan struct{}), make(chan struct{})
	start(t, db, jobs.Handler{Kind: "k", Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
		if steps.Add(1) == 1 {
			return jobs.Again(time.Hour), nil
		}
		running <- struct{}{}
		<-release
		return jobs.Done(), nil
	}})
	enqueue(t, db, catalog.Job{Kind: "k", UniqueKey: "a"})
	eventually(t, "first step sleeps", time.Minute, func() bool { return count(t, db.Read, `state = 'scheduled'`) == 1 })
	enqueue(t, db, catalog.Job{Kind: "k", UniqueKey: "a"})
	<-running
	if n := count(t, db.Read, `true`); n != 1 {
		t.Fatalf("%d jobs after waking, want 1", n)
	}
	again := catalog.Job{Kind: "k", UniqueKey: "a"}
	enqueue(t, db, again, again, again)
	<-running
	if n := count(t, db.Read, `true`); n != 2 {
		t.Fatalf("%d jobs, want the running one and one behind it", n)
	}
	close(release)
	eventually(t, "both end", time.Minute, func() bool { return count(t, db.Read, `state = 'completed'`) == 2 })
}

func TestUniqueKeyWaitsForItsTime(t *testing.T) { onBoth(t, testUniqueKeyWaitsForItsTime) }

func testUniqueKeyWaitsForItsTime(t *testing.T, db *sqlstore.DB) {
	later := time.Now().Add(time.Hour)
	enqueue(t, db, catalog.Job{Kind: "k", UniqueKey: "a", NotBefore: later})
	enqueue(t, db, catalog.Job{Kind: "k", UniqueKey: "a", NotBefore: later})
	if n := count(t, db.Read, `state = 'scheduled'`); n != 1 {
		t.Fatalf("%d scheduled, want 1", n)
	}
	enqueue(t, db, catalog.Job{Kind: "k", UniqueKey: "a"})
	if n := count(t, db.Read, `state = 'available'`); n != 1 {
		t.Fatalf("%d available, want the one woken", n)
	}
}

func TestStopLetsTheStepFinish(t *testing.T) { onBoth(t, testStopLetsTheStepFinish) }

func testStopLetsTheStepFinish(t *testing.T, db *sqlstore.DB) {
	running := make(chan struct{})
	stop := start(t, db, jobs.Handler{Kind: "k", Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
		close(running)
		time.Sleep(300 * time.Millisecond)
		return jobs.Done(), nil
	}})
	enqueue(t, db, catalog.Job{Kind: "k"})
	<-running
	stop()
	if n := count(t, db.Read, `state = 'completed'`); n != 1 {
		t.Fatalf("%d completed, want 1", n)
	}
}

func TestTwoHandlersOfOneKind(t *testing.T) {
	handler := jobs.Handler{Kind: "k"}
	if _, err := jobs.NewEngine(newDB(t), clock.System{}, slog.Default(), handler, handler); err == nil {
		t.Fatal("two handlers of one kind were taken")
	}
}
