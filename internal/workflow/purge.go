package workflow

import (
	"context"
	"errors"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
)

const (
	// purgeLook is how often a deleted instance is looked at, so that a clock
	// that was wrong for a while does no harm.
	purgeLook = time.Hour
	// purgePage is how many recovery points are forgotten in one step.
	purgePage = 500
)

// purgeInstance waits until the days of a deleted instance are over, then
// forgets its recovery points and its keys. One that was undeleted is none of
// its business any more.
func (w *Workflow) purgeInstance(ctx context.Context, work backup.Work) (jobs.Result, error) {
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		d, err := inventory.Deleted.Get(t.tx, work.Subject)
		if errors.Is(err, catalog.ErrNotFound) {
			return jobs.Done(), nil
		}
		if err != nil {
			return jobs.Result{}, err
		}
		if left := d.Purge.Sub(t.now); left > 0 {
			return jobs.Again(min(left, purgeLook)), nil
		}
		return t.purgeDeleted(d)
	})
}

// purgeDeleted takes the end of a deleted instance one step on. From the first
// one it cannot be undeleted.
func (t *turn) purgeDeleted(d *backup.DeletedInstance) (jobs.Result, error) {
	points, next, err := inventory.RecoveryPoints.Page(t.tx, d.Instance.ID, "", purgePage)
	if err != nil {
		return jobs.Result{}, err
	}
	for i := range points {
		if err := inventory.RecoveryPoints.Delete(t.tx, points[i].ID); err != nil {
			return jobs.Result{}, err
		}
	}
	if next != "" {
		d.State = backup.StateDeleting
		return jobs.Again(0), inventory.Deleted.Put(t.tx, d)
	}
	return jobs.Done(), errors.Join(t.forget(&d.Instance), inventory.Deleted.Delete(t.tx, d.ID))
}
