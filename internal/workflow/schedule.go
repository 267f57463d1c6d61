package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/schedule"
)

// The schedule starts backups when they are due. Every protected instance has a
// plan, which says what it waits for; an index has the plans in the order of
// their starts, and one job looks at its beginning again and again. So what is not
// due costs nothing. A start writes the job and the next plan in one transaction,
// over the plan that was read: whoever looks, and however often, each due time
// starts one job.

// KindSchedule is the kind of the job that starts what is due. It is enqueued
// once, at start, and never ends.
const KindSchedule = "schedule"

// Schedule says how backups that are due are started. Zero values mean the
// defaults.
type Schedule struct {
	// Window is how long after its due time a backup may start; 2 hours, and at
	// most that: policies may be due every 4 hours.
	Window time.Duration
	// AtOnce bounds the backups that run at the same time, 200, and PerCluster
	// those of one cluster, 4. Those that users start count, and are not held up.
	AtOnce, PerCluster int
	// Look is the pause between two looks at what is due; 10 seconds.
	Look time.Duration
}

// The defaults of Schedule.
const (
	DefaultWindow     = 2 * time.Hour
	DefaultAtOnce     = 200
	DefaultPerCluster = 4
	defaultLook       = 10 * time.Second
)

// withDefaults fills in what is not set.
func (s Schedule) withDefaults() Schedule {
	if s.Window <= 0 || s.Window > DefaultWindow {
		s.Window = DefaultWindow
	}
	if s.AtOnce <= 0 {
		s.AtOnce = DefaultAtOnce
	}
	if s.PerCluster <= 0 {
		s.PerCluster = DefaultPerCluster
	}
	if s.Look <= 0 {
		s.Look = defaultLook
	}
	return s
}

// ScheduleCounts counts what this process has started.
type ScheduleCounts struct {
	Started atomic.Int64
	Late    atomic.Int64 // after the end of their window
	Missed  atomic.Int64 // due times that passed without a start
}

// StartSchedule enqueues the job that starts what is due, once.
func StartSchedule(ctx context.Context, store catalog.Store) error {
	return startForGood(ctx, store, KindSchedule)
}

const (
	duePage = 100 // a look at nothing reads as much
	// scheduleStep bounds one step, well within the time that steps have.
	scheduleStep = 500
	// reunion is how long a backup waits for a cluster that is not connected, from
	// its time or the start of the service on: after a downtime clusters come back one
	// by one. Then it starts, and fails with the reason.
	reunion = 15 * time.Minute
	// mostNoted bounds how many plans are told that they wait for all others: the
	// rest of thousands wait for the same.
	mostNoted = 100
)

// schedule starts what is due. What cannot be started does not hold up the rest;
// it is still due at the next look.
func (w *Workflow) schedule(ctx context.Context, _ json.RawMessage) (jobs.Result, error) {
	l := &look{Workflow: w, limits: w.Schedule.withDefaults(), now: w.Clock.Now()}
	result, err := l.run(ctx)
	if errors.Is(err, inventory.ErrRelieved) {
		return jobs.Done(), nil // another such job is at it, and goes on
	}
	return result, err
}

// look is one look at what is due.
type look struct {
	*Workflow
	limits       Schedule
	now          time.Time
	watch        string
	running      *load // nil until the watch has begun
	tried, noted int
}

func (l *look) run(ctx context.Context) (jobs.Result, error) {
	for after := ""; ; {
		due, next, err := l.dueBy(ctx, l.now, after)
		if err == nil && l.running == nil && len(due) > 0 {
			err = l.begin(ctx)
		}
		if err != nil {
			return jobs.Result{}, err
		}
		for _, entry := range due {
			if err := l.at(ctx, entry); err != nil {
				return jobs.Result{}, err
			}
			if l.tried == scheduleStep {
				return jobs.Again(0), nil
			}
		}
		if after = next; after == "" || l.noted >= mostNoted {
			return jobs.Again(l.limits.Look), nil
		}
	}
}

