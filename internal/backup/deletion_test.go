package backup

import (
	"strings"
	"testing"
	"time"
)

func TestSoftDeleteDays(t *testing.T) {
	for name, c := range map[string]struct {
		setting *SoftDelete
		want    float64
	}{
		"nothing said":  {nil, 14},
		"off":           {&SoftDelete{State: "Off", Days: 30}, 0},
		"on":            {&SoftDelete{State: "On", Days: 30}, 30},
		"always on":     {&SoftDelete{State: "AlwaysOn", Days: 180}, 180},
		"on for a time": {&SoftDelete{State: "On"}, 14},
	} {
		if got := (Vault{SoftDelete: c.setting}).SoftDeleteDays(); got != c.want {
			t.Errorf("%s: %v days, want %v", name, got, c.want)
		}
	}
}

func TestSoftDeletedAndUndeleted(t *testing.T) {
	now := time.Date(2026, 1, 12, 6, 0, 0, 0, time.UTC)
	i := goodInstance()
	i.Protection, i.State, i.OperationID = ProtectionConfigured, StateDeleting, "op"
	i.Deletion = &Deletion{Asked: now.Add(-time.Minute), ActivityID: "a", KeepDays: 14}
	if got := i.ShownProtection(); got != SoftDeleting {
		t.Errorf("while it goes it shows %s", got)
	}
	d := i.SoftDeleted(now)
	if d.ID != testVault+"/deletedBackupInstances/i1" || !d.Deleted.Equal(now) || !d.Purge.Equal(now.AddDate(0, 0, 14)) || d.ActivityID != "a" {
		t.Errorf("%+v", d)
	}
	if d.Instance.ID != i.ID || d.Instance.ShownProtection() != SoftDeleted || d.Instance.UID != i.UID {
		t.Errorf("its instance: %+v", d.Instance)
	}
	if p := d.NameTaken(); p.Code != CodeSoftDeleted || !strings.Contains(p.Message, "2026-01-26") || len(p.Actions) == 0 {
		t.Errorf("its name: %v", p)
	}
	back, p := d.Undeleted()
	if p != nil || back.ID != i.ID || back.Protection != ProtectionStopped || back.State != StateSucceeded || back.Deletion != nil || back.OperationID != "" {
		t.Errorf("undeleted: %+v, %v", back, p)
	}
	d.State = StateDeleting
	if _, p := d.Undeleted(); p == nil || p.Code != CodeResourceNotFound {
		t.Errorf("while it is purged: %v", p)
	}
}

// An immutable vault keeps an instance until all that is in it has expired.
func TestImmutableVaultKeepsInstances(t *testing.T) {
	now := time.Date(2026, 1, 12, 6, 0, 0, 0, time.UTC)
	point := func(tier Tier, expires time.Time) RecoveryPoint {
		return RecoveryPoint{Stores: []RecoveryStore{{Tier: tier, Expires: expires}}}
	}
	for name, c := range map[string]struct {
		state string
		point RecoveryPoint
		code  Code
	}{
		"not immutable": {"Disabled", point(TierVault, now.Add(time.Hour)), ""},
		"nothing said":  {"", point(TierVault, now.Add(time.Hour)), ""},
		"still kept":    {"Unlocked", point(TierVault, now.Add(time.Hour)), CodeVaultImmutable},
		"kept for ever": {"Locked", point(TierVault, time.Time{}), CodeVaultImmutable},
		"expired":       {"Locked", point(TierVault, now), ""},
		"operational":   {"Locked", point(TierOperational, time.Time{}), ""},
	} {
		v := goodVault()
		v.Immutability = c.state
		target := ""
		if c.code != "" {
			target = "backupInstances/i1"
		}
		checkProblem(t, name, v.CheckDelete(goodInstance(), []RecoveryPoint{c.point}, now), c.code, target)
	}
}

func TestDropStore(t *testing.T) {
	soon, late := time.Date(2026, 1, 12, 6, 0, 0, 0, time.UTC), time.Date(2026, 3, 12, 6, 0, 0, 0, time.UTC)
	p := &RecoveryPoint{}
	p.AddStore(RecoveryStore{Tier: TierOperational, Expires: late})
	p.AddStore(RecoveryStore{Tier: TierVault, Expires: soon})
	if !p.Expires.Equal(late) {
		t.Errorf("expires %v", p.Expires)
	}
	p.DropStore(TierOperational)
	if len(p.Stores) != 1 || !p.Expires.Equal(soon) {
		t.Errorf("%+v", p)
	}
	p.DropStore(TierVault)
	if len(p.Stores) != 0 {
		t.Errorf("%+v", p)
	}
}
