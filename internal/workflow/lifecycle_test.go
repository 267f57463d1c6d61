package workflow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// A backup that was asked for before its instance was changed begins when the change
// is over, at once, and fails when that has failed.
func TestBackupWaitsUntilItsInstanceIsConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(agentv1.Operation) agentv1.FinishRequest
		ends   backup.JobStatus
	}{"well": {succeed, backup.JobCompleted}, "badly": {failing(false), backup.JobFailed}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answer = silent
			w.update(func(tx catalog.Tx) error { return w.startConfigure(tx) })
			job := w.startJob("j1", backup.JobBackup)
			w.turns(func() bool {
				return w.job(job.ID).Progress.Phase == "Waiting until the instance is configured" && len(w.asked) == 1
			})
			w.answer = c.answer
			w.clock.Advance(2 * time.Minute) // the lease runs out, the cluster takes it up again
			w.turns(w.ended(job.OperationID))
			if j := w.job(job.ID); j.Status != c.ends || c.ends == backup.JobFailed && j.Problem.Code != backup.CodeInvalidTransition {
				t.Errorf("%s: %+v", j.Status, j.Problem)
			}
		})
	}
}

// Whatever happens between the checks of a backup and its start: none starts once
// protection was stopped, and the cluster does not hear of it.
func TestNoBackupStartsOnceProtectionIsStopped(t *testing.T) {
	for at := range 4 { // before the nth transaction of the step
		w := newWorld(t)
		job := w.startJob("j1", backup.JobBackup)
		w.face = &between{Store: w.store, left: at, do: func() { w.protect(backup.ProtectionStopped) }}
		w.revive()
		w.turns(w.ended(job.OperationID))
		j := w.job(job.ID)
		switch stopped := w.instance().Protection == backup.ProtectionStopped; {
		case !stopped: // the backup had fewer transactions than this
			t.Fatalf("protection was not stopped before transaction %d", at)
		case len(w.asked) == 0 && (j.Status != backup.JobFailed || j.Problem.Code != backup.CodeInvalidTransition || len(j.Problem.Actions) == 0):
			t.Errorf("before transaction %d: %s %+v", at, j.Status, j.Problem)
		case len(w.asked) > 0 && (j.Status != backup.JobCompleted || at < 2):
			t.Errorf("before transaction %d: the cluster was asked, and the job %s", at, j.Status)
		}
	}
}

// between does something before one of the transactions that change something.
type between struct {
	catalog.Store
	left int
	do   func()
}

func (b *between) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	if b.left--; b.left == -1 {
		b.do()
	}
	return b.Store.Update(ctx, fn)
}

// deletes is what a cluster does with the deletions of two recovery points.
func (w *world) deletes(answer func(point string) agentv1.FinishRequest) {
	rest := w.answer
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		if o.Kind == agentv1.KindDeleteRecoveryPoint {
			return answer(deletion(w.t, o).RecoveryPointID)
		}
		return rest(o)
	}
}

// One recovery point that cannot be deleted ends the deletion when the others are
// over, not before: nothing goes on behind the back of an instance that stays. What was
// begun is unfit for restores, and goes with what expires.
func TestDeleteThatFailsHalfWay(t *testing.T) {
	w, _ := newExpiring(t, nil)
	for n := 1; n <= 3; n++ {
		w.backUp(n, "Default")
	}
	holding, broken := true, true
	w.deletes(func(point string) agentv1.FinishRequest {
		switch {
		case point == nth(1) && broken:
			return failing(false)(agentv1.Operation{})
		case point == nth(2) && holding:
			return agentv1.FinishRequest{}
		}
		return succeed(agentv1.Operation{})
	})
	w.update(func(tx catalog.Tx) error { return w.startDelete(tx) })
	for looked := 0; looked < 10; looked++ {
		n := 0
		w.turns(func() bool { n++; return n > 1 })
	}
	if i := w.instance(); i.State != backup.StateDeleting || w.ended("op")() {
		t.Fatalf("the deletion ended while a recovery point was being deleted: %+v", i)
	}
	holding = false
	w.clock.Advance(2 * time.Minute)
	w.turns(w.ended("op"))
	i := w.instance()
	if i == nil || i.State != backup.StateFailed || i.Error == nil || !strings.Contains(i.Error.Message, nth(1)) {
		t.Fatalf("%+v", i)
	}
	w.expectListed("1:O!")
	if p := w.points()[0]; p.State == backup.StateDeleting || p.DeletionProblem() == nil {
		t.Errorf("%+v", p)
	}
	broken = false
	w.sleep(backup.DeleteAgain + time.Minute)
	w.expectListed("")
}

