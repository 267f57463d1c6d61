package rebuild_test

import (
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
