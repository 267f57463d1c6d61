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
	return t.enqueueCollectAt(at)
}

// enqueueCollectAt asks for it in the vault, or in a region's replica of it.
func (t *turn) enqueueCollectAt(at *backup.VaultedPoint) error {
	subject := at.Prefix
	if at.Region != "" {
		subject += " in " + at.Region
	}
	job, err := inventory.JobOf(backup.Work{Kind: backup.WorkCollect, Subject: subject, Vaulted: at})
	if err != nil {
		return err
	}
	job.NotBefore = t.now.Add(collectDelay)
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

// collect deletes what no recovery point of a repository needs.
func (w *Workflow) collect(ctx context.Context, work backup.Work) (jobs.Result, error) {
	if !w.collecting.TryLock() {
		return jobs.Again(time.Minute), nil
	}
	defer w.collecting.Unlock()
	repository, err := w.openVaulted(ctx, work.Vaulted)
	if errors.Is(err, repo.ErrNoRepository) || errors.Is(err, catalog.ErrNotFound) {
		return jobs.Done(), nil // gone with its instance
	}
	if err != nil {
		return jobs.Result{}, err
	}
	defer func() { _ = repository.Close() }() // what counts is stored
	done, err := repository.CollectGarbage(ctx, repo.GCOptions{Dead: func(point string) bool {
		ask := w.writing
		if work.Vaulted.Region != "" {
			ask = w.beingReplicated
		}
		writing, err := ask(ctx, work.Vaulted.InstanceID, point)
		return err == nil && !writing
	}})
	switch {
	case errors.Is(err, repo.ErrBusy):
		return jobs.Again(collectBusy), nil
	case err != nil:
		return jobs.Result{}, fmt.Errorf("repository of %s: %w", work.Vaulted.InstanceID, err)
	}
	w.Log.Info("collected garbage in the vault", "instance", work.Vaulted.InstanceID, "region", work.Vaulted.Region,
		"packs", done.Deleted, "freed", done.Freed, "void", len(done.Voided), "damages", len(done.Damages))
	return jobs.Done(), nil
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