// A deletion that the cluster never heard of has changed nothing there: all can be
// restored as before.
func TestDeleteThatTheClusterNeverTookUp(t *testing.T) {
	w := newWorld(t)
	w.addPoint()
	w.clusterAway = true
	w.update(func(tx catalog.Tx) error { return w.startDelete(tx) })
	w.turns(func() bool { w.clock.Advance(5 * time.Minute); return w.ended("op")() })
	if i := w.instance(); i == nil || i.State != backup.StateFailed {
		t.Fatalf("%+v", i)
	}
	if p := w.points(); len(p) != 1 || p[0].State == backup.StateDeleting || p[0].Stores[0].Going != nil {
		t.Errorf("%+v", p)
	}
}

// What is in the vault stays entered until all has gone from the cluster, also without
// soft delete: an instance that cannot be deleted has it still.
func TestFailedDeleteKeepsWhatIsInTheVault(t *testing.T) {
	for _, days := range []float64{0, 14} {
		w, _ := newExpiring(t, vaultPolicy())
		w.backUp(1, "Default")
		w.backUp(2, "Default")
		w.deletes(func(point string) agentv1.FinishRequest {
			if point == nth(2) {
				return failing(false)(agentv1.Operation{})
			}
			return succeed(agentv1.Operation{})
		})
		w.startSoftDelete(days)
		w.turns(w.ended("op"))
		w.expectListed("1:V 2:O!V")
		if i := w.instance(); i == nil || i.Deletion != nil || w.deleted() != nil || w.stateInVault(nth(1)) != "there" {
			t.Errorf("%+v, in the vault %s", i, w.stateInVault(nth(1)))
		}
	}
}

// A vault that became immutable keeps what it has, however far the deletion is: as
// long as nothing was begun all of it, later what is in the vault.
func TestVaultThatBecomesImmutableDuringADelete(t *testing.T) {
	for begun, want := range map[bool]string{false: "1:OV 2:OV", true: "1:V 2:V"} {
		w, _ := newExpiring(t, vaultPolicy())
		w.backUp(1, "Default")
		w.backUp(2, "Default")
		lock := func() {
			w.update(func(tx catalog.Tx) error {
				v, err := inventory.Vaults.Get(tx, vaultID)
				if err != nil {
					return err
				}
				v.Immutability = "Unlocked"
				return inventory.Vaults.Put(tx, v)
			})
		}
		var told []string
		w.deletes(func(point string) agentv1.FinishRequest {
			if told = append(told, point); len(told) == 1 {
				lock()
			}
			return succeed(agentv1.Operation{})
		})
		if !begun {
			lock()
		}
		w.startSoftDelete(14)
		w.turns(w.ended("op"))
		w.expectListed(want)
		if i := w.instance(); i == nil || i.State != backup.StateFailed || i.Error.Code != backup.CodeVaultImmutable || w.deleted() != nil {
			t.Errorf("begun %v: %+v", begun, i)
		}
		if begun != (len(told) == 2) {
			t.Errorf("the cluster deleted %q", told)
		}
	}
}

// Undeleting wins or comes too late, never half: what has begun to be purged is not
// brought back, and what was brought back is not purged.
func TestUndeleteWhileThePurgeIsDue(t *testing.T) {
	for name, first := range map[string]string{"undeleted first": "undelete", "purged first": "purge"} {
		t.Run(name, func(t *testing.T) {
			w := softDeleted(t)
			w.clock.Advance(15 * 24 * time.Hour)
			if first == "purge" {
				w.turns(func() bool { return w.deleted() == nil })
			}
			var refused error
			err := w.store.Update(t.Context(), func(tx catalog.Tx) error {
				d, err := inventory.Deleted.Get(tx, backup.DeletedID(instID))
				if err != nil {
					refused = err
					return nil
				}
				i, problem := d.Undeleted()
				if problem != nil {
					return problem
				}
				return errors.Join(inventory.Deleted.Delete(tx, d.ID), inventory.Instances.Put(tx, i))
			})
			if err != nil {
				t.Fatal(err)
			}
			w.turns(func() bool { w.clock.Advance(time.Minute); return w.idle() })
			there := len(w.points()) == 1 && len(w.names()) > 0
			if purged := first == "purge"; purged != errors.Is(refused, catalog.ErrNotFound) || purged == there {
				t.Errorf("refused %v, points %v, %d objects in the vault", refused, w.points(), len(w.names()))
			}
		})
	}
}
