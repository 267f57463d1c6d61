package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// errKilled is what a killed process panics with.
var errKilled = errors.New("killed")

// mortal is a store whose process is killed around its nth update: before it
// commits, or after, when the caller does not learn of it any more.
type mortal struct {
	catalog.Store
	left  int
	after bool
}

func (m *mortal) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	m.left--
	if m.left != 0 {
		return m.Store.Update(ctx, fn)
	}
	if m.after {
		if err := m.Store.Update(ctx, fn); err != nil {
			return err
		}
	} else {
		_ = m.Store.Update(ctx, func(tx catalog.Tx) error { return errors.Join(fn(tx), errKilled) })
	}
	panic(errKilled)
}

// Killed around any of its transactions, work goes on after a restart and ends
// as if nothing had happened: the same documents, and every operation handed
// to the cluster once.
func TestKilledAtEveryTransaction(t *testing.T) {
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				deaths := 0
				for _, after := range []bool{false, true} {
					w := newWorld(t)
					store := &mortal{Store: w.store, left: n, after: after}
					w.face = store
					w.revive()
					scene(t, w)
					if store.left <= 0 {
						deaths++
					}
					for id, times := range w.asked {
						if times != 1 {
							t.Errorf("killed at update %d (after=%v): operation %s was handed out %d times", n, after, id, times)
						}
					}
				}
				if deaths == 0 {
					if n < 3 {
						t.Fatalf("the scene has only %d updates", n-1)
					}
					return
				}
			}
		})
	}
}

// scenes are pieces of work with what must be true at their end.
var scenes = map[string]func(*testing.T, *world){
	"vault":          vaultScene,
	"missed vault":   missedVaultScene,
	"delete vaulted": deleteVaultedScene,
	"expire":         expireScene,
	"staged restore": stagedScene,
	"backup": func(t *testing.T, w *world) {
		job := w.startJob("j1", backup.JobBackup)
		w.turns(w.ended(job.OperationID))
		if r := w.record(job.OperationID); r.Status != operations.Succeeded || string(r.Result) != string(operations.JobInfo(job.ID)) {
			t.Fatalf("operation = %+v", r)
		}
		if j := w.job(job.ID); j.Status != backup.JobCompleted || j.Tasks[0].Status != backup.JobCompleted || j.Details["bytesStored"] != "42" {
			t.Fatalf("job = %+v", j)
		}
		points := w.points()
		if len(points) != 1 || points[0].Name() != pointID || points[0].Tag != "Default" || !points[0].Expires.Equal(begin.AddDate(0, 0, 7)) {
			t.Fatalf("recovery points = %+v", points)
		}
	},
	"restore": func(t *testing.T, w *world) {
		w.addPoint()
		job := w.startJob("j1", backup.JobRestore)
		w.turns(w.ended(job.OperationID))
		if j := w.job(job.ID); j.Status != backup.JobCompleted || j.Details["created"] != "3" {
			t.Fatalf("job = %+v", j)
		}
	},
	"configure": func(t *testing.T, w *world) {
		w.update(func(tx catalog.Tx) error { return w.startConfigure(tx) })
		w.turns(w.ended("op"))
		if i := w.instance(); i.Protection != backup.ProtectionConfigured || i.State != backup.StateSucceeded || i.Error != nil {
			t.Fatalf("instance = %+v", i)
		}
		if _, err := w.ring.Key(t.Context(), uid); err != nil {
			t.Fatalf("no repository key: %v", err)
		}
	},
	"delete": func(t *testing.T, w *world) {
		w.addPoint()
		w.update(func(tx catalog.Tx) error { return w.startDelete(tx) })
		w.turns(w.ended("op"))
		if r := w.record("op"); r.Status != operations.Succeeded || w.instance() != nil || len(w.points()) != 0 {
			t.Fatalf("operation = %+v, instance %v, points %v", r, w.instance(), w.points())
		}
		if _, err := w.ring.Key(t.Context(), uid); !errors.Is(err, catalog.ErrNotFound) {
			t.Fatalf("the repository key is still there: %v", err)
		}
	},
	"soft delete and purge": func(t *testing.T, w *world) {
		w.addPoint()
		w.update(func(tx catalog.Tx) error {
			p, err := inventory.RecoveryPoints.Get(tx, instID+"/recoveryPoints/"+pointID)
			if err != nil {
				return err
			}
			p.AddStore(backup.RecoveryStore{Tier: backup.TierVault, Prefix: vaultAt})
			return inventory.RecoveryPoints.Put(tx, p)
		})
		w.startSoftDelete(14)
		w.turns(w.ended("op"))
		if r := w.record("op"); r.Status != operations.Succeeded || w.instance() != nil || w.deleted() == nil || len(w.points()) != 1 {
			t.Fatalf("operation = %+v, instance %v, deleted %v", r, w.instance(), w.deleted())
		}
		w.clock.Advance(15 * 24 * time.Hour)
		w.turns(func() bool { w.clock.Advance(time.Minute); return w.deleted() == nil && w.idle() })
		if len(w.points()) != 0 {
			t.Fatalf("points %v", w.points())
		}
	},
}

func (w *world) startConfigure(tx catalog.Tx) error {
	i, err := inventory.Instances.Get(tx, instID)
	if err != nil {
		return err
	}
	i.Protection, i.State, i.OperationID = backup.ConfiguringProtection, backup.StateProvisioning, "op"
	return errors.Join(w.operation(tx, "op"), inventory.Instances.Put(tx, i),
		inventory.Enqueue(tx, backup.Work{Kind: backup.WorkConfigureInstance, Subject: instID, OperationID: "op"}))
}

func (w *world) startDelete(tx catalog.Tx) error {
	i, err := inventory.Instances.Get(tx, instID)
	if err != nil {
		return err
	}
	i.State, i.OperationID = backup.StateDeleting, "op"
	return errors.Join(w.operation(tx, "op"), inventory.Instances.Put(tx, i),
		inventory.Enqueue(tx, backup.Work{Kind: backup.WorkDeleteInstance, Subject: instID, OperationID: "op"}))
}

// A step taken twice by two workers at once does its work once.
func TestStepsMayBeDoubled(t *testing.T) {
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.face = doubled{w.store}
			w.revive()
			scene(t, w)
			for id, times := range w.asked {
				if times != 1 {
					t.Errorf("operation %s was handed out %d times", id, times)
				}
			}
		})
	}
}

// doubled runs every update twice, as a repeated step would.
type doubled struct{ catalog.Store }

func (d doubled) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	if err := d.Store.Update(ctx, fn); err != nil {
		return err
	}
	if err := d.Store.Update(ctx, fn); err != nil && !errors.Is(err, catalog.ErrConflict) {
		return fmt.Errorf("repeated: %w", err)
	}
	return nil
}
