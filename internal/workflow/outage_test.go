package workflow_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

func (w *world) carriedOver() (sum backup.Replication) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) { sum, _, err = inventory.ReplicationOf(tx, instID); return err })
	return sum
}

// While the paired store is away the age of what is there grows, and after 12 hours it
// is late. Once it is back everything that is missing follows, also what was half there.
func TestReplicationAfterAnOutage(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	first := w.carriedOver()
	away, puts := true, 0
	var mu sync.Mutex // writers upload side by side
	w.flow.Replicas["there"] = objstoretest.Faulty(there, func(c objstoretest.Call) objstoretest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if c.Op == "put" {
			puts++
		}
		if away && puts > 1 { // it goes in the middle of a recovery point
			return objstoretest.Fault{Before: objstore.ErrUnavailable}
		}
		return objstoretest.Fault{}
	})
	for _, id := range []string{strings.Repeat("2", 32), strings.Repeat("1", 32)} {
		w.turns(w.ended(w.startPoint("b"+id[:1], id).OperationID))
	}
	for hour := range 14 {
		w.replicateOnce()
		sum, now := w.carriedOver(), w.clock.Now()
		if sum.Newest != first.Newest || sum.Pending != 2 || sum.Problem == nil {
			t.Fatalf("hour %d: %+v", hour, sum)
		}
		if age := sum.Age(now); age < time.Duration(hour)*time.Hour || sum.Late(now) != (now.Sub(sum.Since) > 12*time.Hour) {
			t.Errorf("hour %d: age %s, late %v since %s", hour, age, sum.Late(now), sum.Since)
		}
		if late := sum.Late(now); late != (hour > 12) && hour != 12 {
			t.Errorf("hour %d: late is %v", hour, late)
		}
		w.clock.Advance(time.Hour)
	}
	away = false
	w.replicateOnce()
	sum := w.carriedOver()
	if sum.Pending != 0 || sum.Newest != strings.Repeat("1", 32) || sum.Problem != nil || sum.Late(w.clock.Now()) {
		t.Errorf("%+v", sum)
	}
	for _, r := range w.replicas() {
		if err := w.replica(there).Verify(t.Context(), r.Name()); err != nil {
			t.Error(err)
		}
	}
}

// A paired store that comes back without what was in it is found out by the next
// verification, and filled again.
func TestALostReplicaStoreIsFilledAgain(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	memory := there.(*objstoretest.Memory)
	drop(t, there, memory.Names(""))
	var what backup.Upkeep
	what.Add(instID, "there")
	job := w.startUpkeep("v1", backup.JobVerify, what)
	w.turns(func() bool {
		return w.record(job.OperationID).Status.Terminal() && w.carriedOver().Pending == 0 && len(memory.Names(vaultAt+"manifests/")) == 1
	})
	if got := w.job(job.ID); got.Status != backup.JobFailed || got.Warnings[0].Problem.Code != backup.CodeVaultPointMissing {
		t.Errorf("%+v", got)
	}
	if err := w.replica(there).Verify(t.Context(), pointID); err != nil {
		t.Error(err)
	}
	after := w.startUpkeep("v2", backup.JobVerify, what)
	w.turns(w.ended(after.OperationID))
	if got := w.job(after.ID); got.Status != backup.JobCompleted || len(w.knownCare().Replica.Damaged) != 0 {
		t.Errorf("%+v, %+v", got, w.knownCare())
	}
}
