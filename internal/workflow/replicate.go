package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/repo"
)

// What is in a vault goes on into the paired region. The work on an instance
// compares what the catalog has in the vault with what it has replicated: it may
// be asked for at any time and cut off anywhere, and does what is missing.

const (
	replicateTime  = 50 * time.Minute // for one step; cut off, it goes on with the next
	replicateBusy  = 20 * time.Second // until the next look, while others are being replicated
	replicatePause = time.Minute      // after a step in which something failed
	// replicateSlots bounds how many instances are replicated at a time, and with
	// that memory and what the stores are asked.
	replicateSlots = 2
	// orphanStay is how long a replica without an end stays when its recovery point
	// was deleted.
	orphanStay = 14 * 24 * time.Hour
)

// replica names the replica of an instance among what can be claimed.
func replica(instanceID string) string { return "replica " + backup.Key(instanceID) }

func (w *Workflow) replicator() jobs.Handler {
	handler := w.handler(backup.WorkReplicate, w.replicate)
	handler.Timeout = replicateTime
	return handler
}

// replication is what there is to do for an instance.
type replication struct {
	at      *backup.VaultedPoint // in the store of the region
	pending []backup.Replica     // the oldest first
	expired []backup.Replica     // whose recovery points are gone, and their time is over
	left    []string             // regions that hold what was replicated there before
}

// enqueueReplicate asks for an instance to be replicated, if its vault is.
func (t *turn) enqueueReplicate(instanceID string) error {
	return inventory.Enqueue(t.tx, backup.Work{Kind: backup.WorkReplicate, Subject: instanceID})
}

// replicateVault asks for every instance of a vault to be replicated.
func (w *Workflow) replicateVault(ctx context.Context, work backup.Work) (jobs.Result, error) {
	err := w.inPages(ctx, func(tx catalog.Tx, after string) (string, error) {
		instances, next, err := inventory.Instances.Page(tx, work.Subject, after, 200)
		for i := range instances {
			err = errors.Join(err, (&turn{tx: tx}).enqueueReplicate(instances[i].ID))
		}
		return next, err
	})
	return jobs.Done(), err
}

// replicateVaults asks for every vault that is replicated: what was missed, or
// became due by a change of the configuration, is found, and what has expired goes.
func (w *Workflow) replicateVaults(ctx context.Context) error {
	if len(w.Replicas) == 0 {
		return nil
	}
	return w.Store.Update(ctx, func(tx catalog.Tx) error {
		vaults, err := inventory.Vaults.Below(tx, "")
		for i := range vaults {
			if vaults[i].ReplicaRegion(w.Regions) != "" {
				err = errors.Join(err, inventory.Enqueue(tx, backup.Work{Kind: backup.WorkReplicateVault, Subject: vaults[i].ID}))
			}
		}
		return err
	})
}

// replicate takes the replication of an instance one step on.
func (w *Workflow) replicate(ctx context.Context, work backup.Work) (jobs.Result, error) {
	var todo replication
	_, err := w.take(ctx, work, func(t *turn) (_ jobs.Result, err error) {
		todo, err = t.replication(w.Regions)
		return jobs.Done(), err
	})
	if err != nil || len(todo.pending)+len(todo.expired)+len(todo.left) == 0 {
		return jobs.Done(), err
	}
	release, ok := w.claim(ctx, &w.replicating, replica(work.Subject), replicateSlots)
	if !ok {
		return jobs.Again(replicateBusy), nil
	}
	defer release()
	var failed error
	if len(todo.pending)+len(todo.expired) > 0 {
		failed = w.carryOver(ctx, todo)
	}
	if ctx.Err() != nil {
		return jobs.Result{}, ctx.Err()
	}
	if failed != nil {
		w.Log.Warn("replication is tried again", "instance", work.Subject, "region", todo.at.Region, "error", failed)
		return jobs.Again(replicatePause), nil
	}
	return w.leaveRegions(ctx, todo)
}

// replication compares, enters what has become due, and returns what is to be done.
func (t *turn) replication(regions backup.Regions) (todo replication, err error) {
	instance, err := inventory.Instances.Get(t.tx, t.work.Subject)
	if err != nil {
		return todo, gone(err) // its replicas went with it
	}
	vault, err := inventory.Vaults.Get(t.tx, instance.VaultID())
	if err != nil {
		return todo, gone(err)
	}
	region := vault.ReplicaRegion(regions)
	if region == "" {
		return todo, nil
	}
	if todo.at, err = vaultOf(t.tx, instance); err != nil {
		return todo, err
	}
	todo.at.Region = region
	replicas, err := t.dueReplicas(instance.ID, todo.at)
	if err != nil {
		return todo, err
	}
	if todo.left, err = t.move(instance.ID, region, replicas); err != nil {
		return todo, err
	}
	for key, r := range replicas {
		switch {
		case r.orphan && !r.Expires.After(t.now):
			todo.expired = append(todo.expired, r.Replica)
		case !r.orphan && r.Done.IsZero():
			todo.pending = append(todo.pending, r.Replica)
		}
		if r.changed {
			one := replicas[key].Replica
			if err := inventory.Replicas.Put(t.tx, &one); err != nil {
				return todo, err
			}
		}
	}
	slices.SortFunc(todo.pending, func(a, b backup.Replica) int { return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID)) })
	return todo, nil
}

