package workflow

import (
	"context"
	"errors"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
)

// A cluster that is cut off for a week may come back all the same; it finds the
// order to discard then.
var discardPatience = patience{whole: 30 * 24 * time.Hour, silence: 30 * 24 * time.Hour}

// enqueueDiscard asks for the end of what a backup that did not succeed may
// have left, or may still write when it was given up: a recovery point that
// the catalog does not know, and its snapshots.
func (t *turn) enqueueDiscard(job *backup.Job) error {
	if job.Kind != backup.JobBackup {
		return nil
	}
	return inventory.Enqueue(t.tx, backup.Work{Kind: backup.WorkDiscard, Subject: job.ID})
}

// discard lets the cluster delete the recovery point of a backup job, or make
// it void. Nobody waits for it; with the instance goes the key, and with that
// the need.
func (w *Workflow) discard(ctx context.Context, work backup.Work) (jobs.Result, error) {
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		e, err := t.discardErrand()
		if errors.Is(err, catalog.ErrNotFound) {
			return jobs.Done(), nil
		}
		if err != nil {
			return jobs.Result{}, err
		}
		o, err := t.drive(e)
		if err != nil || o.State != agentops.Finished {
			return jobs.Again(lookAgain), err
		}
		return jobs.Done(), nil
	})
}

// discardErrand is the operation that discards what the backup operation of a
// job was to write, in the place it was given. Once posted it stands alone.
func (t *turn) discardErrand() (errand, error) {
	posted, err := agentops.Get(t.tx, agentops.NewID(discardName(t.work.Subject), string(agentv1.KindDeleteRecoveryPoint)))
	if err == nil || !errors.Is(err, catalog.ErrNotFound) {
		return errand{Operation: posted, started: posted.Created, patience: discardPatience}, err
	}
	job, err := inventory.Jobs.Get(t.tx, t.work.Subject)
	if err != nil {
		return errand{}, err
	}
	instance, err := inventory.Instances.Get(t.tx, job.InstanceID)
	if err != nil {
		return errand{}, err
	}
	asked, err := agentops.Get(t.tx, jobOperation(job))
	if err != nil {
		return errand{}, err
	}
	o, err := newOperation(discardName(job.ID), asked.ClusterID, agentv1.KindDeleteRecoveryPoint, agentv1.DeleteRecoveryPoint{
		InstanceID: job.InstanceID, RecoveryPointID: job.RecoveryPointID, Void: true,
		Repository: agentv1.RepositoryGrant{Prefix: prefixOf(instance.UID)},
	})
	o.Refs = asked.Refs
	return errand{Operation: o, started: t.now, patience: discardPatience}, err
}

func discardName(jobID string) string { return jobID + " discard" }
