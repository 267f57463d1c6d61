package workflow

import (
	"context"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/jobs"
)

// When hundreds of instances are protected at once, their clusters look at one after
// the other.
var validationPatience = patience{whole: 30 * time.Minute, silence: 3 * time.Minute}

// validateBackup checks an instance that is not stored: what the service
// knows first, then the cluster looks at itself.
func (w *Workflow) validateBackup(ctx context.Context, work backup.Work) (jobs.Result, error) {
	refused, err := w.checkCandidate(ctx, work.Instance)
	if err != nil {
		return jobs.Result{}, err
	}
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		return t.validation(refused, func(t *turn) (agentops.Operation, error) { return t.validateBackupOperation(work.Instance) })
	})
}

// checkCandidate asks for what stands in the way of backing up an instance,
// stored or not; other errors are tried again.
func (w *Workflow) checkCandidate(ctx context.Context, i *backup.Instance) (*backup.Problem, error) {
	err := w.Store.View(ctx, func(tx catalog.Tx) error { return check(tx, i, w.Clock.Now(), forBackup) })
	if err == nil {
		var container string
		var at agentv1.StorageLocation
		if container, at, err = w.locationOf(ctx, i.Datasource.ID); err == nil {
			if err = probe(ctx, container, at); err == nil {
				err = try(ctx, container, at)
			}
		}
	}
	if problem, ok := backup.AsProblem(err); ok {
		return problem, nil
	}
	return nil, err
}

func (t *turn) validateBackupOperation(i *backup.Instance) (agentops.Operation, error) {
	o, err := newOperation(t.work.OperationID, i.Datasource.ID, agentv1.KindValidateBackup, wireBackup(i, noRecoveryPoint))
	o.Refs = refs{Repository: i.UID, Candidate: true}.pack()
	return o, err
}

// noRecoveryPoint stands where an operation makes none.
const noRecoveryPoint = "00000000000000000000000000000000"

// validateRestore checks a restore: what the service knows, then the cluster
// plans it against what it holds.
func (w *Workflow) validateRestore(ctx context.Context, work backup.Work) (jobs.Result, error) {
	err := w.preflightRestore(ctx, work.Subject, work.Restore)
	refused, ok := backup.AsProblem(err)
	if err != nil && !ok {
		return jobs.Result{}, err
	}
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		return t.validation(refused, func(t *turn) (agentops.Operation, error) {
			return t.restoreOperation(work.OperationID, work.Subject, work.Restore, nil, agentv1.KindValidateRestore)
		})
	})
}

// validation takes a validation one step on: it ends the operation of the API
// with what was found.
func (t *turn) validation(refused *backup.Problem, plan func(*turn) (agentops.Operation, error)) (jobs.Result, error) {
	if over, err := t.ended(); err != nil || over {
		return jobs.Done(), err
	}
	if refused != nil {
		return jobs.Done(), t.fail(refused)
	}
	o, err := t.ask(plan)
	if problem, ok := backup.AsProblem(err); ok {
		return jobs.Done(), t.fail(problem)
	}
	switch {
	case err != nil:
		return jobs.Result{}, err
	case o.State != agentops.Finished:
		return jobs.Again(lookAgain), nil
	case o.Outcome != agentv1.OutcomeSucceeded:
		return jobs.Done(), t.fail(problemOf(o))
	default:
		return jobs.Done(), t.succeed(nil)
	}
}

// ask drives the operation of a validation.
func (t *turn) ask(plan func(*turn) (agentops.Operation, error)) (agentops.Operation, error) {
	o, err := plan(t)
	if err != nil {
		return o, err
	}
	started, err := t.started()
	if err != nil {
		return o, err
	}
	return t.drive(errand{Operation: o, started: started, patience: validationPatience})
}
