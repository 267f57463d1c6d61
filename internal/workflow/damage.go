package workflow

import (
	"errors"
	"maps"
	"slices"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/repo"
)

// markDamage marks the recovery points that a verification found damaged in a
// repository, and unmarks those that are whole. It returns the names of all that are
// damaged: one that was found earlier stays so until everything was read again.
func (t *turn) markDamage(instanceID, region string, v *verified) ([]string, error) {
	damaged := map[string]bool{}
	for _, point := range v.damaged {
		damaged[point] = true
	}
	mark := func(instanceID string, judge judgement) error { return t.markReplicas(instanceID, region, judge) }
	if region == "" {
		mark = t.markPoints
	} else if !v.dry {
		if err := t.missReplicas(instanceID, v); err != nil {
			return nil, err
		}
	}
	err := mark(instanceID, func(point string, old *backup.Damage) *backup.Damage {
		found := v.damage[point]
		if found != nil {
			found.Found = t.now
		}
		now := found.After(old, v.readAll)
		if now != nil {
			damaged[point] = true
		}
		return now
	})
	return slices.Sorted(maps.Keys(damaged)), err
}

// missReplicas enters that replicas are not there any more, so that they are made
// anew: until then they count as on their way, for as long as they have been missing.
func (t *turn) missReplicas(instanceID string, v *verified) error {
	missed := false
	for point, why := range v.absent {
		if !errors.Is(why, repo.ErrNoRecoveryPoint) && !errors.Is(why, repo.ErrNoRepository) {
			continue // something is in its place
		}
		id := instanceID + "/recoveryPoints/" + point
		source, err := inventory.RecoveryPoints.Get(t.tx, id)
		if errors.Is(err, catalog.ErrNotFound) || err == nil && source.Place(backup.TierVault) == nil {
			continue // there is nothing to make it of
		}
		if err != nil {
			return err
		}
		r, err := inventory.Replicas.Get(t.tx, id)
		if err != nil {
			return err // it was listed a moment ago; the step is taken again
		}
		missed, r.Done, r.Due = true, time.Time{}, t.now
		r.Problem = backup.NewProblem(backup.CodeVaultPointMissing, r.ID, "the replica of recovery point %s was missing in %s", point, r.Region)
		if err := inventory.Replicas.Put(t.tx, r); err != nil {
			return err
		}
	}
	if !missed {
		return nil
	}
	return t.enqueueReplicate(instanceID)
}

// judgement says how damaged a recovery point is, which was so before.
type judgement func(point string, old *backup.Damage) *backup.Damage

func (t *turn) markPoints(instanceID string, judge judgement) error {
	points, err := inventory.RecoveryPoints.Below(t.tx, instanceID)
	if err != nil {
		return err
	}
	for i := range points {
		place := points[i].Place(backup.TierVault)
		if place == nil {
			continue
		}
		old := place.Damage
		if place.Damage = judge(points[i].Name(), old); place.Damage.Same(old) {
			continue
		}
		if err := inventory.RecoveryPoints.Put(t.tx, &points[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) markReplicas(instanceID, region string, judge judgement) error {
	replicas, err := inventory.Replicas.Below(t.tx, instanceID)
	if err != nil {
		return err
	}
	for i := range replicas {
		if !backup.SameRegion(replicas[i].Region, region) { // they have moved meanwhile
			continue
		}
		old := replicas[i].Damage
		if replicas[i].Damage = judge(replicas[i].Name(), old); replicas[i].Damage.Same(old) {
			continue
		}
		if err := inventory.Replicas.Put(t.tx, &replicas[i]); err != nil {
			return err
		}
	}
	return nil
}
