package backup

import (
	"slices"
	"time"
)

// Job is one piece of work that users watch: a backup or a restore.
type Job struct {
	Meta
	InstanceID   string     `json:"instanceId"`
	InstanceName string     `json:"instanceName"` // friendly name
	Datasource   Datasource `json:"datasource"`
	PolicyID     string     `json:"policyId,omitempty"`
	Kind         JobKind    `json:"kind"`
	Status       JobStatus  `json:"status"`
	Started      time.Time  `json:"started"`
	Ended        time.Time  `json:"ended,omitzero"` // zero while in progress
	// UserTriggered is false for scheduled work.
	UserTriggered bool   `json:"userTriggered"`
	ActivityID    string `json:"activityId"` // GUID shown to support
	StartedBy     string `json:"startedBy,omitempty"`
	// Scheduled is set on backups that the policy's schedule has started.
	Scheduled *Scheduled `json:"scheduled,omitempty"`
	// OperationID is the API operation to end with the job; empty when nobody waits.
	OperationID string `json:"operationId,omitempty"`
	// RuleName and Tag are set on backups: the backup rule, and the retention
	// rule the recovery point falls under ("" lets the policy choose).
	RuleName string `json:"ruleName,omitempty"`
	Tag      string `json:"tag,omitempty"`
	// Tagging is set when the policy has chosen the tag.
	Tagging *Tagging `json:"tagging,omitempty"`
	// RecoveryPointID is what a backup makes and what a restore reads; 32 hex digits.
	RecoveryPointID string          `json:"recoveryPointId,omitempty"`
	RecoveryPointAt time.Time       `json:"recoveryPointAt,omitzero"`
	Restore         *RestoreRequest `json:"restore,omitempty"`
	Staging         *Staging        `json:"staging,omitempty"` // set on restores that hydrate first
	Progress        Progress        `json:"progress,omitzero"`
	Vaulting        *Vaulting       `json:"vaulting,omitempty"` // set in the second half of a backup that is vaulted
	Upkeep          *Upkeep         `json:"upkeep,omitempty"`   // set on jobs over repositories in the vault; InstanceID may be empty then
	Tasks           []Task          `json:"tasks,omitempty"`
	Warnings        []Warning       `json:"warnings,omitempty"`
	Problem         *Problem        `json:"problem,omitempty"` // when failed
	// Details are further facts for people, such as the counts of a restore.
	Details         map[string]string `json:"details,omitempty"`
	CancelRequested bool              `json:"cancelRequested,omitempty"`
	// CancelOperationID is the API operation of who asked for the job to be
	// called off; empty when nobody waits.
	CancelOperationID string `json:"cancelOperationId,omitempty"`
}

// Work is what carries the job out.
func (j *Job) Work() Work {
	kind := WorkBackup
	switch {
	case j.Kind == JobRestore:
		kind = WorkRestore
	case j.Upkeep != nil:
		kind = WorkUpkeep
	case j.Vaulting != nil:
		kind = WorkVault
	}
	return Work{Kind: kind, Subject: j.ID, OperationID: j.OperationID}
}

// JobKind is what a job does.
type JobKind string

// Job kinds.
const (
	JobBackup  JobKind = "Backup"
	JobRestore JobKind = "Restore"
	JobVerify  JobKind = "Verify"  // of the vault; Upkeep is set
	JobCollect JobKind = "Collect" // garbage, in the vault; Upkeep is set
	JobRepair  JobKind = "Repair"  // of the vault; Upkeep is set
)

// JobStatus is how a job stands.
type JobStatus string

// Job statuses. The first two are not the end.
const (
	JobInProgress            JobStatus = "InProgress"
	JobCancelling            JobStatus = "Cancelling"
	JobCompleted             JobStatus = "Completed"
	JobCompletedWithWarnings JobStatus = "CompletedWithWarnings"
	JobFailed                JobStatus = "Failed"
	JobCancelled             JobStatus = "Cancelled"
)

