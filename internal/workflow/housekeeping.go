package workflow

import (
	"context"
	"encoding/json"
	"time"

	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/operations"
)

// KindHousekeeping is the kind of the job that forgets what nobody asks for
// any more. It is enqueued once, at start, and never ends.
const KindHousekeeping = "housekeeping"

const (
	housekeepingPause = time.Hour
	// keepOperations is how long the operations of the API can be asked for.
	keepOperations = 7 * 24 * time.Hour
	// keepErrands is how long an agent may repeat that it has finished.
	keepErrands = 7 * 24 * time.Hour
)

// StartHousekeeping enqueues the housekeeping, once.
func StartHousekeeping(ctx context.Context, store catalog.Store) error {
	return startForGood(ctx, store, KindHousekeeping)
}

// startForGood enqueues the one job of a kind that never ends.
func startForGood(ctx context.Context, store catalog.Store, kind string) error {
	return store.Update(ctx, func(tx catalog.Tx) error {
		return tx.Enqueue(catalog.Job{Kind: kind, Args: json.RawMessage(`{}`), UniqueKey: kind})
	})
}

func (w *Workflow) housekeeping(ctx context.Context, _ json.RawMessage) (jobs.Result, error) {
	now := w.Clock.Now()
	err := w.inPages(ctx, func(tx catalog.Tx, after string) (string, error) {
		return operations.Prune(tx, now.Add(-keepOperations), after)
	})
	if err != nil {
		return jobs.Result{}, err
	}
	err = w.inPages(ctx, func(tx catalog.Tx, after string) (string, error) {
		return agentops.Prune(tx, now.Add(-keepErrands), after)
	})
	if err != nil {
		return jobs.Result{}, err
	}
	if err := w.replicateVaults(ctx); err != nil {
		return jobs.Result{}, err
	}
	// A process that hung and was relieved ends the job that another has taken over:
	// the queue tells them apart by their job alone. Starts must not end with it.
	if err := StartSchedule(ctx, w.Store); err != nil {
		return jobs.Result{}, err
	}
	return jobs.Again(housekeepingPause), w.Store.Update(ctx, w.Enrolments.Prune)
}

// inPages runs a pruning to its end, each page in a transaction of its own so
// that others are not held up.
func (w *Workflow) inPages(ctx context.Context, prune func(tx catalog.Tx, after string) (string, error)) error {
	after, next := "", ""
	for {
		err := w.Store.Update(ctx, func(tx catalog.Tx) (err error) {
			next, err = prune(tx, after) // after stays: the transaction may be run again
			return err
		})
		if after = next; err != nil || after == "" {
			return err
		}
	}
}
