package service_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
	"holdfast.dev/holdfast/internal/workflow"
)

// leaping is the machine's clock, ahead by as much as a test has leapt.
type leaping struct{ ahead atomic.Int64 }

func (l *leaping) Now() time.Time {
	return clock.System{}.Now().Add(time.Duration(l.ahead.Load()))
}

// leapTo lets the service live on at a moment, as after a downtime.
func (w *world) leapTo(l *leaping, moment time.Time) {
	w.t.Helper()
	w.stop()
	l.ahead.Add(int64(moment.Sub(l.Now())))
	w.start()
}

// schedule is when the instance is backed up next; nil when it is not.
func (w *world) schedule() object {
	w.t.Helper()
	s, _ := w.must(http.MethodGet, w.instance, nil)["properties"].(object)["holdfastSchedule"].(object)
	return s
}

func (w *world) nextStart() time.Time {
	w.t.Helper()
	return w.moment(w.schedule()["nextStart"])
}

func (w *world) moment(text any) time.Time {
	w.t.Helper()
	t, err := time.Parse(time.RFC3339, text.(string))
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// awaitStarts waits until the schedule has started n backups and all have ended.
// It returns the last one.
func (w *world) awaitStarts(n int) object {
	w.t.Helper()
	var jobs []any
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		jobs = w.must(http.MethodGet, w.vault+"/backupJobs", nil)["value"].([]any)
		ended := 0
		for _, j := range jobs {
			if j.(object)["properties"].(object)["endTime"] != nil {
				ended++
			}
		}
		if ended == n && len(jobs) == n {
			return jobs[0].(object)["properties"].(object)
		}
	}
	w.t.Fatalf("%d jobs, want %d that have ended: %v", len(jobs), n, jobs)
	return nil
}

// A day with the schedule, which is as long as the fake cluster's certificate
// lives: every due time gives one recovery point, also across restarts; nothing
// starts while protection is stopped; and after a downtime one backup makes up for
// the time that was missed.
func TestDayWithASchedule(t *testing.T) {
	t.Parallel()
	leap := &leaping{}
	w := newWorldWith(t, service.Options{Clock: leap, Schedule: workflow.Schedule{Look: 100 * time.Millisecond}})
	w.furnish()
	cluster := w.connect()
	w.declareExtension()
	w.grantRoles()
	w.protect()
	var last time.Time
	for nth := 1; nth <= 2; nth++ { // each after a restart
		for w.schedule() == nil {
			time.Sleep(50 * time.Millisecond) // the plan follows the protection
		}
		start, due := w.nextStart(), w.moment(w.schedule()["nextDue"])
		if start.Before(due) || start.After(due.Add(2*time.Hour)) || due.Hour()%4 != 1 || !due.After(last) {
			t.Fatalf("schedule = %v", w.schedule())
		}
		w.leapTo(leap, start)
		job := w.awaitStarts(nth)
		details := job["extendedInfo"].(object)["additionalDetails"].(object)
		if job["status"] != "Completed" || job["isUserTriggered"] != false || details["PolicyRuleName"] != "BackupHourly" ||
			!w.moment(details["ScheduledTime"]).Equal(due) {
			t.Fatalf("job = %v", job)
		}
		last = due
	}
	if n := cluster.count(agentv1.KindBackup); n != 2 || len(w.points()) != 2 {
		t.Fatalf("%d backups, recovery points %v, want 2 of each", n, w.points())
	}

	w.must(http.MethodPost, w.instance+"/stopProtection", object{})
	for end := time.Now().Add(patience); w.schedule() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a stopped instance has a plan")
		}
	}
	w.leapTo(leap, last.Add(6*time.Hour))
	w.must(http.MethodPost, w.instance+"/resumeProtection", nil)
	for w.schedule() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	if next := w.moment(w.schedule()["nextDue"]); !next.After(leap.Now()) {
		t.Fatalf("resumed into the past: %v", next)
	}

	w.leapTo(leap, w.moment(w.schedule()["nextDue"]).Add(210*time.Minute))
	job := w.awaitStarts(3)
	if warnings, _ := job["extendedInfo"].(object)["warningDetails"].([]any); job["status"] != "CompletedWithWarnings" || len(warnings) != 1 {
		t.Fatalf("job after the downtime = %v", job)
	}
	if reason := job["extendedInfo"].(object)["additionalDetails"].(object)["ScheduleReason"].(string); !strings.Contains(reason, "after the window that ended") {
		t.Fatalf("reason = %s", reason)
	}
}
