package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/workflow"
)

// scheduled gives the world's policy a schedule, by default every four hours in
// UTC; the plan of its instance is made.
func (w *world) scheduled(intervals ...string) {
	w.t.Helper()
	if len(intervals) == 0 {
		intervals = []string{"R/2023-01-04T09:00:00+00:00/PT4H"}
	}
	w.update(func(tx catalog.Tx) error { return putPolicy(tx, policyID, intervals...) })
	w.change(func(*backup.Instance) {})
}

func putPolicy(tx catalog.Tx, id string, intervals ...string) error {
	return inventory.Policies.Put(tx, &backup.Policy{Meta: backup.Meta{ID: id}, Rules: []backup.Rule{
		{Name: "BackupHourly", Backup: &backup.BackupRule{BackupType: "Incremental", Tier: backup.TierOperational, Intervals: intervals,
			Tags: []backup.TaggingRule{{Name: "Default", IsDefault: true, Priority: 99}}}},
		{Name: "Default", Retention: &backup.RetentionRule{IsDefault: true, Lifecycles: []backup.Lifecycle{{Source: backup.TierOperational, DeleteAfter: "P7D"}}}}}})
}

// change writes the instance, as whoever changes its protection does, and lets
// the plan follow.
func (w *world) change(fn func(*backup.Instance)) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, instID)
		if err != nil {
			return err
		}
		fn(i)
		return inventory.Instances.Put(tx, i)
	})
	w.drain(string(backup.WorkPlan))
}

// drain runs the waiting jobs of a kind, and keeps the others.
func (w *world) drain(kind string) {
	w.t.Helper()
	w.queue = append(w.queue, w.store.TakeJobs()...)
	w.queue = slices.DeleteFunc(w.queue, func(job catalog.Job) bool {
		return job.Kind == kind && !w.step(job)
	})
}

// lookDue lets the schedule look at what is due.
func (w *world) lookDue() {
	w.t.Helper()
	if err := look(w.flow); err != nil {
		w.t.Fatal(err)
	}
}

func look(flow *workflow.Workflow) error {
	for _, handler := range flow.Handlers() {
		if handler.Kind == workflow.KindSchedule {
			_, err := handler.Work(context.Background(), json.RawMessage(`{}`))
			return err
		}
	}
	return errors.New("nobody looks at what is due")
}

// planOf is the plan of an instance, nil when it has none.
func (w *world) planOf(id string) (p *backup.Plan) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) {
		if p, err = inventory.Plans.Get(tx, id); errors.Is(err, catalog.ErrNotFound) {
			p, err = nil, nil
		}
		return err
	})
	return p
}

// backups lists the jobs of the vault that the schedule has started, the first first.
func (w *world) backups() (found []backup.Job) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) error {
		all, err := inventory.Jobs.Below(tx, vaultID)
		for _, j := range all {
			if j.Scheduled != nil {
				found = append(found, j)
			}
		}
		return err
	})
	slices.Reverse(found) // they list newest first
	return found
}

// at moves the clock to a moment at which the cluster is connected.
func (w *world) at(moment time.Time) {
	w.t.Helper()
	w.clock.Advance(moment.Sub(w.clock.Now()))
	w.heard(clusterID)
}

// The begin of these tests is 20:00; 21:00 is due first.
var firstDue = time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC)