// at starts what an entry is of, or notes why not. The error is that of a context
// or a watch that has ended.
func (l *look) at(ctx context.Context, entry inventory.Due) error {
	hold := l.running.hold(entry.Cluster, l.limits)
	switch {
	case hold != "" && hold == entry.Waiting:
		return nil // as it was at the last look
	case l.running.all >= l.limits.AtOnce && l.noted >= mostNoted:
		return nil
	case hold != "":
		l.noted++
	}
	l.tried++
	started, err := l.startDue(ctx, entry, hold)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, inventory.ErrRelieved):
		return err
	case err != nil:
		l.Log.Warn("a backup that is due was not started", "instance", entry.InstanceID, "error", err)
	case started:
		l.running.add(entry.Cluster)
	}
	return nil
}

func (w *Workflow) dueBy(ctx context.Context, now time.Time, after string) (due []inventory.Due, next string, err error) {
	err = w.Store.View(ctx, func(tx catalog.Tx) error {
		due, next, err = inventory.DueBy(tx, now, after, duePage)
		return err
	})
	return due, next, err
}

// load is how many backups run.
type load struct {
	all       int
	ofCluster map[string]int
}

func (l *load) add(cluster string) {
	l.all++
	l.ofCluster[cluster]++
}

// hold says why one more backup of a cluster has to wait; empty when it has not.
// The text stays the same while it holds.
func (l *load) hold(cluster string, limits Schedule) string {
	switch {
	case l.all >= limits.AtOnce:
		return fmt.Sprintf("%d backups are running, no more may run at the same time", limits.AtOnce)
	case l.ofCluster[cluster] >= limits.PerCluster:
		return fmt.Sprintf("%d backups of the cluster are running, no more may run at the same time", limits.PerCluster)
	}
	return ""
}

// begin begins a watch and counts, in the same transaction, the backups in their
// first half: the copying into the vault has limits of its own.
func (l *look) begin(ctx context.Context) error {
	return l.Store.Update(ctx, func(tx catalog.Tx) (err error) {
		if l.watch, err = inventory.BeginWatch(tx); err != nil {
			return err
		}
		l.running = &load{ofCluster: map[string]int{}}
		open, err := inventory.Jobs.With(tx, inventory.LabelHolding, string(backup.JobBackup))
		for i := range open {
			l.running.add(backup.Key(open[i].Datasource.ID))
		}
		return err
	})
}

// startDue starts the backup of an entry, if it may be, and plans the next.
func (l *look) startDue(ctx context.Context, entry inventory.Due, hold string) (started bool, err error) {
	var d schedule.Decision
	_, err = l.take(ctx, backup.Work{}, func(t *turn) (jobs.Result, error) {
		if err := inventory.OnWatch(t.tx, l.watch); err != nil {
			return jobs.Result{}, err
		}
		d, err = t.startDue(entry, hold, l.limits, l.opened)
		return jobs.Done(), err
	})
	if errors.Is(err, catalog.ErrConflict) {
		return false, nil // whoever changes the instance was faster
	}
	if err != nil || d.Action != schedule.Start {
		return false, err
	}
	l.ScheduleCounts.Started.Add(1)
	l.ScheduleCounts.Missed.Add(int64(d.Missed))
	if d.Late {
		l.ScheduleCounts.Late.Add(1)
	}
	if d.Late || d.Missed > 0 {
		l.Log.Warn("a backup did not start within its window", "instance", entry.InstanceID, "due", d.Slot.Due, "missed", d.Missed, "reason", d.Reason)
	}
	return true, nil
}

