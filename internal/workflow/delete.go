package workflow

import (
	"context"
	"errors"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/keys"
)

var deletePatience = patience{whole: 2 * time.Hour, silence: 30 * time.Minute}

// codeDeleteFailed is the code of a recovery point that its cluster could not delete.
const codeDeleteFailed backup.Code = "BackupPluginDeleteBackupOperationFailed"

// deleteInstance ends what runs, lets the cluster delete every recovery point
// with its snapshots, then forgets the keys and the instance. What is in the
// vault goes afterwards, without a key.
func (w *Workflow) deleteInstance(ctx context.Context, work backup.Work) (jobs.Result, error) {
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		instance, err := inventory.Instances.Get(t.tx, work.Subject)
		if errors.Is(err, catalog.ErrNotFound) {
			return jobs.Done(), t.succeed(nil)
		}
		if err != nil || instance.State != backup.StateDeleting || instance.OperationID != work.OperationID {
			return jobs.Done(), err
		}
		if busy, err := t.callOffJobs(instance.ID); err != nil || busy {
			return jobs.Again(lookAgain), err
		}
		return t.deletePoints(instance)
	})
}

// callOffJobs asks every running job of an instance to stop and says whether
// there are any.
func (t *turn) callOffJobs(instanceID string) (busy bool, err error) {
	open, err := openJobs(t.tx, instanceID)
	if err != nil {
		return false, err
	}
	for i := range open {
		if !open[i].CancelRequested {
			if problem := open[i].CallOff(""); problem != nil {
				return false, problem
			}
			if err := inventory.Jobs.Put(t.tx, &open[i]); err != nil {
				return false, err
			}
		}
		if err := inventory.Enqueue(t.tx, open[i].Work()); err != nil {
			return false, err
		}
	}
	return len(open) > 0, nil
}

// deletePoints takes the deletion of all recovery points one step on.
func (t *turn) deletePoints(instance *backup.Instance) (jobs.Result, error) {
	points, err := inventory.RecoveryPoints.Below(t.tx, instance.ID)
	if err != nil {
		return jobs.Result{}, err
	}
	left := len(points)
	for i := range points {
		o := agentops.Operation{State: agentops.Finished, Outcome: agentv1.OutcomeSucceeded} // nothing is in the cluster
		if store, found := points[i].Store(backup.TierOperational); found {
			if o, err = t.deletePoint(instance, &points[i], store); err != nil {
				return jobs.Result{}, err
			}
		}
		switch {
		case o.State != agentops.Finished:
		case o.Outcome == agentv1.OutcomeSucceeded:
			if err := inventory.RecoveryPoints.Delete(t.tx, points[i].ID); err != nil {
				return jobs.Result{}, err
			}
			left--
		default:
			return jobs.Done(), t.keepInstance(instance, &points[i], problemOf(o))
		}
	}
	if left > 0 {
		return jobs.Again(lookAgain), nil
	}
	return jobs.Done(), t.forget(instance)
}

// deletePoint marks a recovery point as going and drives its operation.
func (t *turn) deletePoint(instance *backup.Instance, point *backup.RecoveryPoint, store backup.RecoveryStore) (agentops.Operation, error) {
	if point.State != backup.StateDeleting {
		point.State = backup.StateDeleting
		if err := inventory.RecoveryPoints.Put(t.tx, point); err != nil {
			return agentops.Operation{}, err
		}
	}
	ref, err := t.refsToDelete(instance, store)
	if err != nil {
		return agentops.Operation{}, err
	}
	// The operation of the API is part of the id: a later attempt asks again.
	o, err := newOperation(t.work.OperationID+" "+point.Name(), instance.Datasource.ID, agentv1.KindDeleteRecoveryPoint,
		agentv1.DeleteRecoveryPoint{
			InstanceID: instance.ID, RecoveryPointID: point.Name(),
			Repository: agentv1.RepositoryGrant{Prefix: store.Prefix},
		})
	if err != nil {
		return o, err
	}
	o.Refs = ref.pack()
	started, err := t.started()
	if err != nil {
		return o, err
	}
	return t.drive(errand{Operation: o, started: started, patience: deletePatience})
}

// refsToDelete says where a recovery point lies. The extension may have been
// given another location since: looking there, it would find nothing and call
// that done. Without an extension it is told in any case.
func (t *turn) refsToDelete(instance *backup.Instance, store backup.RecoveryStore) (refs, error) {
	ref, err := t.refsAt(instance, store, instance.Datasource.ID)
	if _, unknown := backup.AsProblem(err); unknown {
		return refs{Repository: instance.UID, Container: store.ContainerID}, nil
	}
	return ref, err
}

// keepInstance ends the deletion badly; it can be asked for again.
func (t *turn) keepInstance(i *backup.Instance, point *backup.RecoveryPoint, why *backup.Problem) error {
	problem := backup.NewProblem(codeDeleteFailed, point.ID, "recovery point %s could not be deleted: %s", point.Name(), why.Message)
	problem.Actions = append([]string{"Heal the extension and delete the backup instance again."}, why.Actions...)
	problem.Retryable = true
	i.State, i.Error = backup.StateFailed, problem
	return errors.Join(inventory.Instances.Put(t.tx, i), t.fail(problem))
}

// forget removes what is left of an instance. Its jobs stay, as history.
func (t *turn) forget(i *backup.Instance) error {
	at, err := vaultOf(t.tx, i)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return keys.Destroy(t.tx, i.UID) },
		func() error { return keys.Destroy(t.tx, at.KeyName) },
		func() error { return inventory.Instances.Delete(t.tx, i.ID) },
		func() error {
			return inventory.Enqueue(t.tx, backup.Work{Kind: backup.WorkPurge, Subject: at.Prefix})
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return t.succeed(nil)
}