func TestScheduledBackup(t *testing.T) {
	w := newWorld(t)
	w.scheduled()
	plan := w.planOf(instID)
	if !plan.Due.Equal(firstDue) || plan.Start.Before(firstDue) || plan.Start.After(firstDue.Add(2*time.Hour)) {
		t.Fatalf("plan = %+v", plan)
	}
	w.at(plan.Start.Add(-time.Second))
	w.lookDue()
	if got := w.backups(); len(got) != 0 {
		t.Fatalf("started before its time: %+v", got)
	}
	w.at(plan.Start)
	w.lookDue()
	w.lookDue()
	got := w.backups()
	if len(got) != 1 {
		t.Fatalf("%d backups, want 1", len(got))
	}
	if j := got[0]; j.UserTriggered || j.RuleName != "BackupHourly" || j.Kind != backup.JobBackup || !j.Scheduled.Due.Equal(firstDue) ||
		j.Scheduled.Late || len(j.Warnings) > 0 || j.PolicyID != policyID || !strings.Contains(j.Scheduled.Reason, "due at 2026-11-22T21:00:00Z") {
		t.Fatalf("job = %+v %+v", j, j.Scheduled)
	}
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		if o.Kind != agentv1.KindBackup {
			return succeed(o)
		}
		result, _ := json.Marshal(agentv1.BackupResult{RecoveryPointID: got[0].RecoveryPointID, CutAt: w.clock.Now()})
		return agentv1.FinishRequest{Outcome: agentv1.OutcomeSucceeded, Result: result}
	}
	w.turns(func() bool { return w.job(got[0].ID).Status.Terminal() })
	if j := w.job(got[0].ID); j.Status != backup.JobCompleted || len(w.points()) != 1 {
		t.Fatalf("job = %+v, points = %v", j, w.points())
	}
	if plan = w.planOf(instID); !plan.Due.Equal(firstDue.Add(4*time.Hour)) || !plan.LastDue.Equal(firstDue) || plan.LastJobID != got[0].ID || plan.Started != 1 {
		t.Fatalf("plan = %+v", plan)
	}
}

// What was due while nobody looked is made up for once, and said on the job.
func TestCatchUp(t *testing.T) {
	w := newWorld(t)
	w.scheduled()
	w.at(firstDue.Add(50*time.Hour + 30*time.Minute)) // 23:30 two days later; 21:00 was due again
	w.lookDue()
	w.lookDue()
	got := w.backups()
	if len(got) != 1 || got[0].Scheduled.Missed != 12 || got[0].Scheduled.Late != true && !got[0].Scheduled.Due.Equal(firstDue.Add(48*time.Hour)) {
		t.Fatalf("backups = %+v", got)
	}
	if len(got[0].Warnings) != 1 || got[0].Warnings[0].Problem.Code != backup.CodeStartedLate || len(got[0].Warnings[0].Problem.Actions) == 0 {
		t.Fatalf("warnings = %+v", got[0].Warnings)
	}
	plan := w.planOf(instID)
	if plan.Missed != 12 || plan.Late != 1 || !plan.Due.Equal(firstDue.Add(52*time.Hour)) {
		t.Fatalf("plan = %+v", plan)
	}
	if c := &w.flow.ScheduleCounts; c.Started.Load() != 1 || c.Missed.Load() != 12 || c.Late.Load() != 1 {
		t.Fatalf("counted %d, %d, %d", c.Started.Load(), c.Missed.Load(), c.Late.Load())
	}
}

// Only what is protected is backed up by its policy.
func TestOnlyProtectedInstancesStart(t *testing.T) {
	for _, state := range []backup.ProtectionState{backup.ConfiguringProtection, backup.ConfiguringFailed, backup.ProtectionStopped,
		backup.BackupsSuspended, backup.ProtectionError} {
		w := newWorld(t)
		w.scheduled()
		w.update(func(tx catalog.Tx) error { // the job that makes plans has not run yet
			i, err := inventory.Instances.Get(tx, instID)
			if err == nil {
				i.Protection = state
				err = inventory.Instances.Put(tx, i)
			}
			return err
		})
		w.at(firstDue.Add(2 * time.Hour))
		w.lookDue()
		if got := w.backups(); len(got) != 0 {
			t.Errorf("%s: started %+v", state, got)
		}
		if plan := w.planOf(instID); plan != nil {
			t.Errorf("%s: planned for %v", state, plan.Due)
		}
		w.drain(string(backup.WorkPlan))
		w.change(func(i *backup.Instance) { i.Protection = backup.ProtectionConfigured })
		if plan := w.planOf(instID); !plan.Due.After(w.clock.Now()) {
			t.Errorf("%s: resumed with a plan for %v", state, plan.Due)
		}
	}
}

