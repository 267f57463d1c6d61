package workflow

import (
	"context"
	"errors"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
)

// What an instance leaves in storage containers. While it lives the cluster
// writes there; when it is gone the service, which has the key of the storage
// account, removes what is left.

// containerRetry is the pause after a container could not be reached.
const containerRetry = 15 * time.Minute

// remember notes that a container is about to hold an instance's operational
// repository: the extension may be given another one later.
func (w *Workflow) remember(ctx context.Context, i *backup.Instance, containerID string) error {
	known := false
	err := w.Store.View(ctx, func(tx catalog.Tx) error {
		care, err := inventory.CareOf(tx, i.ID)
		known = err == nil && !care.Remember(containerID)
		return err
	})
	if err != nil || known {
		return err
	}
	return w.Store.Update(ctx, func(tx catalog.Tx) error {
		care, err := inventory.CareOf(tx, i.ID)
		if err != nil {
			return err
		}
		care.Remember(containerID)
		return inventory.Cares.Put(tx, care)
	})
}

// purgeContainers orders the end of the operational repository of an instance
// whose key is destroyed, wherever it lies or lay, and forgets where.
func (t *turn) purgeContainers(i *backup.Instance) error {
	care, err := inventory.CareOf(t.tx, i.ID)
	if err != nil {
		return err
	}
	current, err := containerOf(t.tx, i.Datasource.ID) // of instances made before containers were noted
	if _, unknown := backup.AsProblem(err); err != nil && !unknown {
		return err
	}
	if current != "" {
		care.Remember(current)
	}
	for _, container := range care.Containers {
		job, err := inventory.JobOf(backup.Work{Kind: backup.WorkPurgeContainer, Subject: container, Prefix: prefixOf(i.UID)})
		if err != nil {
			return err
		}
		job.UniqueKey += " " + i.UID
		if err := t.tx.Enqueue(job); err != nil {
			return err
		}
	}
	return gone(inventory.Cares.Delete(t.tx, i.ID))
}

// purgeContainer deletes everything of an operational repository whose instance
// is gone.
func (w *Workflow) purgeContainer(ctx context.Context, work backup.Work) (jobs.Result, error) {
	return w.empty(ctx, work.Subject, work.Prefix, "what a deleted backup instance left")
}

// empty deletes everything below a prefix in a container; what says, for the log,
// what it is. A container that is not known any more, or not there, has nothing.
func (w *Workflow) empty(ctx context.Context, containerID, prefix, what string) (jobs.Result, error) {
	at, err := w.locate(ctx, containerID)
	if problem, unknown := backup.AsProblem(err); unknown {
		w.Log.Warn(what+" cannot be removed", "container", containerID, "prefix", prefix, "error", problem)
		return jobs.Done(), nil
	}
	if err != nil {
		return jobs.Result{}, err
	}
	bucket, err := w.OpenContainer(ctx, location.Location(at))
	result := jobs.Done()
	if err == nil {
		result, err = w.purgeIn(ctx, objstore.Sub(bucket, prefix))
	}
	switch {
	case err == nil:
		return result, nil
	case errors.Is(err, objstore.ErrNoBucket):
		return jobs.Done(), nil
	case errors.Is(ctx.Err(), context.Canceled):
		return jobs.Result{}, err
	}
	w.Log.Warn(what+" is not removed yet", "container", containerID, "prefix", prefix, "error", err)
	return jobs.Again(containerRetry), nil
}
