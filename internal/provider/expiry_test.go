package provider_test

import (
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// Recovery points whose time is over and that the cluster cannot delete are told of
// where people look: at the point, at the instance and in the list of instances.
func TestWhatCannotBeDeletedIsShown(t *testing.T) {
	t.Parallel()
	w := protect(t)
	if a := w.must(200, "GET", at, ""); a.at("properties.holdfastExpiry") != nil {
		t.Errorf("nothing is amiss: %s", a.raw)
	}
	older := strings.Repeat("a", 32)
	w.addPoint(older, time.Date(2026, 1, 10, 6, 0, 0, 0, time.UTC))
	change := func(name string, going *backup.Going) {
		w.update(func(tx catalog.Tx) error {
			p, err := inventory.RecoveryPoints.Get(tx, at+"/recoveryPoints/"+name)
			if err != nil {
				return err
			}
			p.Stores[0].Going = going
			return inventory.RecoveryPoints.Put(tx, p)
		})
	}
	change(older, &backup.Going{Since: w.clock.Now(), Attempt: 1, Reason: "its 7 days are over"})
	deletion := func(name string) map[string]any {
		store := w.must(200, "GET", at+"/recoveryPoints/"+name, "").at("properties.recoveryPointDataStoresDetails").([]any)[0].(map[string]any)
		got, _ := store["holdfastDeletion"].(map[string]any)
		return got
	}
	if got := deletion(older); got["reason"] != "its 7 days are over" || got["error"] != nil || got["nextAttempt"] != nil {
		t.Errorf("while it is being deleted: %v", got)
	}
	if a := w.must(200, "GET", at, ""); a.at("properties.holdfastExpiry") != nil {
		t.Errorf("that it goes is nothing to tell of: %s", a.raw)
	}
	next := w.clock.Now().Add(time.Hour)
	for _, name := range []string{older, pointName} {
		change(name, &backup.Going{Attempt: 2, Reason: "its 7 days are over", After: next,
			Problem: backup.NewProblem(backup.CodeTrackingTimeout, at, "%s stays", name)})
	}
	got := deletion(older)
	if why, _ := got["error"].(map[string]any); got["attempt"] != 2.0 || got["nextAttempt"] != "2026-01-12T07:00:00.0000000Z" || why["message"] != older+" stays" {
		t.Errorf("after it failed: %v", got)
	}
	for path, at := range map[string]string{at: "", vaultAt + "/backupInstances": "value"} {
		a := w.must(200, "GET", path, "")
		body := any(a.body)
		if at != "" {
			body = a.at(at).([]any)[0]
		}
		expiry, _ := body.(map[string]any)["properties"].(map[string]any)["holdfastExpiry"].(map[string]any)
		if why, _ := expiry["error"].(map[string]any); expiry["failed"] != 2.0 || why["code"] != string(backup.CodeTrackingTimeout) || len(why["recommendedAction"].([]any)) == 0 {
			t.Errorf("%s: %v", path, expiry)
		}
	}
	change(older, nil)
	change(pointName, nil)
	if a := w.must(200, "GET", at, ""); a.at("properties.holdfastExpiry") != nil || deletion(older) != nil {
		t.Errorf("when it is over: %s", a.raw)
	}
}
