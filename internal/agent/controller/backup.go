package controller

import (
	"context"
	"errors"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/collect"
	"holdfast.dev/holdfast/internal/agent/snapshot"
	"holdfast.dev/holdfast/internal/repo"
)

// cleanPatience is how long the end of a run waits for its helper objects to go.
const cleanPatience = 2 * time.Minute

// backup is one backup on its way: what each step found out for the next.
type backup struct {
	*worker
	journal   *journal
	operation string // v1alpha1.RunName
	spec      agentv1.Backup
	grant     *v1alpha1.RunSpec

	repository *repo.Repository
	namespaces []string
	existing   []collect.Namespace // in the cluster
	items      []snapshot.Item
	stream     repo.StreamRef
	writer     *repo.Writer
	collected  collect.Summary
	startedAt  time.Time // of collecting; the moment of a backup without volumes

	fate   fate
	result *agentv1.BackupResult
}

// backup carries out a BackupRun.
func (w *worker) backup(ctx context.Context, run *v1alpha1.BackupRun, j *journal) (func(*v1alpha1.BackupRun), error) {
	if run.Spec.ValidateOnly {
		return nil, w.validate(ctx, run, j)
	}
	j.begin("Wait", "Waiting for other runs of the same backup instance.")
	release, err := w.locks.take(ctx, run.Spec.Backup.InstanceID)
	if err != nil {
		return nil, err
	}
	defer release()
	b := &backup{worker: w, journal: j, operation: v1alpha1.RunName(run.Spec.OperationID), spec: run.Spec.Backup, grant: &run.Spec.RunSpec}
	err = runSteps(ctx, j, b.steps(), func() bool { return b.result != nil })
	if errors.Is(context.Cause(ctx), errShutdown) {
		b.close()
		return nil, err
	}
	b.clean(ctx)
	b.close()
	if b.result == nil {
		return nil, err
	}
	return func(run *v1alpha1.BackupRun) { run.Status.Result = b.result }, nil
}

// steps of a backup. All may be repeated.
func (b *backup) steps() []step {
	return []step{
		{"Open", "Opening the repository.", b.open},
		{"Resume", "Looking for what an earlier attempt has done.", b.resume},
		{"Resolve", "Choosing namespaces.", b.resolve},
		{"Snapshot", "Taking snapshots of the volumes.", b.cut},
		{"Collect", "Reading the objects of the cluster.", b.collect},
		{"Ready", "Waiting for the snapshots to be usable.", b.ready},
		{"Commit", "Writing the recovery point.", b.commit},
	}
}

// close lets go of the repository.
func (b *backup) close() {
	if b.writer != nil {
		b.closing(b.writer)
	}
	if b.repository != nil {
		b.closing(b.repository)
	}
}

func (b *backup) snapshots() *snapshot.Snapshots {
	return &snapshot.Snapshots{Client: b.client, Operation: b.operation, Patience: b.options.SnapshotPatience}
}
