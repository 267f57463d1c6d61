package workflow

import (
	"context"
	"errors"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
)

// configure makes an instance protected, or says on it why it is not: the same
// checks as validateBackup, then its repository key is made.
func (w *Workflow) configure(ctx context.Context, work backup.Work) (jobs.Result, error) {
	refused, err := w.mayConfigure(ctx, work)
	if err != nil {
		return jobs.Result{}, err
	}
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) { return t.configure(refused) })
}

// mayConfigure does the checks and preparations that reach outside of the catalog.
func (w *Workflow) mayConfigure(ctx context.Context, work backup.Work) (*backup.Problem, error) {
	var instance *backup.Instance
	err := w.Store.View(ctx, func(tx catalog.Tx) (err error) {
		instance, err = inventory.Instances.Get(tx, work.Subject)
		return gone(err)
	})
	if err != nil || instance == nil || !concerns(instance, work) {
		return nil, err
	}
	if refused, err := w.checkCandidate(ctx, instance); err != nil || refused != nil {
		return refused, err
	}
	err = w.prepare(ctx, instance)
	if problem, ok := backup.AsProblem(err); ok {
		return problem, nil
	}
	return nil, err
}

// concerns says whether the work is the one that the instance waits for.
func concerns(i *backup.Instance, work backup.Work) bool {
	return i.Configuring() && i.OperationID == work.OperationID
}

func (t *turn) configure(refused *backup.Problem) (jobs.Result, error) {
	instance, err := inventory.Instances.Get(t.tx, t.work.Subject)
	if errors.Is(err, catalog.ErrNotFound) {
		return jobs.Done(), t.fail(backup.NewProblem(backup.CodeResourceNotFound, t.work.Subject, "instance %s does not exist any more", t.work.Subject))
	}
	if err != nil || !concerns(instance, t.work) {
		return jobs.Done(), err
	}
	if refused != nil {
		return jobs.Done(), t.endConfigure(instance, refused)
	}
	o, err := t.ask(func(t *turn) (agentops.Operation, error) { return t.validateBackupOperation(instance) })
	switch {
	case err != nil:
		return jobs.Result{}, err
	case o.State != agentops.Finished:
		return jobs.Again(lookAgain), nil
	case o.Outcome != agentv1.OutcomeSucceeded:
		return jobs.Done(), t.endConfigure(instance, problemOf(o))
	default:
		return jobs.Done(), t.endConfigure(instance, nil)
	}
}

// endConfigure writes the instance as configured, or as failed with the
// problem, and ends the operation.
func (t *turn) endConfigure(i *backup.Instance, problem *backup.Problem) error {
	event, state := backup.EventConfigured, backup.StateSucceeded
	if problem != nil {
		event, state = backup.EventFailed, backup.StateFailed
	}
	if refused := i.Step(event); refused != nil {
		return refused
	}
	i.State, i.Error = state, problem
	if err := errors.Join(inventory.Instances.Put(t.tx, i), t.enqueueExpire(i.ID), t.wakeJobs(i.ID)); err != nil {
		return err
	}
	if problem != nil {
		return t.fail(problem)
	}
	return t.succeed(nil)
}
