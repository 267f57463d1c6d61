package workflow_test

import (
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/workflow"
)

// FAQ: "Scheduled Backups are performed within a 2-hour window from the time
// scheduled as per the backup policy. Thus, you can expect a maximum delay of 2
// hours in backup start time." Three hundred that are due at the same minute begin
// in it, each once, spread over it, and none is said to be late.
func TestFAQScheduledBackupsBeginWithinTwoHours(t *testing.T) {
	const instances = 300
	w := newWorld(t)
	w.limits = workflow.Schedule{AtOnce: 2 * instances, PerCluster: 2 * instances}
	w.revive()
	w.scheduled()
	w.update(func(tx catalog.Tx) error { return addInstances(tx, instances-1, clusterID, otherID) })
	w.drain(string(backup.WorkPlan))
	for now := firstDue; !now.After(firstDue.Add(2 * time.Hour)); now = now.Add(time.Minute) {
		w.at(now)
		w.lookDue()
	}
	seen := map[string]int{}
	var first, last time.Duration = 2 * time.Hour, 0
	for _, j := range w.backups() {
		delay := j.Started.Sub(firstDue)
		seen[j.InstanceID]++
		first, last = min(first, delay), max(last, delay)
		if !j.Scheduled.Due.Equal(firstDue) || delay < 0 || delay > 2*time.Hour || j.Scheduled.Late || len(j.Warnings) > 0 || seen[j.InstanceID] > 1 {
			t.Errorf("job = %+v %+v", j, j.Scheduled)
		}
	}
	if len(seen) != instances || last-first < time.Hour {
		t.Errorf("%d of %d began, from %s to %s after they were due", len(seen), instances, first, last)
	}
	if c := &w.flow.ScheduleCounts; c.Late.Load() != 0 || c.Missed.Load() != 0 {
		t.Errorf("%d late, %d missed", c.Late.Load(), c.Missed.Load())
	}
}
