package workflow

import (
	"context"
	"errors"
	"slices"
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

// deletePoints takes the deletion of all recovery points one step on. What lies in
// the vault is entered until everything has gone from the cluster: when that fails
// the instance stays, with what it has in the vault.
func (t *turn) deletePoints(instance *backup.Instance) (jobs.Result, error) {
	points, err := inventory.RecoveryPoints.Below(t.tx, instance.ID)
	if err != nil {
		return jobs.Result{}, err
	}
	vault, err := inventory.Vaults.Get(t.tx, instance.VaultID())
	if err != nil {
		return jobs.Result{}, err
	}
	// A copy may have come into the vault, or the vault become immutable, since the
	// deletion was asked for.
	refused := vault.CheckDelete(instance, points, t.now)
	if begun := slices.ContainsFunc(points, func(p backup.RecoveryPoint) bool { return p.State == backup.StateDeleting }); refused != nil && !begun {
		return jobs.Done(), t.keepInstance(instance, refused)
	}
	left, failed, err := t.clearCluster(instance, points)
	switch {
	case err != nil:
		return jobs.Result{}, err
	case left > 0:
		return jobs.Again(lookAgain), nil
	case failed != nil:
		return jobs.Done(), t.keepInstance(instance, failed)
	case refused != nil:
		return jobs.Done(), t.keepInstance(instance, refused)
	}
	return jobs.Done(), t.instanceGone(instance)
}

// clearCluster takes the deletion of what is in the cluster one step on. It returns
// how many recovery points are on their way and, when none is, why one could not be
// deleted.
func (t *turn) clearCluster(instance *backup.Instance, points []backup.RecoveryPoint) (left int, failed *backup.Problem, err error) {
	var stay []*backup.RecoveryPoint
	for i := range points {
		point := &points[i]
		store, found := point.Store(backup.TierOperational)
		if !found {
			continue
		}
		o, err := t.deletePoint(instance, point, store)
		switch {
		case err != nil:
			return 0, nil, err
		case o.State != agentops.Finished:
			left++
		case o.Outcome != agentv1.OutcomeSucceeded:
			if point.NotDeleted(t.now, problemOf(o), o.Attempts > 0); failed == nil {
				failed = notDeleted(point, problemOf(o))
			}
			stay = append(stay, point)
		default:
			if err := t.dropPoint(point); err != nil {
				return 0, nil, err
			}
		}
	}
	if left > 0 {
		return left, nil, nil
	}
	for _, point := range stay {
		err = errors.Join(err, inventory.RecoveryPoints.Put(t.tx, point))
	}
	return 0, failed, err
}

// dropPoint enters that a recovery point has gone from the cluster.
func (t *turn) dropPoint(point *backup.RecoveryPoint) error {
	if point.DropStore(backup.TierOperational); len(point.Stores) == 0 {
		return inventory.RecoveryPoints.Delete(t.tx, point.ID)
	}
	point.State = backup.StateSucceeded
	return inventory.RecoveryPoints.Put(t.tx, point)
}

// instanceGone ends the deletion of an instance of which nothing is in the cluster any
// more: what it has in the vault waits to be undeleted, or goes.
func (t *turn) instanceGone(instance *backup.Instance) error {
	left, err := inventory.RecoveryPoints.Below(t.tx, instance.ID)
	if err != nil {
		return err
	}
	if len(left) > 0 && instance.Deletion != nil && instance.Deletion.KeepDays > 0 {
		return t.softDelete(instance)
	}
	for i := range left {
		err = errors.Join(err, inventory.RecoveryPoints.Delete(t.tx, left[i].ID))
	}
	return errors.Join(err, inventory.Instances.Delete(t.tx, instance.ID), t.forget(instance), t.succeed(nil))
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

// notDeleted says why a deletion failed.
func notDeleted(point *backup.RecoveryPoint, why *backup.Problem) *backup.Problem {
	problem := backup.NewProblem(codeDeleteFailed, point.ID, "recovery point %s could not be deleted: %s", point.Name(), why.Message)
	problem.Actions = append([]string{"Heal the extension and delete the backup instance again."}, why.Actions...)
	problem.Retryable = true
	return problem
}

// keepInstance ends the deletion badly, when nothing of it is on its way any more; it can
// be asked for again.
func (t *turn) keepInstance(i *backup.Instance, why *backup.Problem) error {
	i.State, i.Error, i.Deletion = backup.StateFailed, why, nil
	return errors.Join(inventory.Instances.Put(t.tx, i), t.enqueueExpire(i.ID), t.fail(why))
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
