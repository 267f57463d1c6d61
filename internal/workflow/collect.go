package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/repo"
)

const (
	// collectDelay is how long what nothing needs stays. Requests of that time
	// are one collection, so that there is one a day at most.
	collectDelay = 24 * time.Hour
	collectTime  = 50 * time.Minute // for one step; cut off, it goes on with the next
	collectBusy  = 15 * time.Minute // until the next look, while something is being written
)

// enqueueCollect asks for the garbage of an instance's repository in the vault
// to be collected.
func (t *turn) enqueueCollect(instanceID string) error {
	instance, err := inventory.Instances.Get(t.tx, instanceID)
	if err != nil {
		return gone(err)
	}
	at, err := vaultOf(t.tx, instance)
	if err != nil {
		return err
	}
	return t.enqueueCollectAt(at, t.now.Add(collectDelay))
}

// enqueueCollectAt asks for it in the vault, or in a region's replica of it.
func (t *turn) enqueueCollectAt(at *backup.VaultedPoint, notBefore time.Time) error {
	subject := at.Prefix
	if at.Region != "" {
		subject += " in " + at.Region
	}
	job, err := inventory.JobOf(backup.Work{Kind: backup.WorkCollect, Subject: subject, Vaulted: at})
	if err != nil {
		return err
	}
	job.NotBefore = notBefore
	if err := t.tx.Enqueue(job); err != nil {
		return fmt.Errorf("enqueue %s of %s: %w", backup.WorkCollect, at.InstanceID, err)
	}
	return nil
}

func (w *Workflow) collector() jobs.Handler {
	handler := w.handler(backup.WorkCollect, w.collect)
	handler.Timeout = collectTime
	return handler
}

// collect deletes what no recovery point of a repository needs. What can only be
// mended by somebody is told, and not tried again before the next time.
func (w *Workflow) collect(ctx context.Context, work backup.Work) (jobs.Result, error) {
	release, ok := w.claim(ctx, &w.upkeeping, place(work.Vaulted), w.Care.AtOnce)
	if !ok {
		return jobs.Again(time.Minute), nil
	}
	defer release()
	done, err := w.collectAt(ctx, work.Vaulted)
	switch {
	case errors.Is(err, repo.ErrNoRepository), errors.Is(err, catalog.ErrNotFound):
		return jobs.Done(), nil // gone with its instance
	case errors.Is(err, repo.ErrBusy):
		return jobs.Again(collectBusy), nil
	case err != nil && !hopeless(err):
		return jobs.Result{}, err
	}
	if err != nil {
		w.Log.Error("garbage in the vault cannot be collected", "instance", work.Vaulted.InstanceID, "region", work.Vaulted.Region, "error", err)
	}
	return jobs.Done(), w.noteCollected(ctx, work.Vaulted, done, err)
}

// collectAt collects the garbage of one repository.
func (w *Workflow) collectAt(ctx context.Context, at *backup.VaultedPoint) (repo.GCResult, error) {
	repository, err := w.openVaulted(ctx, at)
	if err != nil {
		return repo.GCResult{}, err
	}
	defer func() { _ = repository.Close() }() // what counts is stored
	done, err := repository.CollectGarbage(ctx, w.collectOptions(ctx, at))
	if err != nil {
		return done, fmt.Errorf("repository of %s: %w", at.InstanceID, err)
	}
	w.Log.Info("collected garbage in the vault", "instance", at.InstanceID, "region", at.Region,
		"packs", done.Deleted, "freed", done.Freed, "void", len(done.Voided), "damages", len(done.Damages))
	return done, nil
}

// collectOptions believe every writer dead that the service does not know to be
// at work.
func (w *Workflow) collectOptions(ctx context.Context, at *backup.VaultedPoint) repo.GCOptions {
	return repo.GCOptions{Dead: func(point string) bool {
		ask := w.writing
		if at.Region != "" {
			ask = w.beingReplicated
		}
		writing, err := ask(ctx, at.InstanceID, point)
		return err == nil && !writing
	}}
}

// hopeless says that trying again changes nothing.
func hopeless(err error) bool {
	return errors.Is(err, repo.ErrDamaged) || errors.Is(err, repo.ErrVersion) || errors.Is(err, repo.ErrWrongKey)
}

// noteCollected keeps how a collection ended.
func (w *Workflow) noteCollected(ctx context.Context, at *backup.VaultedPoint, done repo.GCResult, failed error) error {
	var problem *backup.Problem
	if failed != nil {
		problem = backup.NewProblem(reasonOf(failed), at.InstanceID, "garbage in %s cannot be collected: %v", placeName(at), failed)
	} else if len(done.Damages) > 0 {
		problem = backup.NewProblem(backup.CodeVaultDataDamaged, at.InstanceID, "%d damages were met when garbage was collected: %v", len(done.Damages), done.Damages[0])
	}
	return w.Store.Update(ctx, func(tx catalog.Tx) error {
		return (&turn{tx: tx, now: w.Clock.Now()}).noteCare(at.InstanceID, at.Region, func(c *backup.Condition) {
			if c.Collect.Problem = problem; failed == nil {
				c.Collect.Ended = w.Clock.Now()
			}
		})
	})
}

// writing says whether a recovery point of an instance is being copied into the
// vault. It is asked of announcements, and a job is in its second half before
// its mover announces anything.
func (w *Workflow) writing(ctx context.Context, instanceID, point string) (writing bool, err error) {
	err = w.Store.View(ctx, func(tx catalog.Tx) error {
		open, err := openJobs(tx, instanceID)
		for _, j := range open {
			writing = writing || j.Vaulting != nil && j.RecoveryPointID == point
		}
		return err
	})
	return writing, err
}
