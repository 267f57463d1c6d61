package workflow_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// startSoftDelete asks for the deletion as the doors do under soft delete.
func (w *world) startSoftDelete(days float64) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, instID)
		if err != nil {
			return err
		}
		i.Deletion = &backup.Deletion{Asked: w.clock.Now(), ActivityID: "a", KeepDays: days}
		return errors.Join(inventory.Instances.Put(tx, i), w.startDelete(tx))
	})
}

func (w *world) deleted() (d *backup.DeletedInstance) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) {
		if d, err = inventory.Deleted.Get(tx, backup.DeletedID(instID)); errors.Is(err, catalog.ErrNotFound) {
			d, err = nil, nil
		}
		return err
	})
	return d
}

// softDeleted is a world with an instance that was backed up into the vault
// and deleted.
func softDeleted(t *testing.T) *world {
	t.Helper()
	w := newVaultWorld(t)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.startSoftDelete(14)
	w.turns(w.ended("op"))
	return w
}

// A deleted instance is gone from the cluster, and kept in the vault with its keys.
func TestSoftDeleteKeepsTheVault(t *testing.T) {
	w := newVaultWorld(t)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	removed := 0
	w.answer = ofKind(agentv1.KindDeleteRecoveryPoint, func(o agentv1.Operation) agentv1.FinishRequest {
		removed++
		return succeed(o)
	}, w.answer)
	w.startSoftDelete(14)
	w.turns(w.ended("op"))
	if r := w.record("op"); r.Status != operations.Succeeded || removed != 1 || w.instance() != nil {
		t.Fatalf("%+v, %d removed in the cluster, instance %v", r, removed, w.instance())
	}
	points := w.points()
	if len(points) != 1 || len(points[0].Stores) != 1 || points[0].Stores[0].Tier != backup.TierVault || points[0].State == backup.StateDeleting {
		t.Fatalf("points: %+v", points)
	}
	if d := w.deleted(); d == nil || !d.Purge.Equal(d.Deleted.AddDate(0, 0, 14)) || d.Instance.UID != uid {
		t.Fatalf("%+v", d)
	}
	if got := w.stateInVault(pointID); got != "there" {
		t.Errorf("in the vault: %s", got)
	}
}

// When its days are over nothing is left of it: no document, no key, no object.
func TestSoftDeletedIsPurgedWhenItsDaysAreOver(t *testing.T) {
	w := softDeleted(t)
	w.clock.Advance(14*24*time.Hour - time.Minute)
	w.revive() // the service may be started anew meanwhile
	for range 5 {
		w.turns(func() bool { return true })
	}
	if w.deleted() == nil || len(w.names()) == 0 {
		t.Fatal("it went before its days were over")
	}
	w.clock.Advance(time.Minute)
	w.turns(func() bool { w.clock.Advance(time.Minute); return w.deleted() == nil && w.idle() })
	if names := w.names(); len(names) != 0 || len(w.points()) != 0 {
		t.Errorf("left in the vault: %v, points %v", names, w.points())
	}
	for _, name := range []string{uid, "vault-" + uid} {
		if _, err := w.ring.Key(t.Context(), name); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("key %s: %v", name, err)
		}
	}
}

// An instance that was undeleted is not purged, and can be backed up again into
// the repositories it had.
func TestUndeletedIsNotPurged(t *testing.T) {
	w := softDeleted(t)
	w.update(func(tx catalog.Tx) error {
		d, err := inventory.Deleted.Get(tx, backup.DeletedID(instID))
		if err != nil {
			return err
		}
		i, problem := d.Undeleted()
		if problem != nil {
			return problem
		}
		if problem := i.Step(backup.EventResume); problem != nil {
			return problem
		}
		return errors.Join(inventory.Deleted.Delete(tx, d.ID), inventory.Instances.Put(tx, i))
	})
	w.clock.Advance(15 * 24 * time.Hour)
	w.turns(w.idle)
	if w.instance() == nil || len(w.points()) != 1 || w.stateInVault(pointID) != "there" {
		t.Fatalf("points %v, in the vault: %s", w.points(), w.stateInVault(pointID))
	}
	w.update(func(tx catalog.Tx) error {
		c, err := inventory.Connections.Get(tx, backup.ConnectionID(clusterID, backup.RoleExtension))
		if err != nil {
			return err
		}
		c.LastSeen = w.clock.Now()
		return inventory.Connections.Put(tx, c)
	})
	next := strings.Repeat("2", 32)
	job := w.startJob("j2", backup.JobBackup)
	w.update(func(tx catalog.Tx) error {
		job.RecoveryPointID = next
		return inventory.Jobs.Put(tx, job)
	})
	w.turns(w.ended(job.OperationID))
	if j := w.job(job.ID); j.Status != backup.JobCompleted || w.stateInVault(next) != "there" {
		t.Errorf("%s %+v, in the vault: %s", j.Status, j.Problem, w.stateInVault(next))
	}
}

// Without soft delete, and without anything in the vault, all goes at once.
func TestNothingToKeep(t *testing.T) {
	for name, c := range map[string]struct {
		days    float64
		vaulted bool
	}{"off": {0, true}, "operational only": {14, false}} {
		t.Run(name, func(t *testing.T) {
			w := newVaultWorld(t)
			if c.vaulted {
				w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
			} else {
				w.addPoint()
			}
			w.startSoftDelete(c.days)
			w.turns(func() bool { w.clock.Advance(time.Minute); return w.ended("op")() && w.idle() })
			if w.instance() != nil || w.deleted() != nil || len(w.points()) != 0 || len(w.names()) != 0 {
				t.Errorf("left: %v, %v, %v", w.deleted(), w.points(), w.names())
			}
		})
	}
}

// A deletion that fails leaves an instance that is not on its way out.
func TestFailedSoftDelete(t *testing.T) {
	w := newVaultWorld(t)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.answer = failing(false)
	w.startSoftDelete(14)
	w.turns(w.ended("op"))
	if i := w.instance(); i == nil || i.Deletion != nil || i.ShownProtection() != backup.ProtectionConfigured || w.deleted() != nil {
		t.Errorf("%+v", i)
	}
}
