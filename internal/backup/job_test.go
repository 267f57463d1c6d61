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