// Terminal says whether the job has ended.
func (s JobStatus) Terminal() bool { return s != JobInProgress && s != JobCancelling }

// Progress is what the running task of a job has done so far. Zero totals are not
// known yet.
type Progress struct {
	Phase      string `json:"phase,omitempty"`
	ItemsDone  int64  `json:"itemsDone,omitempty"`
	ItemsTotal int64  `json:"itemsTotal,omitempty"`
	BytesDone  int64  `json:"bytesDone,omitempty"`
	BytesTotal int64  `json:"bytesTotal,omitempty"`
	// Percent is how far the task is, at most 99; 0 means that this is not known.
	Percent int64 `json:"percent,omitempty"`
}

// Note keeps what the running task has done so far, and returns whether that has
// changed. One that is begun anew, at the cluster or by another attempt, has much of it
// done already: its percentage does not go back.
func (j *Job) Note(p Progress) bool {
	p.Percent = min(max(p.Percent, j.Progress.Percent), 99)
	changed := j.Progress != p
	j.Progress = p
	return changed
}

// Task is one step of a job that people see.
type Task struct {
	Name   string    `json:"name"` // such as "Trigger Backup"
	Status JobStatus `json:"status"`
	Bytes  int64     `json:"bytes,omitempty"` // moved, once it is over; see Job.TaskBytes
	Size   int64     `json:"size,omitempty"`  // of what was backed up, once that is known
	Ended  time.Time `json:"ended,omitzero"`  // zero while it runs; a task begins when the one before has ended
}

// Complete ends the job well; with warnings when there are any. A job that has
// ended stays as it is.
func (j *Job) Complete(now time.Time, warnings []Warning) {
	if j.Status.Terminal() {
		return
	}
	j.Warnings = append(j.Warnings, warnings...)
	status := JobCompleted
	if len(j.Warnings) > 0 {
		status = JobCompletedWithWarnings
	}
	j.end(now, status)
}

// Fail ends the job badly. A job that has ended stays as it is.
func (j *Job) Fail(now time.Time, p *Problem) {
	if j.Status.Terminal() {
		return
	}
	j.Problem = p
	j.end(now, JobFailed)
}

// CallOff asks for the job to be stopped; operationID is ended with the job and
// may be empty. A job that has ended is a problem.
func (j *Job) CallOff(operationID string) *Problem {
	if j.Status.Terminal() {
		return NewProblem(CodeJobEnded, j.ID, "job %s has ended as %s", j.Name(), j.Status)
	}
	j.CancelRequested, j.Status = true, JobCancelling
	if operationID != "" {
		j.CancelOperationID = operationID
	}
	return nil
}

// Cancel ends the job as called off. A job that has ended stays as it is.
func (j *Job) Cancel(now time.Time) {
	if !j.Status.Terminal() {
		j.end(now, JobCancelled)
	}
}

func (j *Job) end(now time.Time, status JobStatus) {
	j.Status, j.Ended = status, now.UTC()
	for i := range j.Tasks {
		if !j.Tasks[i].Status.Terminal() {
			j.Tasks[i].Status = status
		}
		if j.Tasks[i].Ended.IsZero() {
			j.Tasks[i].Ended = j.Ended
		}
	}
}

// TaskDuration is how long the nth task took; zero while it runs.
func (j *Job) TaskDuration(n int) time.Duration {
	began := j.Started
	if n > 0 {
		began = j.Tasks[n-1].Ended
	}
	if j.Tasks[n].Ended.IsZero() {
		return 0
	}
	return j.Tasks[n].Ended.Sub(began)
}

// TaskBytes is how many bytes the nth task has moved so far. Those of the running task
// and of the last are in the Progress, which counts all tasks of an upkeep together.
func (j *Job) TaskBytes(n int) int64 {
	running, more := j.NextTask()
	switch {
	case j.Upkeep == nil && n == len(j.Tasks)-1:
		return j.Progress.BytesDone
	case j.Upkeep != nil && more && n == running:
		return max(0, j.Progress.BytesDone-j.ended())
	default:
		return j.Tasks[n].Bytes
	}
}

