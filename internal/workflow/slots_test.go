package workflow_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
)

// others are replicas that have claimed everything, until they are gone. What they
// leave can be claimed once at a time.
type others struct {
	mu    sync.Mutex
	gone  bool
	lost  bool // the database cannot be asked
	mine  map[string]bool
	asked []string
}

func (o *others) Claim(_ context.Context, name string) (func(), bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, name)
	if o.lost {
		return nil, false, errors.New("no connection")
	}
	if !o.gone || o.mine[name] {
		return nil, false, nil
	}
	o.mine[name] = true
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.mine, name)
	}, true, nil
}

// What another replica of the service works on is left to it, and taken up when that
// has gone; a database that cannot be asked is no permission.
func TestUpkeepWaitsForOtherReplicas(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w := vaultedWorld(t)
		o := &others{mine: map[string]bool{}, lost: lost}
		w.flow.Claims = o
		job := w.startUpkeep("v1", backup.JobVerify, backup.Upkeep{Data: backup.VerifyAll})
		w.turns(func() bool { return len(o.asked) >= 2 })
		if j := w.job(job.ID); j.Status.Terminal() || j.Progress.Phase != "Waiting for the upkeep of others" {
			t.Fatalf("beside another replica: %s, %q", j.Status, j.Progress.Phase)
		}
		o.gone, o.lost = true, false
		w.turns(w.ended(job.OperationID))
		if j := w.job(job.ID); j.Status != backup.JobCompleted || len(o.mine) != 0 {
			t.Errorf("after it: %s, still claimed: %v", j.Status, o.mine)
		}
	}
}

func TestReplicationWaitsForOtherReplicas(t *testing.T) {
	w, _ := newReplicatedWorld(t)
	o := &others{mine: map[string]bool{}}
	w.flow.Claims = o
	w.turns(w.ended(w.startJob("b", backup.JobBackup).OperationID))
	w.replicateOnce()
	if all := w.replicas(); len(all) != 1 || !all[0].Done.IsZero() {
		t.Fatalf("beside another replica: %+v", all)
	}
	o.gone = true
	w.replicateOnce()
	if all := w.replicas(); len(all) != 1 || all[0].Done.IsZero() || len(o.mine) != 0 {
		t.Fatalf("after it: %+v, still claimed: %v", all, o.mine)
	}
}