// While its configuration is being changed an instance waits, and starts then.
func TestWaitsWhileBeingChanged(t *testing.T) {
	w := newWorld(t)
	w.scheduled()
	start := w.planOf(instID).Start
	w.change(func(i *backup.Instance) {
		i.Protection, i.State = backup.UpdatingProtection, backup.StateUpdating
	})
	w.at(start)
	w.lookDue()
	if plan := w.planOf(instID); len(w.backups()) != 0 || !strings.Contains(plan.Waiting, "UpdatingProtection") || !plan.Due.Equal(firstDue) {
		t.Fatalf("plan = %+v", plan)
	}
	w.change(func(i *backup.Instance) {
		i.Protection, i.State = backup.ProtectionConfigured, backup.StateSucceeded
	})
	w.lookDue()
	if got := w.backups(); len(got) != 1 || !strings.Contains(got[0].Scheduled.Reason, "had to wait") {
		t.Fatalf("backups = %+v", got)
	}
}

// A backup that is running is not joined by another; the next starts when it has
// ended.
func TestWaitsForTheRunningBackup(t *testing.T) {
	w := newWorld(t)
	w.scheduled()
	w.at(firstDue)
	running := w.startJob("slow", backup.JobBackup)
	w.at(firstDue.Add(2 * time.Hour))
	w.lookDue()
	if plan := w.planOf(instID); len(w.backups()) != 0 || !strings.Contains(plan.Waiting, "job slow of the instance is still running") {
		t.Fatalf("plan = %+v", plan)
	}
	w.turns(func() bool { return w.job(running.ID).Status.Terminal() })
	w.lookDue()
	if got := w.backups(); len(got) != 1 || !got[0].Scheduled.Late || !strings.Contains(got[0].Scheduled.Reason, "still running") {
		t.Fatalf("backups = %+v", got)
	}
}

func TestPolicyChangePlansAnew(t *testing.T) {
	w := newWorld(t)
	w.scheduled()
	w.change(func(i *backup.Instance) { i.Tags = map[string]string{"a": "b"} })
	if plan := w.planOf(instID); !plan.Due.Equal(firstDue) {
		t.Fatalf("another plan for the same policy: %+v", plan)
	}
	w.update(func(tx catalog.Tx) error {
		return putPolicy(tx, vaultID+"/backupPolicies/daily", "R/2023-01-04T06:30:00Z/P1D")
	})
	w.change(func(i *backup.Instance) { i.PolicyID = vaultID + "/backupPolicies/daily" })
	if plan := w.planOf(instID); plan.Due.Format(time.TimeOnly) != "06:30:00" {
		t.Fatalf("plan = %+v", plan)
	}
	w.at(firstDue.Add(3 * time.Hour))
	w.lookDue()
	if got := w.backups(); len(got) != 0 {
		t.Fatalf("started by the old plan: %+v", got)
	}
	w.update(func(tx catalog.Tx) error { return inventory.Instances.Delete(tx, instID) })
	w.at(firstDue.Add(24 * time.Hour))
	w.lookDue()
	if plan := w.planOf(instID); plan != nil || len(w.backups()) != 0 {
		t.Fatalf("a deleted instance is planned: %+v", plan)
	}
}

// addInstances protects n more instances, on the clusters given in turn.
func addInstances(tx catalog.Tx, n int, clusters ...string) error {
	for k := range n {
		id := fmt.Sprintf("%s/backupInstances/more-%04d", vaultID, k)
		err := inventory.Instances.Put(tx, &backup.Instance{Meta: backup.Meta{ID: id}, UID: fmt.Sprintf("%032d", k), PolicyID: policyID,
			SnapshotGroupID: group, Datasource: backup.Datasource{ID: clusters[k%len(clusters)], Type: backup.DatasourceAKS}, Protection: backup.ProtectionConfigured})
		if err != nil {
			return err
		}
	}
	return nil
}

