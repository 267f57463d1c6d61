package workflow_test

import (
	"errors"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// callOff asks for a job to be called off, as the door does; the operation of
// who asks is "cancel".
func (w *world) callOff(id string) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		job, err := inventory.Jobs.Get(tx, id)
		if err != nil {
			return err
		}
		if problem := job.CallOff("cancel"); problem != nil {
			return problem
		}
		return errors.Join(w.operation(tx, "cancel"), inventory.Jobs.Put(tx, job), inventory.Enqueue(tx, job.Work()))
	})
}

func TestCancelBeforeTheClusterIsAsked(t *testing.T) {
	w := newWorld(t)
	job := w.startJob("j1", backup.JobBackup)
	w.callOff(job.ID)
	w.turns(w.ended("cancel"))
	if j := w.job(job.ID); j.Status != backup.JobCancelled || len(w.asked) != 0 {
		t.Fatalf("job = %+v, the cluster was asked %v", j, w.asked)
	}
	if r, c := w.record(job.OperationID), w.record("cancel"); r.Status != operations.Canceled || c.Status != operations.Succeeded {
		t.Fatalf("operations ended as %s and %s", r.Status, c.Status)
	}
}

// A job that waits for its turn is called off without disturbing the other.
func TestCancelOfAWaitingJob(t *testing.T) {
	w := newWorld(t)
	w.addPoint()
	w.answer = silent
	first := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool { return len(w.asked) == 1 })
	second := w.startJob("j2", backup.JobRestore)
	w.callOff(second.ID)
	w.turns(w.ended("cancel"))
	if a, b := w.job(first.ID), w.job(second.ID); a.Status != backup.JobInProgress || b.Status != backup.JobCancelled {
		t.Fatalf("jobs are %s and %s", a.Status, b.Status)
	}
}

// A cluster that got done before it heard of it wins, and who asked is told.
func TestCancelTooLate(t *testing.T) {
	w := newWorld(t)
	job := w.startJob("j1", backup.JobBackup)
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		w.callOff(job.ID)
		return succeed(o)
	}
	w.turns(w.ended(job.OperationID))
	if j := w.job(job.ID); j.Status != backup.JobCompleted || len(w.points()) != 1 {
		t.Fatalf("job = %+v", j)
	}
	if r := w.record("cancel"); r.Status != operations.Failed || r.Problem.Code != string(backup.CodeJobEnded) {
		t.Fatalf("operation = %+v", r)
	}
}