func (t *turn) startDue(entry inventory.Due, hold string, limits Schedule, opened time.Time) (d schedule.Decision, err error) {
	plan, err := entry.PlanOf(t.tx)
	if errors.Is(err, catalog.ErrNotFound) {
		return d, entry.Forget(t.tx)
	}
	if err != nil {
		return d, err
	}
	instance, calendar, err := t.planned(plan.ID)
	if err != nil {
		return d, err
	}
	if len(calendar) == 0 {
		return d, inventory.DropPlan(t.tx, plan.ID)
	}
	state := schedule.State{Key: backup.Key(instance.ID), Window: limits.Window, Due: plan.Due, Hold: hold}
	if state.Hold == "" {
		if state.Hold, err = t.heldUp(instance, later(plan.Start, opened).Add(reunion)); err != nil {
			return d, err
		}
	}
	d = calendar.Decide(state, t.now)
	switch {
	case d.Action == schedule.Start:
		return d, t.startScheduled(instance, plan, d)
	case plan.Waiting == d.Reason:
		return d, nil
	default:
		plan.Waiting = d.Reason
		return d, inventory.PutPlan(t.tx, plan, instance.Datasource.ID)
	}
}

// planned reads an instance and the calendar it is backed up by; an empty one
// when it is not, or is no more.
func (t *turn) planned(id string) (*backup.Instance, schedule.Calendar, error) {
	instance, err := inventory.Instances.Get(t.tx, id)
	if err != nil || !instance.Planned() {
		return instance, nil, gone(err)
	}
	policy, err := inventory.Policies.Get(t.tx, instance.PolicyID)
	if err != nil {
		return instance, nil, gone(err)
	}
	calendar, err := policy.Calendar()
	return instance, calendar, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// heldUp says what of the instance itself a backup has to wait for; for its
// cluster until a moment.
func (t *turn) heldUp(instance *backup.Instance, until time.Time) (string, error) {
	if problem := instance.MayBackUp(); problem != nil {
		return problem.Message, nil
	}
	open, err := openJobs(t.tx, instance.ID)
	if err != nil {
		return "", err
	}
	for i := range open {
		if open[i].HoldsInstance() {
			return fmt.Sprintf("job %s of the instance is still running", open[i].Name()), nil
		}
	}
	c, err := inventory.Connections.Get(t.tx, backup.ConnectionID(instance.Datasource.ID, backup.RoleExtension))
	if err == nil && !c.Alive(t.now) && t.now.Before(until) {
		return "the cluster is not connected", nil
	}
	return "", gone(err)
}

// startScheduled writes the job of a due time and what is due after it.
func (t *turn) startScheduled(instance *backup.Instance, plan *backup.Plan, d schedule.Decision) error {
	if plan.Waiting != "" {
		d.Reason += "; it had to wait: " + plan.Waiting
	}
	job := backup.NewScheduledJob(instance, d, t.now)
	plan.Note(d, job)
	return errors.Join(
		inventory.Jobs.PutIf(t.tx, job, catalog.IfAbsent),
		inventory.Enqueue(t.tx, job.Work()),
		inventory.PutPlan(t.tx, plan, instance.Datasource.ID))
}

// plan makes the plan of an instance anew when its protection or its policy has
// changed. What it waits for already is kept while its calendar is the same.
func (w *Workflow) plan(ctx context.Context, work backup.Work) (jobs.Result, error) {
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		return jobs.Done(), t.plan(w.Schedule.withDefaults().Window)
	})
}

func (t *turn) plan(window time.Duration) error {
	instance, calendar, err := t.planned(t.work.Subject)
	if err != nil {
		return err
	}
	if len(calendar) == 0 {
		return inventory.DropPlan(t.tx, t.work.Subject)
	}
	policy, err := inventory.Policies.Get(t.tx, instance.PolicyID)
	if err != nil {
		return err
	}
	plan, err := inventory.Plans.Get(t.tx, instance.ID)
	if errors.Is(err, catalog.ErrNotFound) {
		plan, err = &backup.Plan{Meta: backup.Meta{ID: instance.ID}}, nil
	}
	if err != nil || plan.Calendar == policy.CalendarText() {
		return err
	}
	plan.Calendar = policy.CalendarText()
	plan.Await(calendar.After(t.now, backup.Key(instance.ID), window))
	return inventory.PutPlan(t.tx, plan, instance.Datasource.ID)
}