// dueReplica is a replica, there or to be made, and how it compares.
type dueReplica struct {
	backup.Replica
	orphan  bool // its recovery point is not in the vault any more
	changed bool // and to be written
}

// dueReplicas joins the recovery points of an instance that are in the vault with
// its replicas.
func (t *turn) dueReplicas(instanceID string, at *backup.VaultedPoint) (map[string]*dueReplica, error) {
	known, err := inventory.Replicas.Below(t.tx, instanceID)
	if err != nil {
		return nil, err
	}
	points, err := inventory.RecoveryPoints.Below(t.tx, instanceID)
	if err != nil {
		return nil, err
	}
	all := map[string]*dueReplica{}
	for i := range known {
		all[backup.Key(known[i].ID)] = &dueReplica{Replica: known[i], orphan: true}
	}
	for i := range points {
		store, vaulted := points[i].Store(backup.TierVault)
		if !vaulted {
			continue
		}
		r := all[backup.Key(points[i].ID)]
		if r == nil {
			r = &dueReplica{changed: true, Replica: backup.Replica{Meta: backup.Meta{ID: points[i].ID}, Region: at.Region,
				Prefix: at.Prefix, Time: points[i].Time, Due: store.Created, Expires: store.Expires}}
			all[backup.Key(points[i].ID)] = r
		}
		r.orphan = false
		if !r.Expires.Equal(store.Expires) {
			r.Expires, r.changed = store.Expires, true
		}
	}
	for _, r := range all {
		if r.orphan && r.Expires.IsZero() {
			r.Expires, r.changed = t.now.Add(orphanStay), true
		}
	}
	return all, nil
}

// carryOver does what there is to do outside of the catalog. One recovery point
// that fails does not stop the others.
func (w *Workflow) carryOver(ctx context.Context, todo replication) error {
	to, err := w.openReplica(ctx, todo.at)
	if err != nil {
		return errors.Join(err, w.noteReplicas(ctx, todo.pending, err))
	}
	defer func() { _ = to.Close() }() // what counts is stored
	failed := []error{w.copyPending(ctx, to, todo)}
	for _, r := range todo.expired {
		failed = append(failed, w.dropReplica(ctx, to, r, todo.at))
	}
	return errors.Join(failed...)
}

func (w *Workflow) copyPending(ctx context.Context, to *repo.Repository, todo replication) error {
	if len(todo.pending) == 0 {
		return nil
	}
	own := *todo.at
	own.Region = ""
	from, err := w.openVaulted(ctx, &own)
	if err != nil {
		return errors.Join(err, w.noteReplicas(ctx, todo.pending, err))
	}
	defer func() { _ = from.Close() }() // nothing was written through it
	var failed []error
	for i := range todo.pending {
		if ctx.Err() != nil {
			break
		}
		r := todo.pending[i]
		stats, err := repo.Replicate(ctx, from, to, r.Name(), repo.ReplicateOptions{})
		if err != nil {
			failed = append(failed, err, w.noteReplicas(ctx, todo.pending[i:i+1], err))
			continue
		}
		failed = append(failed, w.changeReplica(ctx, r, func(r *backup.Replica) {
			r.Done, r.Bytes, r.Problem, r.Damage = w.Clock.Now(), stats.BytesStored, nil, nil
		}))
	}
	return errors.Join(failed...)
}

// noteReplicas keeps why recovery points could not be replicated, for people.
func (w *Workflow) noteReplicas(ctx context.Context, replicas []backup.Replica, why error) error {
	var failed []error
	for _, r := range replicas {
		failed = append(failed, w.changeReplica(ctx, r, func(r *backup.Replica) {
			r.Problem = backup.NewProblem(reasonOf(why), r.ID, "recovery point %s could not be replicated into %s: %v", r.Name(), r.Region, why)
		}))
	}
	return errors.Join(failed...)
}

// changeReplica writes a replica that is still wanted where it was.
func (w *Workflow) changeReplica(ctx context.Context, was backup.Replica, change func(*backup.Replica)) error {
	if ctx.Err() != nil {
		return nil // the next step sees for itself
	}
	return w.Store.Update(ctx, func(tx catalog.Tx) error {
		r, err := inventory.Replicas.Get(tx, was.ID)
		if err != nil || r.Region != was.Region {
			return gone(err)
		}
		change(r)
		return inventory.Replicas.Put(tx, r)
	})
}

// dropReplica deletes the replica of a recovery point that is gone.
func (w *Workflow) dropReplica(ctx context.Context, in *repo.Repository, r backup.Replica, at *backup.VaultedPoint) error {
	if err := in.DeleteManifest(ctx, r.Name()); err != nil {
		return fmt.Errorf("delete replica %s: %w", r.ID, err)
	}
	return w.Store.Update(ctx, func(tx catalog.Tx) error {
		if err := gone(inventory.Replicas.Delete(tx, r.ID)); err != nil {
			return err
		}
		return (&turn{tx: tx, now: w.Clock.Now()}).enqueueCollectAt(at, w.Clock.Now().Add(collectDelay))
	})
}