// ended is how many bytes the tasks have moved that are over.
func (j *Job) ended() (moved int64) {
	for _, t := range j.Tasks {
		moved += t.Bytes
	}
	return moved
}

// Transferred is how many bytes the job has moved so far, in all its tasks.
func (j *Job) Transferred() int64 {
	if j.Upkeep != nil {
		return j.Progress.BytesDone
	}
	moved := j.Progress.BytesDone
	for n := range len(j.Tasks) - 1 {
		moved += j.Tasks[n].Bytes
	}
	return moved
}

// TaskProgress is how far the nth task is in percent; false while that is not known,
// and when it does not run.
func (j *Job) TaskProgress(n int) (percent int64, known bool) {
	running, more := j.NextTask()
	return j.Progress.Percent, more && n == running && j.Progress.Percent > 0
}

// Duration is how long the job took; zero while it runs.
func (j *Job) Duration() time.Duration {
	if j.Ended.IsZero() {
		return 0
	}
	return j.Ended.Sub(j.Started)
}

// MaxPerDay is how many on-demand backups, and how many restores, of one
// instance may be started within 24 hours where nothing else is set.
const MaxPerDay = 10

// Daily is how many on-demand backups, and how many restores, of one instance
// may be started within 24 hours; MaxPerDay where it is not positive.
type Daily struct{ Backups, Restores int }

func (d Daily) of(kind JobKind) int {
	most := d.Backups
	if kind == JobRestore {
		most = d.Restores
	}
	if most <= 0 {
		return MaxPerDay
	}
	return most
}

// CheckDaily returns a problem when as many jobs of the kind as allowed were
// started by users in the 24 hours before now. It says when the next may be.
func CheckDaily(jobs []Job, kind JobKind, now time.Time, limits Daily) *Problem {
	most := limits.of(kind)
	var started []time.Time
	for _, j := range jobs {
		if j.Kind == kind && j.UserTriggered && j.Started.After(now.Add(-24*time.Hour)) {
			started = append(started, j.Started)
		}
	}
	count := len(started)
	if count < most {
		return nil
	}
	slices.SortFunc(started, time.Time.Compare)
	next := started[count-most].Add(24 * time.Hour)
	code, what := CodeTooManyBackups, "on-demand backups"
	if kind == JobRestore {
		code, what = CodeTooManyRestores, "restores"
	}
	return NewProblem(code, "", "%d %s of this instance were started in the last 24 hours, which is the most allowed; the next may be started at %s",
		count, what, next.UTC().Format(time.RFC3339))
}

// HoldsInstance says whether other jobs of the instance wait for this one. The
// copying into the vault, which may take long, holds nobody up.
func (j *Job) HoldsInstance() bool { return !j.Status.Terminal() && j.Vaulting == nil }

// WaitsFor says whether the job waits for an earlier one of its instance to end.
// A restore from the vault into another cluster has nothing to do with backups,
// which may be waiting for a cluster that is no more.
func (j *Job) WaitsFor(earlier *Job) bool {
	apart := earlier.Kind == JobBackup && j.Restore != nil && j.Restore.Tier == TierVault && !SameID(j.Restore.Target.ID, earlier.Datasource.ID)
	return earlier.HoldsInstance() && !apart
}

// CheckRunning returns a problem when a job of the kind is running: a second
// backup would only queue behind it.
func CheckRunning(jobs []Job, kind JobKind) *Problem {
	for i := range jobs {
		if j := &jobs[i]; j.Kind == kind && j.HoldsInstance() {
			return NewProblem(CodeOperationInProgress, j.ID, "job %s of the same instance is running since %s", j.Name(), j.Started.Format(time.RFC3339))
		}
	}
	return nil
}
