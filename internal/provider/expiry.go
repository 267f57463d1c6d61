package provider

import (
	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// deletionTo shows the deletion of a recovery point whose time is over.
func deletionTo(g *backup.Going) *v1.PointDeletion {
	if g == nil {
		return nil
	}
	return &v1.PointDeletion{Reason: g.Reason, Attempt: g.Attempt, NextAttempt: optionalTime(g.After), Error: facing(g.Problem)}
}

// addExpiry tells, of instances below a parent, what could not be deleted.
func addExpiry(tx catalog.Tx, parent string, to []v1.Instance) error {
	failed, err := inventory.FailedDeletions(tx, parent)
	if err != nil || len(failed) == 0 {
		return err
	}
	sums := map[string]*v1.Expiry{}
	for i := range failed { // the newest first
		key := backup.Key(backup.ParentID(failed[i].ID))
		if sums[key] == nil {
			sums[key] = &v1.Expiry{RecoveryPointID: failed[i].Name(), Error: facing(failed[i].DeletionProblem())}
		}
		sums[key].Failed++
	}
	for i := range to {
		to[i].Properties.HoldfastExpiry = sums[backup.Key(to[i].ID)]
	}
	return nil
}
