package workflow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/operations"
)

// What backups and restores have in common: a job that people watch, one at a
// time for an instance, around one operation for a cluster.

// mayStart prepares a job whose operation has not been posted. It returns
// the problem that stands in the way; other errors are tried again.
func (w *Workflow) mayStart(ctx context.Context, work backup.Work, prepare func(context.Context, *backup.Job) error) (*backup.Problem, error) {
	var job *backup.Job
	var starting bool
	err := w.Store.View(ctx, func(tx catalog.Tx) (err error) {
		if job, err = inventory.Jobs.Get(tx, work.Subject); err != nil || job.Status.Terminal() || job.CancelRequested {
			return gone(err)
		}
		_, err = agentops.Get(tx, jobOperation(job))
		starting = errors.Is(err, catalog.ErrNotFound)
		if err != nil && !starting {
			return err
		}
		if starting {
			var hold string
			hold, err = holdUp(tx, job)
			starting = hold == ""
		}
		return err
	})
	if err != nil || !starting {
		return nil, err
	}
	if err = prepare(ctx, job); err == nil {
		return nil, nil
	}
	if problem, ok := backup.AsProblem(err); ok {
		return problem, nil
	}
	return nil, fmt.Errorf("prepare job %s: %w", job.ID, err)
}

// jobOperation is the id of the operation that a job posts.
func jobOperation(job *backup.Job) string {
	kind := agentv1.KindBackup
	if job.Kind == backup.JobRestore {
		kind = agentv1.KindRestore
	}
	return agentops.NewID(job.ID, string(kind))
}

// isFirst says whether a job waits for no earlier one of its instance: only then
// it runs.
func isFirst(tx catalog.Tx, job *backup.Job) (bool, error) {
	others, err := openJobs(tx, job.InstanceID)
	if err != nil {
		return false, err
	}
	for _, o := range others {
		if before(o, *job) && job.WaitsFor(&o) {
			return false, nil
		}
	}
	return true, nil
}

// holdUp says what a job has to wait for before it runs; empty for nothing. A backup
// that was asked for before a change of its instance waits for the end of that.
func holdUp(tx catalog.Tx, job *backup.Job) (string, error) {
	first, err := isFirst(tx, job)
	if err != nil || !first {
		return "Waiting for another job of the instance", err
	}
	if job.Kind != backup.JobBackup {
		return "", nil
	}
	instance, err := inventory.Instances.Get(tx, job.InstanceID)
	if err != nil || !instance.Configuring() {
		return "", gone(err)
	}
	return "Waiting until the instance is configured", nil
}

func before(a, b backup.Job) bool {
	if !a.Started.Equal(b.Started) {
		return a.Started.Before(b.Started)
	}
	return a.ID < b.ID
}

// openJobs reads the backups and restores of an instance that have not ended.
func openJobs(tx catalog.Tx, instanceID string) ([]backup.Job, error) {
	all, err := inventory.Jobs.With(tx, inventory.LabelInstance, backup.Key(instanceID))
	if err != nil {
		return nil, err
	}
	var open []backup.Job
	for _, j := range all {
		if !j.Status.Terminal() && (j.Kind == backup.JobBackup || j.Kind == backup.JobRestore) {
			open = append(open, j)
		}
	}
	return open, nil
}

// jobStep takes a job one step on. refused is what mayStart found.
func (t *turn) jobStep(refused *backup.Problem, plan func(*turn, *backup.Job) (errand, error), finish func(*turn, *backup.Job, agentops.Operation) error) (jobs.Result, error) {
	job, err := inventory.Jobs.Get(t.tx, t.work.Subject)
	if errors.Is(err, catalog.ErrNotFound) {
		return jobs.Done(), t.fail(backup.NewProblem(backup.CodeResourceNotFound, t.work.Subject, "job %s does not exist any more", t.work.Subject))
	}
	if err != nil || job.Status.Terminal() || job.Vaulting != nil {
		return jobs.Done(), err
	}
	o, err := agentops.Get(t.tx, jobOperation(job))
	switch {
	case errors.Is(err, catalog.ErrNotFound) && refused != nil:
		return jobs.Done(), t.endJobBadly(job, refused)
	case errors.Is(err, catalog.ErrNotFound):
		return t.startJob(job, plan)
	case err != nil:
		return jobs.Result{}, err
	}
	patience := backupPatience
	if job.Kind == backup.JobRestore {
		patience = restorePatience
	}
	if o, err = t.drive(errand{Operation: o, started: job.Started, patience: patience, cancel: job.CancelRequested}); err != nil {
		return jobs.Result{}, err
	}
	return t.followJob(job, o, finish)
}

