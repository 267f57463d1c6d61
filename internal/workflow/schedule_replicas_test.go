package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/workflow"
)

// replica is a workflow over a database of its own opening, as another process
// has it.
type replica struct {
	store *sqlstore.Store
	flow  *workflow.Workflow
}

func openReplica(t testing.TB, path string, clk clock.Clock, limits workflow.Schedule) replica {
	t.Helper()
	db, err := sqlstore.OpenSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := errors.Join(db.Migrate(context.Background()), jobs.Migrate(context.Background(), db)); err != nil {
		t.Fatal(err)
	}
	queue, err := jobs.NewQueue(db)
	if err != nil {
		t.Fatal(err)
	}
	store := sqlstore.New(db, queue.Enqueue)
	return replica{store, workflow.New(workflow.Config{Store: store, Clock: clk, Log: slog.New(slog.DiscardHandler), Bell: &agentops.Bell{}, Schedule: limits})}
}

// protectMany writes instances on a policy, and their plans.
func (r replica) protectMany(t testing.TB, n int, clusters ...string) {
	t.Helper()
	err := r.store.Update(context.Background(), func(tx catalog.Tx) error {
		return errors.Join(putPolicy(tx, policyID, "R/2023-01-04T09:00:00+00:00/PT4H"), addInstances(tx, n, clusters...))
	})
	if err != nil {
		t.Fatal(err)
	}
	for k := range n {
		r.plan(t, fmt.Sprintf("%s/backupInstances/more-%04d", vaultID, k))
	}
}

func (r replica) plan(t testing.TB, id string) {
	t.Helper()
	job, err := inventory.JobOf(backup.Work{Kind: backup.WorkPlan, Subject: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, handler := range r.flow.Handlers() {
		if handler.Kind == job.Kind {
			if _, err := handler.Work(context.Background(), job.Args); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Three replicas of the service on one catalog look at what is due at the same
// time, for three days: every due time of every instance starts one backup.
func TestReplicasStartEachDueTimeOnce(t *testing.T) {
	const instances, rounds = 12, 6
	path := filepath.Join(t.TempDir(), "catalog.db")
	clk := clock.NewManual(begin)
	limits := workflow.Schedule{AtOnce: 1000, PerCluster: 1000}
	var replicas []replica
	for range 3 {
		replicas = append(replicas, openReplica(t, path, clk, limits))
	}
	replicas[0].protectMany(t, instances, clusterID, otherID)
	clk.Advance(firstDue.Sub(begin))
	for range rounds {
		clk.Advance(100 * time.Minute) // past the places in the window
		var looking sync.WaitGroup
		for _, r := range replicas {
			looking.Go(func() {
				if err := look(r.flow); err != nil {
					t.Error(err)
				}
			})
		}
		looking.Wait()
		replicas[0].endAll(t, clk.Now())
		clk.Advance(140 * time.Minute)
	}
	started := map[string]int{}
	all := replicas[0].jobs(t)
	for _, j := range all {
		if j.Scheduled.Late || j.Scheduled.Missed > 0 {
			t.Errorf("%s was late: %s", j.InstanceID, j.Scheduled.Reason)
		}
		started[j.InstanceID+j.Scheduled.Due.String()]++
	}
	if len(all) != instances*rounds || len(started) != instances*rounds {
		t.Errorf("%d backups for %d due times, want %d for as many", len(all), len(started), instances*rounds)
	}
}

func (r replica) jobs(t testing.TB) (all []backup.Job) {
	t.Helper()
	err := r.store.View(context.Background(), func(tx catalog.Tx) (err error) {
		all, err = inventory.Jobs.Below(tx, vaultID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (r replica) endAll(t testing.TB, now time.Time) {
	t.Helper()
	err := r.store.Update(context.Background(), func(tx catalog.Tx) error {
		open, err := inventory.Jobs.With(tx, inventory.LabelHolding, string(backup.JobBackup))
		for i := range open {
			open[i].Complete(now, nil)
			err = errors.Join(err, inventory.Jobs.Put(tx, &open[i]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What one look costs while 5,000 instances wait for their time, none of which
// has come.
func BenchmarkScheduleIdle(b *testing.B) {
	r := openReplica(b, filepath.Join(b.TempDir(), "catalog.db"), clock.NewManual(begin), workflow.Schedule{})
	r.protectMany(b, 5000, clusterID)
	for b.Loop() {
		if err := look(r.flow); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/5000, "ns/idle-instance")
}

// What it costs to start what is due, each with its job, its work and its next
// plan on disk.
func BenchmarkScheduleDue(b *testing.B) {
	clk := clock.NewManual(begin)
	r := openReplica(b, filepath.Join(b.TempDir(), "catalog.db"), clk, workflow.Schedule{AtOnce: 1 << 20, PerCluster: 1 << 20})
	const instances = 500
	r.protectMany(b, instances, clusterID)
	for b.Loop() {
		b.StopTimer()
		r.endAll(b, clk.Now())
		clk.Advance(4 * time.Hour)
		b.StartTimer()
		if err := look(r.flow); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/instances, "ns/due-instance")
}
