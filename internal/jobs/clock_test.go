package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/jobs"
)

// ahead is the machine's clock, and so much more.
type ahead time.Duration

func (a ahead) Now() time.Time { return clock.System{}.Now().Add(time.Duration(a)) }

// The queue goes by the engine's clock: what waits for a time, sleeps, or is to be
// tried again does so when that clock says so.
func TestQueueGoesByTheClock(t *testing.T) { onBoth(t, testQueueGoesByTheClock) }

func testQueueGoesByTheClock(t *testing.T, db *sqlstore.DB) {
	const year = 365 * 24 * time.Hour
	var slept, failed atomic.Int64
	handlers := []jobs.Handler{
		{Kind: "sleeps", Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
			slept.Add(1)
			return jobs.Again(24 * time.Hour), nil
		}},
		{Kind: "fails", Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
			if failed.Add(1) == 1 {
				return jobs.Result{}, errors.New("not now")
			}
			return jobs.Done(), nil
		}},
	}
	run := func(clk clock.Clock) (stop func()) {
		engine, err := jobs.NewEngine(db, clk, slog.New(slog.DiscardHandler), handlers...)
		if err != nil {
			t.Fatal(err)
		}
		return runEngine(t, engine)
	}
	enqueue(t, db, catalog.Job{Kind: "sleeps", NotBefore: time.Now().Add(year - time.Hour)})
	stop := run(ahead(year))
	eventually(t, "what waits for a time has run", time.Minute, func() bool { return slept.Load() == 1 })
	enqueue(t, db, catalog.Job{Kind: "fails"})
	eventually(t, "what failed was tried again", time.Minute, func() bool { return failed.Load() == 2 })
	stop()
	if n := slept.Load(); n != 1 {
		t.Fatalf("what sleeps for a day has run %d times", n)
	}
	run(ahead(year + 25*time.Hour))
	eventually(t, "what slept has run again", time.Minute, func() bool { return slept.Load() == 2 })
}
