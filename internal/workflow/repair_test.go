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

// repair repairs the vault, or in a region its replica, and returns the job as it ended.
func (w *world) repair(name, region string, dry bool) *backup.Job {
	w.t.Helper()
	job := w.startUpkeep(name, backup.JobRepair, backup.Upkeep{Instances: []string{instID}, Regions: []string{region}, Data: backup.VerifyAll, DryRun: dry})
	w.turns(w.ended(job.OperationID))
	return w.job(job.ID)
}

// mark is what is known of the damage of the recovery point in the vault.
func (w *world) mark() *backup.Damage {
	w.t.Helper()
	store, _ := w.points()[0].Store(backup.TierVault)
	return store.Damage
}

// each returns objects below a folder of the instance, in a store.
func each(store objstore.Store, folder string) []string {
	return store.(*objstoretest.Memory).Names(vaultAt + folder)
}

// flip damages an object.
func flip(store objstore.Store, name string) {
	m := store.(*objstoretest.Memory)
	data := append([]byte(nil), m.Bytes(name)...)
	data[40] ^= 1
	m.Overwrite(name, data)
}

func drop(t *testing.T, store objstore.Store, names []string) {
	t.Helper()
	for _, name := range names {
		if err := store.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

// hurts are the ways to damage a repository with one recovery point.
var hurts = map[string]func(t *testing.T, store objstore.Store){
	"a pack is flipped":       func(t *testing.T, s objstore.Store) { flip(s, each(s, "packs/")[0]) },
	"a pack is gone":          func(t *testing.T, s objstore.Store) { drop(t, s, each(s, "packs/")[:1]) },
	"the index is gone":       func(t *testing.T, s objstore.Store) { drop(t, s, each(s, "indexes/")) },
	"the manifest is flipped": func(t *testing.T, s objstore.Store) { flip(s, each(s, "manifests/")[0]) },
	"the manifest is gone":    func(t *testing.T, s objstore.Store) { drop(t, s, each(s, "manifests/")) },
	"the repository is gone":  func(t *testing.T, s objstore.Store) { drop(t, s, each(s, "repository")) },
}

// What is damaged in the vault is brought back from the replica, and what is damaged
// there from the vault. A dry run changes nothing and promises the same.
func TestRepairFromTheOtherPlace(t *testing.T) {
	for name, hurt := range hurts {
		for _, region := range []string{"", "there"} {
			t.Run(name+" "+region, func(t *testing.T) {
				w, there := newReplicatedWorld(t)
				w.vaultedOnce()
				store := w.cave
				if region != "" {
					store = there
				}
				hurt(t, store)
				before := store.(*objstoretest.Memory).Clone()
				plan := w.repair("dry", region, true)
				if got := store.(*objstoretest.Memory).Names(""); strings.Join(got, " ") != strings.Join(before.Names(""), " ") {
					t.Errorf("a dry run changed %v", got)
				}
				if plan.Details["i1"]+plan.Details["i1 in there"] == "" {
					t.Errorf("no plan: %+v", plan)
				}
				if c := w.knownCare(); len(c.At(region).Damaged) != 1 {
					t.Errorf("a dry run knows what is damaged: %+v", c)
				}
				job := w.repair("real", region, false)
				if job.Status != backup.JobCompleted || len(job.Warnings) != 0 {
					t.Fatalf("%+v", job)
				}
				if c := w.knownCare(); len(c.At(region).Damaged)+c.At(region).Findings != 0 || w.mark() != nil {
					t.Errorf("%+v, marked %+v", c, w.mark())
				}
				var what backup.Upkeep
				what.Data = backup.VerifyAll
				what.Add(instID, "there")
				after := w.startUpkeep("after", backup.JobVerify, what)
				w.turns(w.ended(after.OperationID))
				if got := w.job(after.ID); got.Status == backup.JobFailed {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// Without a replica what is lost is lost: each recovery point is named with its
// reason, marked, and not restored any more. The other one is as it was.
func TestRepairNamesAndMarksWhatIsLost(t *testing.T) {
	w := vaultedWorld(t)
	lost := each(w.cave, "packs/")
	second := strings.Repeat("1", 32)
	w.turns(w.ended(w.startPoint("b2", second).OperationID))
	flip(w.cave, lost[0])
	plan := w.repair("dry", "", true)
	job := w.repair("real", "", false)
	for _, j := range []*backup.Job{plan, job} {
		if j.Status != backup.JobCompletedWithWarnings || len(j.Warnings) != 1 {
			t.Fatalf("%+v", j)
		}
		if got := j.Warnings[0]; got.Problem.Code != backup.CodeVaultDataDamaged || !strings.HasPrefix(got.Resource, "recoveryPoints/"+pointID) {
			t.Errorf("%+v", got)
		}
		for _, want := range []string{"there is no replica", "1 recovery points of 2 are damaged", "1 damaged packs are given up", "lost: recoveryPoints/" + pointID} {
			if !strings.Contains(j.Details["i1"], want) {
				t.Errorf("no %q in %q", want, j.Details["i1"])
			}
		}
	}
	var marked, whole *backup.RecoveryPoint
	for _, p := range w.points() {
		if p.Name() == pointID {
			marked = &p
		} else {
			whole = &p
		}
	}
	request := backup.RestoreRequest{RecoveryPointID: pointID, Tier: backup.TierVault, VolumeMode: backup.WithVolumeData}
	if p := request.CheckAgainst(marked); p == nil || p.Code != backup.CodePointDamaged {
		t.Errorf("%+v", p)
	}
	request.Tier = backup.TierOperational
	if p := request.CheckAgainst(marked); p != nil {
		t.Error(p)
	}
	request.Tier = backup.TierVault
	if p := request.CheckAgainst(whole); p != nil {
		t.Error(p)
	}
	if err := w.vaulted().Verify(t.Context(), second); err != nil {
		t.Error(err)
	}
	w.clock.Advance(25 * time.Hour)
	w.turns(func() bool { return len(w.queue) == 0 })
	if err := w.vaulted().Verify(t.Context(), second); err != nil {
		t.Errorf("after the collection: %v", err)
	}
}

// A mark stays until everything was read again: a sample, or the structure alone,
// shows nothing.
func TestAMarkStaysUntilEverythingWasRead(t *testing.T) {
	w := vaultedWorld(t)
	pack := each(w.cave, "packs/")[0]
	flip(w.cave, pack)
	w.verify("v1", backup.VerifyAll)
	first := w.mark()
	if first == nil || !first.Objects || first.Reason != backup.CodeVaultDataDamaged || len(w.knownCare().Damaged) != 1 {
		t.Fatalf("%+v", first)
	}
	flip(w.cave, pack) // somebody brought it back, or the next look falls on other data
	w.clock.Advance(time.Hour)
	if job := w.verify("v2", backup.VerifyNone); job.Status != backup.JobCompleted {
		t.Errorf("%+v", job)
	}
	if now := w.mark(); now == nil || !now.Found.Equal(first.Found) || len(w.knownCare().Damaged) != 1 {
		t.Errorf("%+v, %+v", now, w.knownCare())
	}
	w.verify("v3", backup.VerifyAll)
	if now := w.mark(); now != nil || len(w.knownCare().Damaged) != 0 {
		t.Errorf("%+v, %+v", now, w.knownCare())
	}
}

// A replica that cannot be reached heals nothing and hinders nothing; the next repair
// heals.
func TestRepairWithoutTheReplica(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	flip(w.cave, each(w.cave, "packs/")[0])
	w.flow.Replicas["there"] = objstoretest.Faulty(there, func(objstoretest.Call) objstoretest.Fault {
		return objstoretest.Fault{Before: objstore.ErrUnavailable}
	})
	job := w.repair("r1", "", false)
	if job.Status != backup.JobCompletedWithWarnings || !strings.Contains(job.Details["i1"], "nothing can be taken from the replica in there") || w.mark() == nil {
		t.Fatalf("%+v", job)
	}
	w.flow.Replicas["there"] = there
	if job = w.repair("r2", "", false); job.Status != backup.JobCompleted || w.mark() != nil {
		t.Errorf("%+v", job)
	}
	if err := w.vaulted().Verify(t.Context(), pointID); err != nil {
		t.Error(err)
	}
}

// Repairing what is whole, or nothing, does nothing.
func TestRepairOfWhatIsWhole(t *testing.T) {
	w := vaultedWorld(t)
	before := w.names()
	if job := w.repair("r1", "", false); job.Status != backup.JobCompleted || job.Details["i1"] != "nothing is damaged" {
		t.Errorf("%+v", job)
	}
	if strings.Join(w.names(), " ") != strings.Join(before, " ") {
		t.Errorf("it changed %v", w.names())
	}
	empty := newVaultWorld(t)
	if job := empty.repair("r1", "", false); job.Status != backup.JobCompleted {
		t.Errorf("%+v", job)
	}
	empty.update(func(tx catalog.Tx) error { return inventory.Instances.Delete(tx, instID) })
	if job := empty.repair("r2", "", false); job.Status != backup.JobCompleted {
		t.Errorf("%+v", job)
	}
}
