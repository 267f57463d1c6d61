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
// vault goes afterwards, without a key, or is kept for the days of the vault's
// soft delete.
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
	left, kept := 0, 0
	for i := range points {
		o := agentops.Operation{State: agentops.Finished, Outcome: agentv1.OutcomeSucceeded} // nothing is in the cluster
		if store, found := points[i].Store(backup.TierOperational); found {
			if o, err = t.deletePoint(instance, &points[i], store); err != nil {
				return jobs.Result{}, err
			}
		}
		switch {
		case o.State != agentops.Finished:
			left++
		case o.Outcome != agentv1.OutcomeSucceeded:
			return jobs.Done(), t.keepInstance(instance, &points[i], problemOf(o))
		default:
			stays, err := t.dropPoint(instance, &points[i])
			if err != nil {
				return jobs.Result{}, err
			}
			kept += stays
		}
	}
	switch {
	case left > 0:
		return jobs.Again(lookAgain), nil
	case kept > 0:
		return jobs.Done(), t.softDelete(instance)
	default:
		return jobs.Done(), errors.Join(inventory.Instances.Delete(t.tx, instance.ID), t.forget(instance), t.succeed(nil))
	}
}

// dropPoint enters that a recovery point has gone from the cluster. What is in
// the vault stays when it can be undeleted: then it returns 1, otherwise 0.
func (t *turn) dropPoint(instance *backup.Instance, point *backup.RecoveryPoint) (stays int, err error) {
	_, vaulted := point.Store(backup.TierVault)
	if instance.Deletion == nil || instance.Deletion.KeepDays == 0 || !vaulted {
		return 0, inventory.RecoveryPoints.Delete(t.tx, point.ID)
	}
	if _, there := point.Store(backup.TierOperational); !there {
		return 1, nil
	}
	point.DropStore(backup.TierOperational)
	point.State = backup.StateSucceeded
	return 1, inventory.RecoveryPoints.Put(t.tx, point)
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
	i.State, i.Error, i.Deletion = backup.StateFailed, problem, nil
	return errors.Join(inventory.Instances.Put(t.tx, i), t.fail(problem))
}

// softDelete turns an instance whose data is kept in the vault into a deleted
// one, which waits to be undeleted or purged.
func (t *turn) softDelete(i *backup.Instance) error {
	d := i.SoftDeleted(t.now)
	return errors.Join(
		inventory.Deleted.Put(t.tx, d),
		inventory.Instances.Delete(t.tx, i.ID),
		inventory.Enqueue(t.tx, backup.Work{Kind: backup.WorkPurgeInstance, Subject: d.ID}),
		t.succeed(nil))
}

// forget destroys the keys of an instance and orders the end of what it has in
// the vault. Its jobs stay, as history.
func (t *turn) forget(i *backup.Instance) error {
	at, err := vaultOf(t.tx, i)
	if err != nil {
		return err
	}
	return errors.Join(
		keys.Destroy(t.tx, i.UID),
		keys.Destroy(t.tx, at.KeyName),
		inventory.Enqueue(t.tx, backup.Work{Kind: backup.WorkPurge, Subject: at.Prefix}), t.forgetReplicas(i.ID, at),
		t.purgeContainers(i))
}
