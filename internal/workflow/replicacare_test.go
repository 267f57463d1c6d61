package workflow_test

import (
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/workflow"
)

// lookUntil advances the clock, hour by hour, until the answer is yes.
func (w *world) lookUntil(what string, hours int, yes func() bool) {
	w.t.Helper()
	for range hours * 4 {
		w.clock.Advance(15 * time.Minute)
		rounds := 0
		w.turns(func() bool { rounds++; return rounds > 3 })
		if yes() {
			return
		}
	}
	w.t.Fatalf("%s: not within %d hours; %+v", what, hours, w.knownCare())
}

// What is left of a deleted instance is looked after until it is purged.
func TestSoftDeletedIsLookedAfter(t *testing.T) {
	w := softDeleted(t)
	w.daily(1)
	w.lookUntil("verified and collected", 49, func() bool {
		c := w.knownCare()
		return !c.Verify.Ended.IsZero() && !c.Collect.Ended.IsZero()
	})
	w.destroy(w.objects("packs/")[0])
	w.lookUntil("damage is found", 49, func() bool { return len(w.knownCare().Damaged) == 1 })
	w.clock.Advance(15 * 24 * time.Hour)
	w.lookUntil("purged", 24, func() bool { return w.deleted() == nil && len(w.names()) == 0 })
	w.lookUntil("nothing is looked after any more", 49, w.settled)
}

// The repository among the replicas is verified and collected with the one in the
// vault, and each has a condition of its own.
func TestReplicasAreLookedAfter(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	w.daily(1)
	w.lookUntil("verified and collected", 49, func() bool {
		c := w.knownCare()
		return !c.Verify.Ended.IsZero() && !c.Replica.Verify.Ended.IsZero() && !c.Replica.Collect.Ended.IsZero()
	})
	if c := w.knownCare(); c.Findings+c.Replica.Findings != 0 || c.Replica.Verify.Problem != nil {
		t.Errorf("%+v", c)
	}
	memory := there.(*objstoretest.Memory)
	if err := memory.Delete(t.Context(), memory.Names(vaultAt + "packs/")[0]); err != nil {
		t.Fatal(err)
	}
	w.lookUntil("damage is found", 49, func() bool { return len(w.knownCare().Replica.Damaged) == 1 })
	if c := w.knownCare(); len(c.Damaged) != 0 {
		t.Errorf("the vault is whole: %+v", c)
	}
}

// Damage of a replica is told with the region, and what was not replicated is not
// missed there.
func TestVerifyTellsDamageOfAReplica(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	w.flow.Replicas["there"] = unreachable{there}
	w.turns(w.ended(w.startPoint("b2", strings.Repeat("1", 32)).OperationID)) // is on its way
	w.flow.Replicas["there"] = there
	memory := there.(*objstoretest.Memory)
	if err := memory.Delete(t.Context(), vaultAt+"manifests/"+pointID); err != nil {
		t.Fatal(err)
	}
	var what backup.Upkeep
	what.Data = backup.VerifyAll
	what.Add(instID, "there")
	job := w.startUpkeep("v1", backup.JobVerify, what)
	w.turns(w.ended(job.OperationID))
	job = w.job(job.ID)
	if job.Status != backup.JobFailed || len(job.Warnings) != 1 || job.Tasks[0].Status != backup.JobCompleted || job.Tasks[1].Name != "i1 in there" {
		t.Fatalf("%+v", job)
	}
	if got := job.Warnings[0]; got.Resource != "recoveryPoints/"+pointID+" in there" || got.Problem.Code != backup.CodeVaultPointMissing ||
		!strings.Contains(got.Problem.Message, "from the replica in there") {
		t.Errorf("%+v", got)
	}
}

// What has expired in the first region goes from the replica, and a day later its
// data; what is still needed stays.
func TestExpiredReplicasAreCollected(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	second := strings.Repeat("1", 32)
	w.turns(w.ended(w.startPoint("b2", second).OperationID))
	w.turns(func() bool {
		all := w.replicas()
		return len(all) == 2 && !all[0].Done.IsZero() && !all[1].Done.IsZero()
	})
	memory := there.(*objstoretest.Memory)
	before := len(memory.Names(vaultAt + "packs/"))
	expires := w.replicas()[1].Expires
	w.update(func(tx catalog.Tx) error {
		return inventory.RecoveryPoints.Delete(tx, instID+"/recoveryPoints/"+pointID)
	})
	w.replicateOnce()
	w.clock.Advance(expires.Sub(w.clock.Now()) + time.Minute)
	w.update(func(tx catalog.Tx) error {
		return inventory.Enqueue(tx, backup.Work{Kind: backup.WorkReplicate, Subject: instID})
	})
	w.turns(func() bool { return len(w.replicas()) == 1 })
	w.clock.Advance(25 * time.Hour)
	w.turns(func() bool { return len(w.queue) == 0 })
	if after := len(memory.Names(vaultAt + "packs/")); before != 2 || after != 1 {
		t.Errorf("%d packs before, %d after: %v", before, after, memory.Names(""))
	}
	if err := w.replica(there).Verify(t.Context(), second); err != nil {
		t.Error(err)
	}
	if c := w.knownCare(); c.Replica.Collect.Ended.IsZero() || !c.Collect.Ended.IsZero() {
		t.Errorf("%+v", c)
	}
}

// A service that only has the replicas, as the second region's, starts no work that
// writes to them: no timer, no housekeeping.
func TestTheSecondRegionOnlyReads(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	second := newWorld(t)
	second.update(func(tx catalog.Tx) error {
		var points []backup.RecoveryPoint
		var instance *backup.Instance
		w.view(func(tx catalog.Tx) (err error) {
			if points, err = inventory.RecoveryPoints.Below(tx, instID); err == nil {
				instance, err = inventory.Instances.Get(tx, instID)
			}
			return err
		})
		points[0].Expires = begin.Add(time.Hour)
		for i := range points[0].Stores {
			points[0].Stores[i].Expires = begin.Add(time.Hour)
		}
		points[0].ETag, instance.ETag = "", ""
		for _, err := range []error{inventory.Instances.Delete(tx, instID), inventory.SecondaryInstances.Put(tx, instance),
			inventory.SecondaryPoints.Put(tx, &points[0])} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	second.flow.Regions = w.flow.Regions
	second.flow.Replicas = map[string]objstore.Store{"there": objstoretest.Faulty(there, func(c objstoretest.Call) objstoretest.Fault {
		t.Errorf("%v was asked for", c)
		return objstoretest.Fault{}
	})}
	second.expires = true
	second.daily(1)
	if err := workflow.StartHousekeeping(t.Context(), second.store); err != nil {
		t.Fatal(err)
	}
	if err := workflow.StartExpiry(t.Context(), second.store); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		second.clock.Advance(6 * time.Hour)
		rounds := 0
		second.turns(func() bool { rounds++; return rounds > 2 })
	}
	if _, err := w.replica(there).Manifest(t.Context(), pointID); err != nil {
		t.Error(err)
	}
}
