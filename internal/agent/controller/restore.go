package controller

import (
	"context"
	"errors"
	"fmt"
	"iter"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/restore"
	"holdfast.dev/holdfast/internal/repo"
)

// restore carries out a RestoreRun.
func (w *worker) restore(ctx context.Context, run *v1alpha1.RestoreRun, j *journal) (func(*v1alpha1.RestoreRun), error) {
	j.begin("Open", "Reading the recovery point.")
	grant, err := w.grant(ctx, run.Spec.GrantSecret)
	if err != nil {
		return nil, err
	}
	p, err := w.placeOf(ctx, grant)
	if err != nil {
		return nil, err
	}
	repository, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer w.closing(repository)
	m, err := repository.Manifest(ctx, run.Spec.Restore.RecoveryPointID)
	if err != nil {
		return nil, fmt.Errorf("read recovery point %s: %w", run.Spec.Restore.RecoveryPointID, err)
	}
	if err := w.settleLoads(ctx, v1alpha1.RunName(run.Spec.OperationID)); err != nil {
		return nil, err
	}
	j.begin("Restore", "Restoring.")
	result, warnings, err := w.restorer.Run(ctx, restore.Run{
		ID:      run.Spec.OperationID,
		Spec:    run.Spec.Restore,
		DryRun:  run.Spec.DryRun,
		Source:  archives{repository, m},
		Volumes: volumesOf(m),
		Loader: &loader{worker: w, operation: v1alpha1.RunName(run.Spec.OperationID), grant: grant.RepositoryGrant, gate: p.gate,
			point: run.Spec.Restore.RecoveryPointID},
		Since: run.CreationTimestamp.Time,
	}, j.report)
	if errors.Is(context.Cause(ctx), errShutdown) {
		return nil, err
	}
	j.warn(warnings...)
	w.cleanRestore(ctx, run.Spec.OperationID, j)
	return func(run *v1alpha1.RestoreRun) { run.Status.Result = &result }, err
}

// settleLoads ends the cleaning up of an attempt that was interrupted then: a
// claim on its way out takes no data.
func (w *worker) settleLoads(ctx context.Context, operation string) error {
	leaving, err := w.movers.Leaving(ctx, operation)
	if err != nil || !leaving {
		return err
	}
	return w.cleanLoads(ctx, operation, cleanPatience)
}

// cleanRestore removes what the restore made for its own help.
func (w *worker) cleanRestore(ctx context.Context, operationID string, j *journal) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*cleanPatience)
	defer cancel()
	err := errors.Join(w.restorer.Clean(ctx, operationID), w.cleanLoads(ctx, v1alpha1.RunName(operationID), cleanPatience))
	if err != nil {
		j.warn(leftover(v1alpha1.RunName(operationID), err))
	}
}

// archives are the objects of a recovery point, as a restore reads them.
type archives struct {
	repository *repo.Repository
	manifest   repo.Manifest
}

// Records yields every object of every archive.
func (a archives) Records(ctx context.Context) iter.Seq2[restore.Record, error] {
	return func(yield func(restore.Record, error) bool) {
		for _, stream := range a.manifest.Streams {
			if stream.Type != repo.TypeArchive {
				continue
			}
			archive, err := a.repository.Archive(ctx, stream)
			if err != nil {
				yield(restore.Record{}, fmt.Errorf("open archive %s: %w", stream.Name, err))
				return
			}
			for record, err := range archive.All(ctx) {
				if !yield(restore.Record{Key: record.Key, JSON: record.Value}, err) || err != nil {
					return
				}
			}
		}
	}
}

// restorer is the part of restore.Restorer that runs use.
type restorer interface {
	Run(ctx context.Context, run restore.Run, report func(agentv1.Progress)) (agentv1.RestoreResult, []agentv1.Warning, error)
	Clean(ctx context.Context, operationID string) error
}
