package backup

import (
	"strings"
	"testing"
	"time"
)

func TestGoingPlaceCannotBeRestoredFrom(t *testing.T) {
	point := &RecoveryPoint{Meta: Meta{ID: "/i/recoveryPoints/p"}, Stores: []RecoveryStore{
		{Tier: TierOperational, Going: &Going{Reason: "its retention has ended"}}, {Tier: TierVault}}}
	if p := (RestoreRequest{Tier: TierOperational}).CheckAgainst(point); p == nil || !strings.Contains(p.Message, "its retention has ended") {
		t.Errorf("from where it goes: %v", p)
	}
	if p := (RestoreRequest{Tier: TierVault}).CheckAgainst(point); p != nil {
		t.Errorf("from the vault: %v", p)
	}
}

// What has been copied to the vault is not to be copied any more.
func TestAddingTheVaultEndsTheWaitForIt(t *testing.T) {
	point := &RecoveryPoint{}
	point.AddStore(RecoveryStore{Tier: TierOperational, Onward: &Onward{Due: time.Unix(1, 0)}})
	if point.Place(TierOperational).Onward == nil || point.Place(TierVault) != nil {
		t.Fatalf("%+v", point.Stores)
	}
	point.AddStore(RecoveryStore{Tier: TierVault})
	if point.Place(TierOperational).Onward != nil || point.Place(TierVault) == nil {
		t.Errorf("%+v", point.Stores)
	}
}

// The job that only copies fails when the copy does: nothing else was to be done.
func TestCopyJobThatMissesTheVaultHasFailed(t *testing.T) {
	i := &Instance{Meta: Meta{ID: "/vaults/v/backupInstances/i"}}
	point := &RecoveryPoint{Meta: Meta{ID: i.ID + "/recoveryPoints/p"}, Tag: "Daily", Time: time.Unix(7, 0)}
	now := time.Unix(100, 0)
	j := i.NewCopyJob(point, Onward{Due: now, DeleteAfter: "P30D"}, now, [10]byte{1})
	if j.Work().Kind != WorkVault || j.HoldsInstance() || j.UserTriggered || j.Vaulting.DeleteAfter != "P30D" || j.RecoveryPointID != "p" {
		t.Errorf("job %+v", j)
	}
	if j.Details["vault"] == "" {
		t.Error("nothing says why")
	}
	j.MissVault(now, NewProblem(CodeClusterNotConnected, "", "it is away"), nil)
	if j.Status != JobFailed || j.Problem == nil || !strings.Contains(j.Problem.Message, "it is away") || j.Tasks[0].Status != JobFailed {
		t.Errorf("job %+v", j)
	}
}

// A recovery point of which the deletion was begun goes on being deleted, each time with
// another attempt; one that the cluster never heard of is as it was.
func TestNotDeletedWithItsInstance(t *testing.T) {
	now := time.Date(2026, 1, 12, 6, 0, 0, 0, time.UTC)
	why := NewProblem(CodeClusterNotConnected, "", "it is away")
	p := &RecoveryPoint{Meta: Meta{State: StateDeleting}, Stores: []RecoveryStore{{Tier: TierOperational}}}
	if p.NotDeleted(now, why, false); p.State != StateSucceeded || p.Stores[0].Going != nil {
		t.Errorf("never begun: %+v", p)
	}
	for attempt := 1; attempt < 3; attempt++ {
		p.State = StateDeleting
		p.NotDeleted(now, why, true)
		if g := p.Stores[0].Going; p.State != StateSucceeded || g == nil || g.Attempt != attempt || !g.After.Equal(now.Add(DeleteAgain)) || p.DeletionProblem() == nil {
			t.Errorf("begun: %+v, %+v", p, g)
		}
	}
	vaulted := &RecoveryPoint{Meta: Meta{State: StateDeleting}, Stores: []RecoveryStore{{Tier: TierVault}}}
	if vaulted.NotDeleted(now, why, true); vaulted.State != StateSucceeded || vaulted.Stores[0].Going != nil {
		t.Errorf("in the vault alone: %+v", vaulted)
	}
}
