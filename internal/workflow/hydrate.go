package workflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/repo/layout"
)

const (
	hydrateLook = time.Second     // between two looks at whether the job was called off
	hydrateTold = 2 * time.Second // between two reports of progress
)

// carryIn hydrates the recovery point of a job and returns how many bytes lie in
// the account then. What an earlier step stored is found there.
func (w *Workflow) carryIn(ctx context.Context, job *backup.Job) (int64, error) {
	source, key, id, err := w.hydrationSource(ctx, job)
	if err != nil {
		return 0, err
	}
	from, err := repo.Open(ctx, source, key)
	if err != nil {
		return 0, w.vaultUnreachable(ctx, err)
	}
	defer func() { _ = from.Close() }() // nothing was written through it
	store, to, err := w.openStaged(ctx, job.Staging, key, id)
	if err != nil {
		return 0, err
	}
	defer func() { _ = to.Close() }() // what counts is stored
	before, err := sizeOf(ctx, store)
	if err != nil {
		return 0, err
	}
	var moved, planned atomic.Int64
	moved.Store(before)
	watched, stop := w.watchHydration(ctx, job.ID, func() backup.Progress { return backup.Hydrating(moved.Load(), planned.Load()) })
	_, err = repo.Replicate(watched, from, to, job.RecoveryPointID, repo.ReplicateOptions{Progress: func(stored, more int64) {
		moved.Store(before + stored)
		if more > 0 {
			planned.Store(before + more)
		}
	}})
	stop()
	if err == nil && job.Staging.Keep {
		err = copyKeys(ctx, source, store)
	}
	if err != nil {
		return 0, err
	}
	return sizeOf(ctx, store)
}

// hydrationSource is the store of the repository that a staged restore reads, its
// key and its id.
func (w *Workflow) hydrationSource(ctx context.Context, job *backup.Job) (store objstore.Store, key repo.Key, id string, err error) {
	var instance *backup.Instance
	var at backup.RecoveryStore
	err = w.Store.View(ctx, func(tx catalog.Tx) (err error) {
		t := &turn{tx: tx}
		if instance, err = t.sourceOf(job.InstanceID, job.Restore); err == nil {
			at, err = t.storeOf(instance, job.Restore)
		}
		return err
	})
	if err != nil {
		return nil, key, "", err
	}
	bucket, err := w.storeAt(&backup.VaultedPoint{Region: job.Restore.Region})
	if err != nil {
		return nil, key, "", err
	}
	name := vaultKeyName(instance.UID)
	var raw []byte
	if job.Restore.Region == "" {
		raw, err = w.Keys.Key(ctx, name)
	} else {
		raw, err = w.replicaKey(ctx, job.Restore.Region, at.Prefix, name)
	}
	if errors.Is(err, catalog.ErrNotFound) {
		err = backup.NewProblem(backup.CodeResourceNotFound, name, "the key of repository %s does not exist any more", name)
	}
	if err == nil {
		key, err = repo.ParseKey(raw)
	}
	return objstore.Sub(bucket, at.Prefix), key, instance.UID, err
}

// openStaged opens the repository that is hydrated into, and makes it first where
// there is none: the container, and a repository with the id and key of the one in
// the vault, so that what is sealed is copied as it is. The store is tried where
// all that is written goes again.
func (w *Workflow) openStaged(ctx context.Context, s *backup.Staging, key repo.Key, id string) (objstore.Store, *repo.Repository, error) {
	at, err := w.locate(ctx, s.ContainerID)
	if err != nil {
		return nil, nil, err
	}
	if err := location.Make(ctx, location.Location(at)); err != nil {
		return nil, nil, unreachable(s.ContainerID, err)
	}
	bucket, err := w.OpenContainer(ctx, location.Location(at))
	if err != nil {
		return nil, nil, unreachable(s.ContainerID, err)
	}
	store := objstore.Sub(bucket, s.Prefix)
	to, err := repo.Open(ctx, store, key)
	if !errors.Is(err, repo.ErrNoRepository) {
		return store, to, err
	}
	if err := objstore.CheckPromises(ctx, store); err != nil {
		return nil, nil, err
	}
	if err := repo.Create(ctx, store, key, repo.CreateOptions{ID: id}); err != nil {
		return nil, nil, err
	}
	to, err = repo.Open(ctx, store, key)
	return store, to, err
}

// watchHydration keeps the progress of a job, and ends its context when the job is
// called off. stop waits until nobody looks any more.
func (w *Workflow) watchHydration(ctx context.Context, jobID string, progress func() backup.Progress) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		look := time.NewTicker(hydrateLook)
		defer look.Stop()
		for told := w.Clock.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
			if now := w.Clock.Now(); now.Sub(told) >= hydrateTold {
				told = now
				w.tellHydration(ctx, jobID, progress(), cancel)
			}
		}
	}()
	return ctx, func() { cancel(); <-done }
}

func (w *Workflow) tellHydration(ctx context.Context, jobID string, done backup.Progress, cancel func()) {
	err := w.Store.Update(ctx, func(tx catalog.Tx) error {
		job, err := inventory.Jobs.Get(tx, jobID)
		if err != nil || !hydrates(job) {
			cancel()
			return gone(err)
		}
		if done.BytesDone > job.Progress.BytesDone { // whatever was the matter
			job.Staging.TroubleSince = time.Time{}
		}
		return (&turn{tx: tx}).note(job, agentv1.Progress(done))
	})
	if err != nil && ctx.Err() == nil {
		w.Log.Debug("the progress of a job was not kept", "job", jobID, "error", err)
	}
}

// copyKeys puts the wrapped forms of a repository's key beside what is kept of it, so
// that it can be read when the catalog has forgotten it.
func copyKeys(ctx context.Context, from, to objstore.Store) error {
	for info, err := range from.List(ctx, layout.Keys) {
		if err == nil {
			err = copyObject(ctx, from, to, info)
		}
		if err != nil {
			return fmt.Errorf("copy the wrapped key: %w", err)
		}
	}
	return nil
}

func copyObject(ctx context.Context, from, to objstore.Store, info objstore.Info) error {
	body, err := from.Get(ctx, info.Name, 0, -1)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // it was read
	err = to.Put(ctx, info.Name, io.LimitReader(body, info.Size), info.Size)
	if errors.Is(err, objstore.ErrExists) {
		return nil
	}
	return err
}

// sizeOf sums up what lies in a store.
func sizeOf(ctx context.Context, store objstore.Store) (sum int64, err error) {
	for info, err := range store.List(ctx, "") {
		if err != nil {
			return 0, fmt.Errorf("list what was hydrated: %w", err)
		}
		sum += info.Size
	}
	return sum, nil
}
