package workflow

import (
	"context"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/objstore"
)

// A vault whose location is paired with another region than before is replicated into
// that one from the beginning. What lies in the store of the region it has left goes
// once everything is in the new one, as long as this service has that store; else it
// is its owner's to delete.

// move enters that replicas are to be made in another region than they were: as if
// there were none yet. Those whose recovery points are gone have nothing to be made
// of, and are forgotten. It returns the regions which this instance has left.
func (t *turn) move(instanceID, region string, replicas map[string]*dueReplica) ([]string, error) {
	care, err := inventory.CareOf(t.tx, instanceID)
	if err != nil {
		return nil, err
	}
	left := care.Settle(region)
	for key, r := range replicas {
		if backup.SameRegion(r.Region, region) {
			continue
		}
		left = care.Leave(r.Region) || left
		if r.orphan {
			delete(replicas, key)
			if err := gone(inventory.Replicas.Delete(t.tx, r.ID)); err != nil {
				return nil, err
			}
			continue
		}
		r.Move(region, t.now)
		r.changed = true
	}
	if left {
		err = inventory.Cares.Put(t.tx, care)
	}
	return care.LeftRegions, err
}

// leaveRegions deletes what an instance has in the regions that it has left.
func (w *Workflow) leaveRegions(ctx context.Context, todo replication) (jobs.Result, error) {
	for _, region := range todo.left {
		result, err := w.leaveRegion(ctx, todo.at, region)
		if ctx.Err() != nil {
			return jobs.Result{}, ctx.Err()
		}
		if err != nil {
			w.Log.Warn("what was replicated is not removed yet", "instance", todo.at.InstanceID, "region", region, "error", err)
			return jobs.Again(containerRetry), nil
		}
		if result != jobs.Done() {
			return result, nil
		}
	}
	return jobs.Done(), nil
}

func (w *Workflow) leaveRegion(ctx context.Context, at *backup.VaultedPoint, region string) (jobs.Result, error) {
	if bucket, known := w.Replicas[region]; known {
		if result, err := w.emptyReplica(ctx, bucket, at.Prefix); err != nil || result != jobs.Done() {
			return result, err
		}
	} else {
		w.Log.Warn("what was replicated stays where it is: this service has no store of that region any more", "instance", at.InstanceID, "region", region, "prefix", at.Prefix)
	}
	return jobs.Done(), w.Store.Update(ctx, func(tx catalog.Tx) error {
		care, err := inventory.CareOf(tx, at.InstanceID)
		if err != nil || !care.Settle(region) {
			return err
		}
		return inventory.Cares.Put(tx, care)
	})
}

// emptyReplica takes the end of a repository among the replicas of a region one step
// on. Its mark goes last.
func (w *Workflow) emptyReplica(ctx context.Context, bucket objstore.Store, prefix string) (jobs.Result, error) {
	result, err := w.purgeIn(ctx, objstore.Sub(bucket, prefix))
	if err == nil && result == jobs.Done() {
		err = bucket.Delete(ctx, markOf(prefix))
	}
	return result, err
}
