package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
)

var restorePatience = patience{whole: 24 * time.Hour, silence: 30 * time.Minute}

// restore brings a recovery point back into a cluster, which need not be the
// one it was taken of.
func (w *Workflow) restore(ctx context.Context, work backup.Work) (jobs.Result, error) {
	refused, err := w.mayStart(ctx, work, func(ctx context.Context, job *backup.Job) error {
		return w.preflightRestore(ctx, job.InstanceID, job.Restore)
	})
	if err != nil {
		return jobs.Result{}, err
	}
	if result, ready, err := w.hydrate(ctx, work, refused); err != nil || !ready {
		return result, err
	}
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		return t.jobStep(refused, restoreErrand, finishRestore)
	})
}

func (w *Workflow) restorer() jobs.Handler {
	handler := w.handler(backup.WorkRestore, w.restore)
	handler.Timeout = hydrateTime
	return handler
}

// preflightRestore asks for everything that stands in the way of a restore. What
// is restored from the vault needs nothing of where it came from.
func (w *Workflow) preflightRestore(ctx context.Context, instanceID string, request *backup.RestoreRequest) error {
	if request.Region != "" {
		return w.preflightReplica(ctx, instanceID, request)
	}
	if request.Tier != backup.TierVault {
		_, err := w.preflight(ctx, instanceID, request.Target.ID, forRestore)
		return err
	}
	instance, err := w.preflight(ctx, instanceID, request.Target.ID, forVaultRestore)
	if err != nil {
		return err
	}
	if err := w.preflightStaging(ctx, instance, request); err != nil {
		return err
	}
	_, err = w.probeIn(ctx, w.Vaults, instance, request)
	return err
}

// restoreErrand is the operation of a restore job.
func restoreErrand(t *turn, job *backup.Job) (errand, error) {
	o, err := t.restoreOperation(job.ID, job.InstanceID, job.Restore, job.Staging, agentv1.KindRestore)
	return errand{Operation: o, started: askedSince(job), patience: restorePatience}, err
}

// askedSince is since when a job waits for the cluster.
func askedSince(job *backup.Job) time.Time {
	if job.Staging != nil {
		return job.Staging.Ready
	}
	return job.Started
}

// restoreOperation is the operation, for the target cluster, of a restore or
// of its validation, which reads what is not hydrated yet. staging is nil where
// the recovery point is read from where it lies.
func (t *turn) restoreOperation(workID, instanceID string, request *backup.RestoreRequest, staging *backup.Staging, kind agentv1.Kind) (agentops.Operation, error) {
	instance, err := t.sourceOf(instanceID, request)
	if err != nil {
		return agentops.Operation{}, err
	}
	store, err := t.storeOf(instance, request)
	if err != nil {
		return agentops.Operation{}, err
	}
	ref, err := t.refsFor(instance, store, request)
	if err != nil {
		return agentops.Operation{}, err
	}
	if staging != nil {
		ref.Staging, ref.Source, store.Prefix = staging.ContainerID, store.Prefix, staging.Prefix
	}
	o, err := newOperation(workID, request.Target.ID, kind, wireRestore(instance, request, store))
	o.Refs = ref.pack()
	return o, err
}

// refsFor names what a cluster needs to read a recovery point from a store.
func (t *turn) refsFor(instance *backup.Instance, store backup.RecoveryStore, request *backup.RestoreRequest) (refs, error) {
	if store.Tier == backup.TierVault {
		return refs{Repository: vaultKeyName(instance.UID), Vault: true, Region: request.Region}, nil
	}
	return t.refsAt(instance, store, request.Target.ID)
}

// refsAt names what a cluster needs to work in an operational store. An extension knows its
// own location; another one it must be told.
func (t *turn) refsAt(instance *backup.Instance, store backup.RecoveryStore, clusterID string) (refs, error) {
	ref := refs{Repository: instance.UID}
	own, err := containerOf(t.tx, clusterID)
	if err != nil {
		return ref, err
	}
	if !backup.SameID(own, store.ContainerID) {
		ref.Container = store.ContainerID
	}
	return ref, nil
}

// storeOf returns where the recovery point that is to be restored lies.
func (t *turn) storeOf(instance *backup.Instance, request *backup.RestoreRequest) (backup.RecoveryStore, error) {
	id := instance.ID + "/recoveryPoints/" + request.RecoveryPointID
	points := inventory.RecoveryPoints
	if request.Region != "" {
		points = inventory.SecondaryPoints
	}
	point, err := points.Get(t.tx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return backup.RecoveryStore{}, backup.NewProblem(backup.CodeResourceNotFound, id, "recovery point %s does not exist any more", request.RecoveryPointID)
	}
	if err != nil {
		return backup.RecoveryStore{}, err
	}
	if problem := request.CheckAgainst(point); problem != nil {
		return backup.RecoveryStore{}, problem
	}
	store, _ := point.Store(request.Tier) // CheckAgainst has looked
	return store, nil
}

func wireRestore(i *backup.Instance, r *backup.RestoreRequest, store backup.RecoveryStore) agentv1.Restore {
	return agentv1.Restore{
		InstanceID: i.ID, RecoveryPointID: r.RecoveryPointID, Selection: wireSelection(r.Selection),
		NamespaceMappings: r.NamespaceMappings, ConflictPolicy: agentv1.ConflictPolicy(r.ConflictPolicy),
		RestoreVolumeData: r.VolumeMode == backup.WithVolumeData,
		Repository:        agentv1.RepositoryGrant{Prefix: store.Prefix},
	}
}

// finishRestore keeps what the restore did.
func finishRestore(t *turn, job *backup.Job, o agentops.Operation) error {
	var result agentv1.RestoreResult
	if err := json.Unmarshal(o.Result, &result); err != nil {
		return t.endJobBadly(job, backup.NewProblem(backup.CodeInternal, job.InstanceID, "the cluster reported a restore without a readable result"))
	}
	job.Details = map[string]string{}
	for name, count := range map[string]int64{
		"created": result.Created, "patched": result.Patched, "unchanged": result.Unchanged,
		"skipped": result.Skipped, "failed": result.Failed, "volumes": result.Volumes,
	} {
		job.Details[name] = strconv.FormatInt(count, 10)
	}
	if o.Progress != nil {
		job.Progress = backup.Progress(*o.Progress)
	}
	return t.endJobWell(job, domainWarnings(o.Warnings))
}
