package rebuild_test

import (
	"fmt"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/rescue"
	"holdfast.dev/holdfast/internal/rescue/rebuild"
)

// A rebuilt entry knows that it was the first of its day, and that it is to be
// copied to the vault before it goes, unless it is there.
func TestRebuiltPointKeepsItsTerms(t *testing.T) {
	k := kept()
	k.Tag, k.Tagging = "Daily", &backup.Tagging{At: made, Reason: "first"}
	k.Policy.Rules = append(k.Policy.Rules, backup.Rule{Name: "Daily", Retention: &backup.RetentionRule{Lifecycles: []backup.Lifecycle{
		{Source: backup.TierOperational, DeleteAfter: "P7D", Copies: []backup.Copy{{Target: backup.TierVault, Option: "CopyOnExpiryOption"}}},
		{Source: backup.TierVault, DeleteAfter: "P90D"}}}})
	here, there := point(t, inCluster, made, k), point(t, inVault, made, k)
	now := made.Add(time.Hour)

	alone := rebuild.Make([]rescue.Point{here}, now).Points[0]
	want := backup.Onward{Due: made.AddDate(0, 0, 7), DeleteAfter: "P90D"}
	if got := alone.Place(backup.TierOperational).Onward; got == nil || *got != want {
		t.Errorf("to be copied: %+v, want %+v", got, want)
	}
	if alone.Tagging == nil || !alone.Tagging.At.Equal(made) {
		t.Errorf("tagging %+v", alone.Tagging)
	}
	for name, found := range map[string][]rescue.Point{"vault first": {there, here}, "vault last": {here, there}} {
		both := rebuild.Make(found, now).Points[0]
		if got := both.Place(backup.TierOperational).Onward; got != nil {
			t.Errorf("%s: it is there, and to be copied: %+v", name, got)
		}
	}
}

// Of the backups of a day that the policy tagged, one is to be copied to the vault: the
// first, or none where one is there. What people tagged is not counted.
func TestRebuiltPointsGoToTheVaultOncePerDay(t *testing.T) {
	zone := "Tokyo Standard Time"
	k := kept()
	k.Policy.Rules = []backup.Rule{{Name: "BackupHourly", Backup: &backup.BackupRule{TimeZone: &zone}},
		{Name: "Default", Retention: &backup.RetentionRule{IsDefault: true, Lifecycles: []backup.Lifecycle{
			{Source: backup.TierOperational, DeleteAfter: "P7D", Copies: []backup.Copy{{Target: backup.TierVault, Option: "CopyOnExpiryOption"}}},
			{Source: backup.TierVault, DeleteAfter: "P90D"}}}}}
	taken := func(at time.Time, tagged bool) backup.Keepsake {
		k := k
		if k.Tag = "Default"; tagged {
			k.Tagging = &backup.Tagging{At: at, Reason: "no other"}
		}
		return k
	}
	midnight := time.Date(made.Year(), made.Month(), made.Day(), 15, 0, 0, 0, time.UTC) // there
	times := []time.Time{midnight.Add(-time.Hour), midnight, midnight.Add(4 * time.Hour), midnight.Add(5 * time.Hour), midnight.Add(24 * time.Hour), midnight.Add(28 * time.Hour)}
	var found []rescue.Point
	find := func(n int, prefix string) {
		p := point(t, prefix, times[n], taken(times[n], n != 3))
		p.ID = fmt.Sprintf("%032x", n)
		p.Manifest.ID = p.ID
		found = append(found, p)
	}
	for n := range times {
		find(n, inCluster)
	}
	find(5, inVault)
	got := map[time.Time]bool{}
	for _, p := range rebuild.Make(found, midnight.Add(48*time.Hour)).Points {
		got[p.Time] = p.Place(backup.TierOperational).Onward != nil
	}
	for n, want := range []bool{true, true, false, true, false, false} {
		if got[times[n]] != want {
			t.Errorf("%s: to be copied %v, want %v", times[n], got[times[n]], want)
		}
	}
}
