package workflow

import (
	"context"
	"errors"
	"math"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
)

// The end of what a restore has hydrated. The work is asked for before anything is
// written, and waits for the end of the job, whatever that is: so nothing stays when
// the service dies at any moment.

// unstageLook is how often a job that hydrates is looked at although its end wakes
// the work.
const unstageLook = 15 * time.Minute

// enqueueUnstage asks for the end of what a job hydrates, or wakes the work that was
// asked for.
func (t *turn) enqueueUnstage(job *backup.Job) error {
	if !job.Staging.Holds() {
		return nil
	}
	return inventory.Enqueue(t.tx, backup.Work{Kind: backup.WorkUnstage, Subject: job.ID, Staging: job.Staging})
}

// unstage deletes what a restore has hydrated when its job is over, unless it is to be
// kept. What was cut off while it was hydrated is of no use to anybody, and goes.
func (w *Workflow) unstage(ctx context.Context, work backup.Work) (jobs.Result, error) {
	at, over, err := w.staged(ctx, work)
	switch {
	case err != nil || at == nil:
		return jobs.Done(), err
	case !over:
		return jobs.Again(unstageLook), nil
	}
	release, ok := w.claim(ctx, &w.hydrating, hydration(work.Subject), math.MaxInt)
	if !ok { // it was just called off
		return jobs.Again(lookAgain), nil
	}
	defer release()
	result, err := w.empty(ctx, at.ContainerID, at.Prefix, "what a restore has hydrated")
	if err != nil || result != jobs.Done() {
		return result, err
	}
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		job, err := inventory.Jobs.Get(t.tx, work.Subject)
		if err != nil || !job.Staging.Holds() {
			return jobs.Done(), gone(err)
		}
		job.Staging.Removed = t.now
		return jobs.Done(), inventory.Jobs.Put(t.tx, job)
	})
}

// staged says where something is to be deleted, nil for nowhere, and whether its job
// is over. A job that is gone, with its vault, is.
func (w *Workflow) staged(ctx context.Context, work backup.Work) (at *backup.Staging, over bool, err error) {
	err = w.Store.View(ctx, func(tx catalog.Tx) error {
		job, err := inventory.Jobs.Get(tx, work.Subject)
		if errors.Is(err, catalog.ErrNotFound) {
			at, over = work.Staging, true
			return nil
		}
		if err == nil && job.Staging.Holds() {
			at, over = job.Staging, job.Status.Terminal()
		}
		return err
	})
	return at, over, err
}
