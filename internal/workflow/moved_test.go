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
)

// pairAnew restarts the service with another paired region; old is whether it still
// has the store of the one before.
func (w *world) pairAnew(region string, store objstore.Store, old bool) {
	before := w.flow.Replicas
	w.flow.Regions = backup.Regions{{Name: "here", Paired: region}, {Name: region, Replicas: true}}
	w.flow.Replicas = map[string]objstore.Store{region: store}
	for name, at := range before {
		if old && name != region {
			w.flow.Replicas[name] = at
			w.flow.Regions = append(w.flow.Regions, backup.Region{Name: "other", Paired: name}, backup.Region{Name: name, Replicas: true})
		}
	}
	w.revive()
}

func (w *world) leftRegions() []string { return w.knownCare().LeftRegions }

// After a change of the paired region everything is replicated into the new one: it is
// pending there from then on, and what is in the old one counts no more. That goes when
// the new one has everything, if the service has its store.
func TestAnotherPairedRegion(t *testing.T) {
	for name, known := range map[string]bool{"the old store is known": true, "it is not": false} {
		t.Run(name, func(t *testing.T) {
			w, there := newReplicatedWorld(t)
			w.vaultedOnce()
			second := strings.Repeat("2", 32)
			w.turns(w.ended(w.startPoint("b2", second).OperationID))
			w.replicateOnce()
			w.clock.Advance(time.Hour)
			changed := w.clock.Now()
			memory := there.(*objstoretest.Memory)
			before := len(memory.Names(""))
			away := &objstoretest.Memory{}
			w.pairAnew("yonder", unreachable{away}, known)

			w.replicateOnce()
			sum := w.carriedOver()
			if sum.Region != "yonder" || sum.Pending != 2 || sum.Newest != "" || !sum.Since.Equal(changed) || sum.Problem == nil || sum.Age(w.clock.Now()) != 0 {
				t.Errorf("after the change: %+v, since %s", sum, changed)
			}
			w.clock.Advance(backup.ReplicaLimit + time.Minute)
			if !w.carriedOver().Late(w.clock.Now()) {
				t.Errorf("not late: %+v", w.carriedOver())
			}
			if len(memory.Names("")) != before {
				t.Error("something went from the old region before it was in the new one")
			}

			w.flow.Replicas["yonder"] = away
			for range 3 {
				w.replicateOnce()
				w.clock.Advance(2 * time.Minute)
			}
			if sum = w.carriedOver(); sum.Pending != 0 || sum.Newest != second || sum.Late(w.clock.Now()) || sum.Age(w.clock.Now()) == 0 {
				t.Errorf("at the end: %+v", sum)
			}
			for _, r := range w.replicas() {
				if err := w.replica(away).Verify(t.Context(), r.Name()); err != nil {
					t.Error(err)
				}
			}
			if left := memory.Names(""); known != (len(left) == 0) || len(w.leftRegions()) != 0 {
				t.Errorf("in the old region: %q, known to be left: %q", left, w.leftRegions())
			}
		})
	}
}

// Back in the region that it was in before, an instance finds what it had there, and
// nothing of that is deleted.
func TestBackToTheRegionBefore(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	away := &objstoretest.Memory{}
	w.pairAnew("yonder", unreachable{away}, true)
	w.replicateOnce()
	if got := w.leftRegions(); len(got) != 1 || got[0] != "there" {
		t.Errorf("left: %q", got)
	}
	w.pairAnew("there", there, true)
	w.flow.Replicas["yonder"] = away
	for range 3 {
		w.replicateOnce()
		w.clock.Advance(2 * time.Minute)
	}
	if sum := w.carriedOver(); sum.Region != "there" || sum.Pending != 0 || sum.Newest != pointID {
		t.Errorf("%+v", sum)
	}
	if err := w.replica(there).Verify(t.Context(), pointID); err != nil {
		t.Error(err)
	}
	if left := away.Names(""); len(left) != 0 || len(w.leftRegions()) != 0 {
		t.Errorf("in the region between: %q, known to be left: %q", left, w.leftRegions())
	}
}

// A replica whose recovery point is gone is not made anew, and an instance that is
// deleted leaves nothing in either region.
func TestDeletedAfterAChangeOfRegion(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	second := strings.Repeat("2", 32)
	w.turns(w.ended(w.startPoint("b2", second).OperationID))
	w.replicateOnce()
	w.update(func(tx catalog.Tx) error {
		return inventory.RecoveryPoints.Delete(tx, instID+"/recoveryPoints/"+pointID)
	})
	away := &objstoretest.Memory{}
	w.pairAnew("yonder", unreachable{away}, true)
	w.replicateOnce()
	if all := w.replicas(); len(all) != 1 || all[0].Name() != second {
		t.Errorf("replicas = %+v", all)
	}
	w.flow.Replicas["yonder"] = away
	w.deleteInstance()
	w.turns(func() bool { return len(w.queue) == 0 && w.instance() == nil })
	if left := append(there.(*objstoretest.Memory).Names(""), away.Names("")...); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// What is in a region of which the service has no store waits for that, and holds up
// nothing.
func TestDeletedWithoutTheStoreOfTheRegion(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	w.flow.Replicas = nil
	w.revive()
	w.deleteInstance()
	steps := 0
	w.turns(func() bool { steps++; return steps > 10 })
	if left := there.(*objstoretest.Memory).Names(""); w.instance() != nil || len(left) == 0 || len(w.queue) != 1 {
		t.Fatalf("instance %v, left %q, waiting %v", w.instance(), left, w.queue)
	}
	w.flow.Replicas = map[string]objstore.Store{"there": there}
	w.clock.Advance(25 * time.Hour)
	w.turns(func() bool { return len(w.queue) == 0 })
	if left := there.(*objstoretest.Memory).Names(""); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}
