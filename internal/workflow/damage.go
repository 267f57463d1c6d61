package workflow

import (
	"maps"
	"slices"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/inventory"
)

// markDamage marks the recovery points that a verification found damaged in a
// repository, and unmarks those that are whole. It returns the names of all that are
// damaged: one that was found earlier stays so until everything was read again.
func (t *turn) markDamage(instanceID, region string, v *verified) ([]string, error) {
	damaged := map[string]bool{}
	for _, point := range v.damaged {
		damaged[point] = true
	}
	mark := t.markReplicas
	if region == "" {
		mark = t.markPoints
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

func (t *turn) markPoints(instanceID string, judge func(string, *backup.Damage) *backup.Damage) error {
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

func (t *turn) markReplicas(instanceID string, judge func(string, *backup.Damage) *backup.Damage) error {
	replicas, err := inventory.Replicas.Below(t.tx, instanceID)
	if err != nil {
		return err
	}
	for i := range replicas {
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
