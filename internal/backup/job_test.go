package backup

import (
	"strings"
	"testing"
	"time"
)

func TestJobEndsOnce(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end := start.Add(time.Minute)
	running := func() *Job {
		return &Job{Status: JobInProgress, Started: start, Tasks: []Task{{Name: "Trigger Backup", Status: JobInProgress}}}
	}
	warning := []Warning{{Resource: "v1/PersistentVolumeClaim a/b", Problem: *NewProblem(CodeGenericWarning, "", "x")}}
	for name, c := range map[string]struct {
		first, second func(*Job)
		want          JobStatus
	}{
		"completed": {func(j *Job) { j.Complete(end, nil) }, func(j *Job) { j.Fail(end, Invalid("", "x")) }, JobCompleted},
		"warnings":  {func(j *Job) { j.Complete(end, warning) }, func(j *Job) { j.Complete(end, nil) }, JobCompletedWithWarnings},
		"failed":    {func(j *Job) { j.Fail(end, Invalid("", "x")) }, func(j *Job) { j.Complete(end, nil) }, JobFailed},
		"cancelled": {func(j *Job) { j.Cancel(end) }, func(j *Job) { j.Complete(end, nil) }, JobCancelled},
	} {
		j := running()
		if j.Duration() != 0 {
			t.Errorf("%s: a running job took %v", name, j.Duration())
		}
		c.first(j)
		c.second(j)
		if j.Status != c.want || j.Tasks[0].Status != c.want || j.Duration() != time.Minute {
			t.Errorf("%s: %s, task %s, took %v", name, j.Status, j.Tasks[0].Status, j.Duration())
		}
	}
}

func TestCheckDaily(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var jobs []Job
	for range MaxPerDay {
		jobs = append(jobs, Job{Kind: JobBackup, UserTriggered: true, Started: now.Add(-time.Hour)})
	}
	if p := CheckDaily(jobs, JobBackup, now, Daily{}); p == nil || p.Code != CodeTooManyBackups || !p.Retryable ||
		!strings.Contains(p.Message, "10 on-demand backups") || !strings.Contains(p.Message, "at "+now.Add(23*time.Hour).UTC().Format(time.RFC3339)) {
		t.Errorf("an eleventh backup: %v", p)
	}
	if p := CheckDaily(jobs, JobRestore, now, Daily{}); p != nil {
		t.Errorf("backups count as restores: %v", p)
	}
	jobs[0].UserTriggered = false
	if p := CheckDaily(jobs, JobBackup, now, Daily{}); p != nil {
		t.Errorf("a scheduled backup counts: %v", p)
	}
	jobs[0].UserTriggered, jobs[1].Started = true, now.Add(-24*time.Hour)
	if p := CheckDaily(jobs, JobBackup, now, Daily{}); p != nil {
		t.Errorf("yesterday's backup counts: %v", p)
	}
	limits := Daily{Backups: 3, Restores: 2}
	for n, want := range map[int]bool{2: true, 3: false} {
		if p := CheckDaily(jobs[2:2+n], JobBackup, now, limits); (p == nil) != want {
			t.Errorf("one more than %d backups, of at most 3: %v", n, p)
		}
	}
}

func TestCheckRunning(t *testing.T) {
	jobs := []Job{{Kind: JobBackup, Status: JobCompleted}, {Kind: JobRestore, Status: JobInProgress}}
	if p := CheckRunning(jobs, JobBackup); p != nil {
		t.Errorf("a restore or a finished backup is in the way: %v", p)
	}
	if p := CheckRunning(jobs, JobRestore); p == nil || p.Code != CodeOperationInProgress || !p.Retryable {
		t.Errorf("a running restore: %v", p)
	}
}

func TestCallOff(t *testing.T) {
	j := &Job{Status: JobInProgress}
	if p := j.CallOff("op"); p != nil || j.Status != JobCancelling || !j.CancelRequested || j.CancelOperationID != "op" {
		t.Fatalf("%+v, %v", j, p)
	}
	if p := j.CallOff(""); p != nil || j.CancelOperationID != "op" {
		t.Fatalf("called off twice: %+v, %v", j, p)
	}
	j.Cancel(j.Started)
	if p := j.CallOff("late"); p == nil || p.Code != CodeJobEnded || j.CancelOperationID != "op" || j.Status != JobCancelled {
		t.Fatalf("called off after its end: %+v, %v", j, p)
	}
}

func TestJobWork(t *testing.T) {
	j := Job{Meta: Meta{ID: "/j"}, Kind: JobRestore, OperationID: "op"}
	if w := j.Work(); w.Kind != WorkRestore || w.Subject != "/j" || w.OperationID != "op" {
		t.Errorf("%+v", w)
	}
	if j.Kind = JobBackup; j.Work().Kind != WorkBackup {
		t.Error(j.Work())
	}
}

