package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	"holdfast.dev/holdfast/test/postgres"
)

// replica is a workflow over a database of its own opening, as another process
// has it.
type replica struct {
	store *sqlstore.Store
	flow  *workflow.Workflow
}

// opener opens the database of a test once more.
type opener func() (*sqlstore.DB, error)

func sqlite(t testing.TB) opener {
	path := filepath.Join(t.TempDir(), "catalog.db")
	return func() (*sqlstore.DB, error) { return sqlstore.OpenSQLite(path) }
}

// onBoth does a test on every database.
func onBoth(t *testing.T, do func(*testing.T, opener)) {
	t.Run("sqlite", func(t *testing.T) { do(t, sqlite(t)) })
	t.Run("postgres", func(t *testing.T) {
		url := postgres.Database(t)
		do(t, func() (*sqlstore.DB, error) { return sqlstore.OpenPostgres(t.Context(), url, 0) })
	})
}

func TestMain(m *testing.M) { os.Exit(postgres.Main(m)) }

func openReplica(t testing.TB, open opener, clk clock.Clock, limits workflow.Schedule) replica {
	t.Helper()
	return openReplicaWith(t, open, clk, limits, func(s catalog.Store) catalog.Store { return s })
}

// openReplicaWith opens one that sees its store through a face.
func openReplicaWith(t testing.TB, open opener, clk clock.Clock, limits workflow.Schedule, face func(catalog.Store) catalog.Store) replica {
	t.Helper()
	db, err := open()
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
	return replica{store, workflow.New(workflow.Config{Store: face(store), Clock: clk, Log: slog.New(slog.DiscardHandler), Bell: &agentops.Bell{}, Schedule: limits})}
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

func openReplicas(t *testing.T, n int, open opener, clk clock.Clock, limits workflow.Schedule) (all []replica) {
	for range n {
		all = append(all, openReplica(t, open, clk, limits))
	}
	return all
}

// lookTogether lets all replicas look at what is due at the same time.
func lookTogether(t *testing.T, replicas []replica) {
	var looking sync.WaitGroup
	for _, r := range replicas {
		looking.Go(func() {
			if err := look(r.flow); err != nil {
				t.Error(err)
			}
		})
	}
	looking.Wait()
}

// Three replicas of the service on one catalog look at what is due at the same
// time, for a day: every due time of every instance starts one backup.
func TestReplicasStartEachDueTimeOnce(t *testing.T) { onBoth(t, testReplicasStartEachDueTimeOnce) }

func testReplicasStartEachDueTimeOnce(t *testing.T, open opener) {
	const instances, rounds = 12, 6
	clk := clock.NewManual(begin)
	replicas := openReplicas(t, 3, open, clk, workflow.Schedule{AtOnce: 1000, PerCluster: 1000})
	replicas[0].protectMany(t, instances, clusterID, otherID)
	clk.Advance(firstDue.Sub(begin))
	for range rounds {
		clk.Advance(100 * time.Minute) // past the places in the window
		lookTogether(t, replicas)
		replicas[0].end(t, clk.Now(), instances)
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

// What may run at once may run in all replicas together, however they meet.
func TestReplicasShareTheLimits(t *testing.T) { onBoth(t, testReplicasShareTheLimits) }

func testReplicasShareTheLimits(t *testing.T, open opener) {
	const instances = 40
	limits := workflow.Schedule{AtOnce: 7, PerCluster: 3}
	clk := clock.NewManual(begin)
	replicas := openReplicas(t, 3, open, clk, limits)
	replicas[0].protectMany(t, instances, clusterID, otherID, clusterID+"3")
	clk.Advance(firstDue.Sub(begin) + 2*time.Hour)
	for began := 0; began < instances; {
		lookTogether(t, replicas)
		running, perCluster, all := 0, map[string]int{}, replicas[0].jobs(t)
		for _, j := range all {
			if j.HoldsInstance() {
				running++
				perCluster[j.Datasource.ID]++
			}
		}
		if running > limits.AtOnce || len(perCluster) > 0 && slices.Max(slices.Collect(maps.Values(perCluster))) > limits.PerCluster {
			t.Fatalf("%d run, of each cluster %v", running, perCluster)
		}
		if len(all) == began {
			t.Fatalf("none of %d that wait was started beside %d", instances-began, running)
		}
		began = len(all)
		replicas[0].end(t, clk.Now(), 4)
	}
}

// A replica that was stopped in the middle of its look, after it had counted, starts
// nothing more once another has looked: it does not know what that one has started.
func TestReplicaIsRelieved(t *testing.T) { onBoth(t, testReplicaIsRelieved) }

func testReplicaIsRelieved(t *testing.T, open opener) {
	clk := clock.NewManual(begin)
	limits := workflow.Schedule{AtOnce: 5, PerCluster: 5}
	stopped := &stopping{before: 3, began: make(chan struct{}), release: make(chan struct{})} // its watch, a start, and another
	first := openReplicaWith(t, open, clk, limits, func(s catalog.Store) catalog.Store {
		stopped.Store = s
		return stopped
	})
	second := openReplica(t, open, clk, limits)
	second.protectMany(t, 20, clusterID)
	clk.Advance(firstDue.Sub(begin) + 2*time.Hour)
	looked := make(chan error, 1)
	go func() { looked <- look(first.flow) }()
	<-stopped.began
	if err := look(second.flow); err != nil {
		t.Fatal(err)
	}
	if n := len(second.jobs(t)); n != limits.AtOnce {
		t.Fatalf("%d were started beside the one of the first replica, want %d in all", n-1, limits.AtOnce)
	}
	close(stopped.release)
	if err := <-looked; err != nil {
		t.Fatal(err)
	}
	if n := len(second.jobs(t)); n != limits.AtOnce {
		t.Fatalf("the relieved replica has started %d more", n-limits.AtOnce)
	}
	second.end(t, clk.Now(), 2)
	if err := look(first.flow); err != nil || len(second.jobs(t)) != limits.AtOnce+2 {
		t.Fatalf("on its next watch it started up to %d, %v", len(second.jobs(t)), err)
	}
}

// stopping holds up one of its updates, counted from 1, until it is released.
type stopping struct {
	catalog.Store
	before         int
	began, release chan struct{}
}

func (s *stopping) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	if s.before--; s.before == 0 {
		close(s.began)
		<-s.release
	}
	return s.Store.Update(ctx, fn)
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

// end ends up to n backups that run.
func (r replica) end(t testing.TB, now time.Time, n int) {
	t.Helper()
	err := r.store.Update(context.Background(), func(tx catalog.Tx) error {
		open, err := inventory.Jobs.With(tx, inventory.LabelHolding, string(backup.JobBackup))
		for i := range open[:min(n, len(open))] {
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
	r := openReplica(b, sqlite(b), clock.NewManual(begin), workflow.Schedule{})
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
	r := openReplica(b, sqlite(b), clk, workflow.Schedule{AtOnce: 1 << 20, PerCluster: 1 << 20})
	const instances = 500
	r.protectMany(b, instances, clusterID)
	for b.Loop() {
		b.StopTimer()
		r.end(b, clk.Now(), instances)
		clk.Advance(4 * time.Hour)
		b.StartTimer()
		if err := look(r.flow); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/instances, "ns/due-instance")
}
