package controller

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/snapshot"
	"holdfast.dev/holdfast/internal/repo"
)

// parallelDeletions is how many snapshots are deleted at the same time.
const parallelDeletions = 8

// deletion removes one recovery point: its snapshots, and last its manifest, so
// that whatever is interrupted can be repeated.
type deletion struct {
	*worker
	journal    *journal
	operation  string
	spec       agentv1.DeleteRecoveryPoint
	grant      *v1alpha1.RunSpec
	repository *repo.Repository
	volumes    []agentv1.Volume
	gone       bool
}

// delete carries out a RecoveryPointDeletion.
func (w *worker) delete(ctx context.Context, run *v1alpha1.RecoveryPointDeletion, j *journal) (func(*v1alpha1.RecoveryPointDeletion), error) {
	d := &deletion{worker: w, journal: j, operation: v1alpha1.RunName(run.Spec.OperationID), spec: run.Spec.Deletion, grant: &run.Spec.RunSpec}
	err := runSteps(ctx, j, []step{
		{"Open", "Reading the recovery point.", d.open},
		{"Snapshots", "Deleting the snapshots.", d.deleteSnapshots},
		{"Clean", "Waiting for the snapshots to be gone.", d.clean},
		{"Manifest", "Deleting the recovery point.", d.deleteManifest},
	}, func() bool { return d.gone })
	if d.repository != nil {
		d.closing(d.repository)
	}
	if err != nil && !errors.Is(context.Cause(ctx), errShutdown) {
		d.tidy(ctx)
	}
	return nil, err
}

func (d *deletion) snapshots() *snapshot.Snapshots {
	return &snapshot.Snapshots{Client: d.client, Operation: d.operation, Patience: d.options.SnapshotPatience}
}

func (d *deletion) open(ctx context.Context) error {
	p, err := d.place(ctx, d.grant)
	if err != nil {
		return err
	}
	d.repository, err = p.open(ctx)
	if errors.Is(err, repo.ErrNoRepository) {
		d.gone = true
		return nil
	}
	if err != nil {
		return err
	}
	m, err := d.repository.Manifest(ctx, d.spec.RecoveryPointID)
	if errors.Is(err, repo.ErrNoRecoveryPoint) && d.spec.Void {
		err = d.repository.Void(ctx, d.spec.RecoveryPointID)
		if errors.Is(err, repo.ErrConflict) { // it came to exist just now
			m, err = d.repository.Manifest(ctx, d.spec.RecoveryPointID)
		} else if err == nil {
			err = repo.ErrVoid
		}
	}
	if errors.Is(err, repo.ErrNoRecoveryPoint) || errors.Is(err, repo.ErrVoid) {
		d.gone = true
		return d.clean(ctx) // an interrupted attempt may have ended here
	}
	if err != nil {
		return fmt.Errorf("read recovery point %s: %w", d.spec.RecoveryPointID, err)
	}
	d.volumes = volumesOf(m)
	return nil
}

func (d *deletion) deleteSnapshots(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelDeletions)
	count := counter{journal: d.journal, total: int64(len(d.volumes))}
	for _, v := range d.volumes {
		group.Go(func() error {
			defer count.add()
			if v.State != agentv1.VolumeProtected || v.SnapshotHandle == "" {
				return nil
			}
			return d.snapshots().Remove(ctx, v, d.options.Namespace)
		})
	}
	return group.Wait()
}

// clean lets the helper objects go, and the snapshots with them.
func (d *deletion) clean(ctx context.Context) error {
	return d.snapshots().Clean(ctx, snapshot.DefaultPatience, func(string) bool { return false })
}

// tidy removes the helper objects of a deletion that failed. The snapshots may
// go with them: that is what was asked for.
func (d *deletion) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanPatience)
	defer cancel()
	if err := d.clean(ctx); err != nil {
		d.journal.warn(leftover(d.operation, err))
	}
}

func (d *deletion) deleteManifest(ctx context.Context) error {
	if err := d.repository.DeleteManifest(ctx, d.spec.RecoveryPointID); err != nil {
		return fmt.Errorf("delete recovery point %s: %w", d.spec.RecoveryPointID, err)
	}
	return nil
}
