package workflow_test

import (
	"context"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/workflow"
)

// daily looks after vaults every day, by as many schedulers as there are replicas.
func (w *world) daily(replicas int) {
	w.t.Helper()
	w.care = workflow.Care{CollectEvery: 24 * time.Hour, VerifyEvery: 24 * time.Hour, VerifyData: backup.VerifyNone, AtOnce: 2}
	w.revive()
	for range replicas {
		if err := workflow.StartCare(context.Background(), w.store); err != nil {
			w.t.Fatal(err)
		}
	}
}

// settled says that nothing waits but the schedulers.
func (w *world) settled() bool {
	for _, job := range w.queue {
		if job.Kind != workflow.KindCare {
			return false
		}
	}
	return true
}

// look lets the schedulers look, and all they start come to its end.
func (w *world) look() {
	w.t.Helper()
	rounds := 0
	w.turns(func() bool { rounds++; return rounds > 2 && w.settled() })
}

// verifications are the jobs that verified the instance, all of which have ended.
func (w *world) verifications() (ended int) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) error {
		all, err := inventory.Jobs.With(tx, inventory.LabelInstance, backup.Key(instID))
		for _, j := range all {
			if j.Kind != backup.JobVerify {
				continue
			}
			if ended++; j.Status != backup.JobCompleted || j.UserTriggered {
				w.t.Errorf("%+v", j)
			}
		}
		return err
	})
	return ended
}

func TestVaultsAreLookedAfterEveryDay(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		w := vaultedWorld(t)
		w.daily(replicas)
		w.look()
		if n := w.verifications(); n != 0 {
			t.Errorf("verified %d times at the first look", n)
		}
		var last time.Time
		for day := 1; day <= 3; day++ {
			for range 24 * 6 {
				w.clock.Advance(10 * time.Minute)
				w.look()
			}
			if n := w.verifications(); n != day {
				t.Errorf("%d schedulers: verified %d times in %d days", replicas, n, day)
			}
			c := w.knownCare()
			if !c.Collect.Ended.After(last) {
				t.Errorf("not collected on day %d: %+v", day, c)
			}
			last = c.Collect.Ended
		}
	}
}

// What was missed while the service was down is made up for once, and not at the
// moment it comes back.
func TestCareAfterADowntime(t *testing.T) {
	w := vaultedWorld(t)
	w.daily(1)
	w.look()
	w.clock.Advance(10*24*time.Hour + time.Duration(17)*time.Minute)
	w.revive()
	w.look()
	if n := w.verifications(); n != 0 {
		t.Errorf("verified %d times at once", n)
	}
	for range 13 {
		w.clock.Advance(30 * time.Minute)
		rounds := 0
		w.turns(func() bool { rounds++; return rounds > 2 })
	}
	w.turns(w.settled)
	if n := w.verifications(); n != 1 && n != 2 { // a due time may fall into these hours
		t.Errorf("verified %d times", n)
	}
}

// Nothing is started for an instance without a copy in the vault, nor without a
// schedule.
func TestNothingToLookAfter(t *testing.T) {
	w := newVaultWorld(t)
	w.daily(1)
	for range 3 {
		w.clock.Advance(24 * time.Hour)
		w.look()
	}
	if n := w.verifications(); n != 0 || !w.knownCare().Collect.Ended.IsZero() {
		t.Errorf("verified %d times, %+v", n, w.knownCare())
	}
	w = vaultedWorld(t)
	if err := workflow.StartCare(context.Background(), w.store); err != nil {
		t.Fatal(err)
	}
	w.turns(func() bool { return len(w.queue) == 0 })
}