// startJob posts the operation of a job whose turn it is.
func (t *turn) startJob(job *backup.Job, plan func(*turn, *backup.Job) (errand, error)) (jobs.Result, error) {
	if job.CancelRequested {
		return jobs.Done(), t.endJobCancelled(job)
	}
	hold, err := holdUp(t.tx, job)
	if err != nil {
		return jobs.Result{}, err
	}
	if hold != "" {
		if !t.now.Before(job.Started.Add(backupPatience.whole)) {
			return jobs.Done(), t.endJobBadly(job, backup.NewProblem(backup.CodeTrackingTimeout, job.InstanceID,
				"the job could not begin until its deadline: %s", strings.ToLower(hold[:1])+hold[1:]))
		}
		return jobs.Again(lookAgain), t.note(job, agentv1.Progress{Phase: hold})
	}
	e, err := plan(t, job)
	if problem, ok := backup.AsProblem(err); ok {
		return jobs.Done(), t.endJobBadly(job, problem)
	}
	if err != nil {
		return jobs.Result{}, err
	}
	if _, err := t.drive(e); err != nil {
		return jobs.Result{}, err
	}
	return jobs.Again(lookAgain), t.note(job, agentv1.Progress{Phase: "Waiting for the cluster"})
}

// followJob ends the job with its operation, or keeps its progress.
func (t *turn) followJob(job *backup.Job, o agentops.Operation, finish func(*turn, *backup.Job, agentops.Operation) error) (jobs.Result, error) {
	if o.State != agentops.Finished {
		progress := agentv1.Progress(job.Progress)
		if o.Progress != nil {
			progress = *o.Progress
		}
		return jobs.Again(lookAgain), t.note(job, progress)
	}
	switch o.Outcome {
	case agentv1.OutcomeSucceeded:
		return jobs.Done(), finish(t, job, o)
	case agentv1.OutcomeCancelled:
		return jobs.Done(), errors.Join(t.endJobCancelled(job), t.enqueueDiscard(job))
	default:
		job.Warnings = domainWarnings(o.Warnings)
		return jobs.Done(), errors.Join(t.endJobBadly(job, problemOf(o)), t.enqueueDiscard(job))
	}
}

// note keeps what a job has done so far, if that has changed.
func (t *turn) note(job *backup.Job, progress agentv1.Progress) error {
	if !job.Note(backup.Progress(progress)) {
		return nil
	}
	return inventory.Jobs.Put(t.tx, job)
}

func (t *turn) endJobWell(job *backup.Job, warnings []backup.Warning) error {
	job.Complete(t.now, warnings)
	return errors.Join(t.putEnded(job), t.succeed(operations.JobInfo(job.ID)))
}

func (t *turn) endJobBadly(job *backup.Job, p *backup.Problem) error {
	job.Fail(t.now, p)
	return errors.Join(t.putEnded(job), t.fail(p))
}

func (t *turn) endJobCancelled(job *backup.Job) error {
	job.Cancel(t.now)
	return errors.Join(t.putEnded(job), t.calledOff(backup.NewProblem(codeCancelled, job.ID, "the job was called off")))
}

// endCancel ends the operation of who wanted a job called off.
func (t *turn) endCancel(job *backup.Job) error {
	switch {
	case job.CancelOperationID == "":
		return nil
	case job.Status == backup.JobCancelled:
		return gone(operations.Succeed(t.tx, t.now, job.CancelOperationID, nil))
	default:
		problem := backup.NewProblem(backup.CodeJobEnded, job.ID, "job %s ended as %s before it could be cancelled", job.Name(), job.Status)
		return gone(operations.Fail(t.tx, t.now, job.CancelOperationID, operationProblem(problem)))
	}
}

// putEnded writes a job that has ended, tells who wanted it called off, wakes
// the jobs that wait for it, and lets go what it has made old, has held or has
// hydrated.
func (t *turn) putEnded(job *backup.Job) error {
	return errors.Join(inventory.Jobs.Put(t.tx, job), t.endCancel(job), t.wakeJobs(job.InstanceID), t.enqueueExpire(job.InstanceID), t.enqueueUnstage(job))
}

// wakeJobs wakes every job of an instance that has not ended.
func (t *turn) wakeJobs(instanceID string) error {
	waiting, err := openJobs(t.tx, instanceID)
	if err != nil {
		return err
	}
	for _, j := range waiting {
		if err := inventory.Enqueue(t.tx, j.Work()); err != nil {
			return err
		}
	}
	return nil
}
