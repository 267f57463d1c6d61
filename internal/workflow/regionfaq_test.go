package workflow_test

import (
	"fmt"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// asVault changes the vault.
func (w *world) asVault(change func(*backup.Vault)) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		vault, err := inventory.Vaults.Get(tx, vaultID)
		if err != nil {
			return err
		}
		change(vault)
		return inventory.Vaults.Put(tx, vault)
	})
}

// replication is how far the instance is replicated.
func (w *world) replication() (sum backup.Replication, ok bool) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) { sum, ok, err = inventory.ReplicationOf(tx, instID); return err })
	return sum, ok
}

// overWith lets a job end, and everything that follows from it.
func (w *world) overWith(job *backup.Job) {
	w.t.Helper()
	w.turns(func() bool { return w.job(job.ID).Status.Terminal() && w.idle() })
}

// FAQ: "configure them in a Backup Vault that has Geo-Redundancy enabled and Cross
// Region Restore turned on." Either alone replicates nothing.
func TestFAQReplicationNeedsGeoRedundancyAndCrossRegionRestore(t *testing.T) {
	for _, redundancy := range []string{"LocallyRedundant", "ZoneRedundant", "GeoRedundant"} {
		for _, crossRegion := range []string{"", "Disabled", "Enabled"} {
			w, _ := newReplicatedWorld(t)
			w.asVault(func(v *backup.Vault) { v.CrossRegion, v.Storage[0].Redundancy = crossRegion, redundancy })
			w.overWith(w.startJob("b", backup.JobBackup))
			want := 0
			if redundancy == "GeoRedundant" && crossRegion == "Enabled" {
				want = 1
			}
			if got := w.replicas(); len(got) != want {
				t.Errorf("%s, %s: %d replicas, want %d", redundancy, crossRegion, len(got), want)
			}
		}
	}
}

// FAQ: "Next, configure the backup instance with a backup policy that includes
// retention rules for the Vault Tier." Without one nothing leaves the region.
func TestFAQReplicationNeedsARuleForTheVault(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.update(func(tx catalog.Tx) error {
		p := vaultPolicy()
		p.Rules[0].Retention.Lifecycles = []backup.Lifecycle{{Source: backup.TierOperational, DeleteAfter: "P7D"}}
		return inventory.Policies.Put(tx, p)
	})
	w.overWith(w.startJob("b", backup.JobBackup))
	for info := range there.List(t.Context(), "") {
		t.Errorf("%s was written into the second region", info.Name)
	}
	if _, replicated := w.replication(); replicated {
		t.Error("something is to be replicated")
	}
}

// FAQ: "With these settings in place, once a backup is moved to the Vault Tier, it's
// automatically replicated to the paired secondary Azure region." Each is, nobody
// having asked, and can be read there.
func TestFAQVaultedBackupsAreReplicatedByThemselves(t *testing.T) {
	w, there := newReplicatedWorld(t)
	for n := 1; n <= 3; n++ {
		w.overWith(w.startPoint(fmt.Sprintf("j%d", n), nth(n)))
	}
	for n := 1; n <= 3; n++ {
		if _, err := w.replica(there).Manifest(t.Context(), nth(n)); err != nil {
			t.Errorf("recovery point %d: %v", n, err)
		}
	}
	sum, _ := w.replication()
	if sum.Region != "there" || sum.Newest != nth(3) || sum.Pending != 0 || sum.Lag > 5*time.Minute {
		t.Errorf("replication = %+v", sum)
	}
}

// FAQ: "it can take upto 12 hours for it to be replicated". A region that cannot be
// reached for longer makes what is on its way late, with the reason; when it is back
// it is made up for, and how long it took is told.
func TestFAQLateReplicationIsReportedAndMadeUpFor(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.flow.Replicas["there"] = unreachable{there}
	job := w.startJob("b", backup.JobBackup)
	w.turns(func() bool {
		sum, _ := w.replication()
		return w.job(job.ID).Status.Terminal() && sum.Pending == 1
	})
	w.clock.Advance(11*time.Hour + 55*time.Minute)
	if sum, _ := w.replication(); sum.Late(w.clock.Now()) {
		t.Errorf("it is on its way for less than 12 hours: %+v", sum)
	}
	w.replicateOnce()
	w.clock.Advance(10 * time.Minute)
	if sum, _ := w.replication(); !sum.Late(w.clock.Now()) || sum.Problem == nil || len(sum.Problem.Actions) == 0 {
		t.Errorf("late, and the reason: %+v", sum)
	}
	w.flow.Replicas["there"] = there
	w.replicateOnce()
	if sum, _ := w.replication(); sum.Pending != 0 || sum.Late(w.clock.Now()) || sum.Lag < 12*time.Hour || sum.Problem != nil {
		t.Errorf("after it was made up for: %+v", sum)
	}
}

// FAQ: "you can restore your backup data from the secondary region with a maximum
// data loss of 24 hours." Four days of a backup every four hours, the first of each
// day in the vault: what lies in the second region is never older than a day and the
// window in which the next may begin.
func TestFAQRegionalOutageLosesADayAtMost(t *testing.T) {
	w, _ := newReplicatedWorld(t)
	w.update(func(tx catalog.Tx) error {
		p := dailyPolicy("ImmediateCopyOption", "")
		p.Rules[2].Backup.Intervals = []string{"R/2023-01-04T09:00:00+00:00/PT4H"}
		return inventory.Policies.Put(tx, p)
	})
	w.change(func(*backup.Instance) {})
	var worst time.Duration
	for end := begin.Add(4 * 24 * time.Hour); w.clock.Now().Before(end); {
		w.at(w.planOf(instID).Start)
		if sum, ok := w.replication(); ok && sum.Newest != "" {
			worst = max(worst, sum.Age(w.clock.Now()))
		}
		w.lookDue()
		all := w.backups()
		w.overWith(&all[len(all)-1])
	}
	if worst < 20*time.Hour || worst > 24*time.Hour+2*time.Hour {
		t.Errorf("with the first region up to %s would have been lost", worst)
	}
}