// The limits hold starts back, say why, and let the others go on as soon as one ends.
func TestLimitsHoldBack(t *testing.T) {
	w := newWorld(t)
	w.limits = workflow.Schedule{AtOnce: 7, PerCluster: 3}
	w.revive()
	w.scheduled()
	w.update(func(tx catalog.Tx) error { return addInstances(tx, 20, clusterID, otherID, clusterID+"3") })
	w.drain(string(backup.WorkPlan))
	w.at(firstDue.Add(2 * time.Hour))
	seen := map[string]bool{}
	for range 20 {
		w.lookDue()
		perCluster, running := map[string]int{}, 0
		for _, j := range w.backups() {
			seen[j.InstanceID] = true
			if j.HoldsInstance() {
				perCluster[j.Datasource.ID]++
				running++
			}
		}
		for cluster, n := range perCluster {
			if n > 3 || running > 7 {
				t.Fatalf("%d run, %d on %s", running, n, cluster)
			}
		}
		if len(seen) == 21 {
			break
		}
		for k := range 20 {
			if plan := w.planOf(fmt.Sprintf("%s/backupInstances/more-%04d", vaultID, k)); plan.Due.Equal(firstDue) && !strings.Contains(plan.Waiting, "no more may run at the same time") {
				t.Fatalf("waits without a reason: %+v", plan)
			}
		}
		w.endOldest()
	}
	if len(seen) != 21 || len(w.backups()) != 21 {
		t.Fatalf("%d instances in %d backups, want 21 in 21", len(seen), len(w.backups()))
	}
}

// endOldest ends the backup that runs for longest.
func (w *world) endOldest() {
	w.t.Helper()
	for _, j := range w.backups() {
		if !j.Status.Terminal() {
			j.Complete(w.clock.Now(), nil)
			w.update(func(tx catalog.Tx) error { return inventory.Jobs.Put(tx, &j) })
			return
		}
	}
}

// A cluster that is not connected is waited for, but not for ever: then the
// backup fails and says so.
func TestWaitsForTheCluster(t *testing.T) {
	w := newWorld(t)
	w.scheduled()
	start := w.planOf(instID).Start
	w.clock.Advance(start.Sub(w.clock.Now()))
	w.lookDue()
	if plan := w.planOf(instID); len(w.backups()) != 0 || !strings.Contains(plan.Waiting, "the cluster is not connected") {
		t.Fatalf("plan = %+v", plan)
	}
	w.clock.Advance(10 * time.Hour)
	w.revive() // as after a downtime
	w.lookDue()
	if len(w.backups()) != 0 {
		t.Fatal("the cluster had no time to come back")
	}
	w.heard(clusterID)
	w.lookDue()
	if got := w.backups(); len(got) != 1 {
		t.Fatalf("%d backups of a cluster that is back", len(got))
	}
	w.endOldest()
	w.clock.Advance(w.planOf(instID).Start.Add(15 * time.Minute).Sub(w.clock.Now()))
	w.lookDue()
	got := w.backups()
	if len(got) != 2 {
		t.Fatalf("%d backups, want one that fails", len(got))
	}
	w.turns(func() bool { return w.job(got[1].ID).Status.Terminal() })
	if j := w.job(got[1].ID); j.Status != backup.JobFailed || j.Problem.Code != backup.CodeClusterNotConnected {
		t.Fatalf("job = %+v", j)
	}
}

// A start that is cut off anywhere happens once all the same.
func TestKilledWhileStarting(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, after := range []bool{false, true} {
			w := newWorld(t)
			w.scheduled()
			w.at(w.planOf(instID).Start)
			w.face = &mortal{Store: w.store, left: n, after: after}
			w.revive()
			job := catalog.Job{Kind: workflow.KindSchedule, Args: json.RawMessage(`{}`)}
			for range 3 {
				if !w.step(job) {
					t.Fatal("the schedule has ended")
				}
			}
			if got := w.backups(); len(got) != 1 {
				t.Errorf("killed at update %d (after=%v): %d backups", n, after, len(got))
			}
		}
	}
}

// Should the job that starts what is due be gone, it is back within the hour.
func TestScheduleIsKeptGoing(t *testing.T) {
	w := newWorld(t)
	w.scheduled()
	w.store.TakeJobs()
	if err := workflow.StartHousekeeping(t.Context(), w.store); err != nil {
		t.Fatal(err)
	}
	w.drain(workflow.KindHousekeeping)
	if w.queue = append(w.queue, w.store.TakeJobs()...); !slices.ContainsFunc(w.queue, func(job catalog.Job) bool { return job.Kind == workflow.KindSchedule }) {
		t.Errorf("nobody is to look at what is due: %+v", w.queue)
	}
}