// Each task has its own duration and its own bytes; the job has the sum.
func TestTasksOfAJob(t *testing.T) {
	begin := time.Date(2026, 1, 12, 6, 0, 0, 0, time.UTC)
	j := &Job{Kind: JobBackup, Status: JobInProgress, Started: begin, Progress: Progress{BytesDone: 5},
		Tasks: []Task{{Name: "Trigger Backup", Status: JobInProgress}}}
	if j.TaskDuration(0) != 0 || j.Transferred() != 5 {
		t.Errorf("while it runs: %v, %d bytes", j.TaskDuration(0), j.Transferred())
	}
	j.BeginVaulting(begin.Add(time.Minute), VaultDecision{Copy: true}, nil)
	j.Progress.BytesDone = 7
	if j.TaskDuration(0) != time.Minute || j.TaskDuration(1) != 0 || j.Transferred() != 12 {
		t.Errorf("while vaulting: %v, %v, %d bytes", j.TaskDuration(0), j.TaskDuration(1), j.Transferred())
	}
	j.Complete(begin.Add(3*time.Minute), nil)
	if j.TaskDuration(1) != 2*time.Minute || j.Duration() != 3*time.Minute {
		t.Errorf("at the end: %v of %v", j.TaskDuration(1), j.Duration())
	}
}

// How far a task is never goes back, also when the work is begun anew, and 100 % is
// what has ended. Who does not know says nothing, and takes nothing back.
func TestProgressNeverGoesBack(t *testing.T) {
	j := &Job{Kind: JobRestore, Status: JobInProgress, Tasks: []Task{{Name: TaskHydrating, Status: JobInProgress}, {Name: "Trigger Restore", Status: JobInProgress}}}
	for _, c := range []struct {
		told    Progress
		changed bool
		percent int64
	}{
		{Progress{Phase: "Waiting"}, true, 0},
		{Progress{Phase: "Waiting"}, false, 0},
		{Hydrating(10, 0), true, 0},
		{Hydrating(10, 40), true, 25},
		{Hydrating(30, 40), true, 75},
		{Hydrating(20, 40), true, 75},
		{Progress{Phase: "Waiting to try again"}, true, 75},
		{Hydrating(44, 40), true, 99},
		{Progress{Phase: "from elsewhere", Percent: 4000}, true, 99},
	} {
		changed := j.Note(c.told)
		percent, known := j.TaskProgress(0)
		if changed != c.changed || percent != c.percent || known != (c.percent > 0) {
			t.Errorf("%+v: changed %v, %d %% known %v", c.told, changed, percent, known)
		}
	}
	if _, known := j.TaskProgress(1); known {
		t.Error("the second task has not begun")
	}
	j.Tasks[0].Status, j.Progress = JobCompleted, Progress{}
	j.Note(Progress{Percent: 3})
	if percent, known := j.TaskProgress(1); percent != 3 || !known {
		t.Errorf("the second task begins at %d %%", percent)
	}
	if j.Complete(time.Now(), nil); j.Progress.Percent != 3 {
		t.Errorf("%+v", j.Progress)
	}
	if _, known := j.TaskProgress(1); known {
		t.Error("what has ended is not on its way")
	}
}

// The tasks of an upkeep are counted together, and shown each for itself.
func TestBytesOfUpkeepTasks(t *testing.T) {
	now := time.Date(2026, 1, 12, 6, 0, 0, 0, time.UTC)
	j := &Job{Status: JobInProgress, Upkeep: &Upkeep{}, Tasks: []Task{{Status: JobInProgress}, {Status: JobInProgress}, {Status: JobInProgress}}}
	check := func(what string, want ...int64) {
		t.Helper()
		sum := int64(0)
		for n := range j.Tasks {
			if sum += want[n]; j.TaskBytes(n) != want[n] {
				t.Errorf("%s: task %d has %d bytes, want %d", what, n, j.TaskBytes(n), want[n])
			}
		}
		if j.Transferred() != sum {
			t.Errorf("%s: %d in all", what, j.Transferred())
		}
	}
	check("at first", 0, 0, 0)
	j.Note(Progress{BytesDone: 4})
	check("in the first", 4, 0, 0)
	j.EndTask(0, now, false, nil)
	j.CountUp(0, Upkeep{BytesRead: 10})
	check("after the first", 10, 0, 0)
	j.Note(Progress{BytesDone: 13})
	check("in the second", 10, 3, 0)
	j.EndTask(1, now, false, nil)
	j.CountUp(1, Upkeep{BytesRead: 5})
	j.EndTask(2, now, false, nil)
	j.CountUp(2, Upkeep{BytesRead: 7})
	j.Complete(now, nil)
	check("at the end", 10, 5, 7)
}
