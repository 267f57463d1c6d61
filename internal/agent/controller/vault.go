package controller

import (
	"context"
	"errors"
	"fmt"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/snapshot"
	"holdfast.dev/holdfast/internal/objstore/gate"
	"holdfast.dev/holdfast/internal/repo"
)

// vaulting is one recovery point on its way from the operational tier into the
// vault: what each step found out for the next.
type vaulting struct {
	*worker
	journal   *journal
	operation string // v1alpha1.RunName
	spec      agentv1.Vault
	grant     v1alpha1.Grant

	source, target *repo.Repository
	gate           *gate.Store   // to the target
	from           repo.Manifest // of the operational tier
	base           *repo.Manifest
	items          []vaultItem
	archives       []repo.StreamRef
	writer         *repo.Writer
	bytes          tallied

	result *agentv1.BackupResult
}

// vault carries out a VaultRun.
func (w *worker) vault(ctx context.Context, run *v1alpha1.VaultRun, j *journal) (func(*v1alpha1.VaultRun), error) {
	grant, err := w.grant(ctx, run.Spec.GrantSecret)
	if err != nil {
		return nil, err
	}
	if grant.Target == nil {
		return nil, problem(CodeGrantMissing, "Start the operation again.", "The grant of the operation does not lead to the vault.")
	}
	v := &vaulting{worker: w, journal: j, operation: v1alpha1.RunName(run.Spec.OperationID), spec: run.Spec.Vault, grant: grant}
	v.bytes.journal = j
	err = runSteps(ctx, j, []step{
		{"Open", "Reading the recovery point.", v.open},
		{"Resume", "Looking for what an earlier attempt has done.", v.resume},
		{"Plan", "Deciding what is to be read.", v.plan},
		{"Objects", "Copying the objects of the cluster.", v.copyObjects},
		{"Volumes", "Copying the data of the volumes.", v.moveAll},
		{"Commit", "Writing the recovery point.", v.commit},
	}, func() bool { return v.result != nil })
	defer v.close()
	if errors.Is(context.Cause(ctx), errShutdown) {
		return nil, err
	}
	v.clean(ctx)
	if v.result == nil {
		return nil, err
	}
	return func(run *v1alpha1.VaultRun) { run.Status.Result = v.result }, nil
}

// open opens both repositories, and makes the vault's with the first copy.
func (v *vaulting) open(ctx context.Context) error {
	from, err := v.placeOf(ctx, v.grant)
	if err != nil {
		return err
	}
	if v.source, err = from.open(ctx); err != nil {
		return err
	}
	to, err := behindGate(ctx, *v.grant.Target)
	if err != nil {
		return err
	}
	v.gate = to.gate
	if v.target, err = to.create(ctx); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if v.from, err = v.source.Manifest(ctx, v.spec.RecoveryPointID); err != nil {
		return fmt.Errorf("read recovery point %s: %w", v.spec.RecoveryPointID, err)
	}
	return nil
}

// resume finds out whether an earlier attempt has written the recovery point
// already; then only cleaning up is left to do.
func (v *vaulting) resume(ctx context.Context) error {
	m, err := v.target.Manifest(ctx, v.spec.RecoveryPointID)
	if errors.Is(err, repo.ErrNoRecoveryPoint) {
		return v.settle(ctx)
	}
	if err != nil {
		return fmt.Errorf("look for recovery point %s in the vault: %w", v.spec.RecoveryPointID, err)
	}
	v.result = resultOf(m)
	v.journal.warn(warningsOf(m)...)
	return nil
}

// settle ends the cleaning up of an attempt that failed and was interrupted
// then: what is on its way out serves nobody.
func (v *vaulting) settle(ctx context.Context) error {
	movers, err := v.movers.Leaving(ctx, v.operation)
	if err != nil {
		return err
	}
	snapshots, err := v.snapshots().Leaving(ctx)
	if err != nil || !movers && !snapshots {
		return err
	}
	return v.removeHelpers(ctx)
}

// plan decides about every volume. A base that cannot be read makes more work,
// nothing worse.
func (v *vaulting) plan(ctx context.Context) error {
	if v.spec.Base != "" {
		m, err := v.target.Manifest(ctx, v.spec.Base)
		if err == nil {
			v.base = &m
		} else if ctx.Err() != nil {
			return err
		}
	}
	v.items = planVault(volumesOf(v.from), v.base, v.spec.Limits)
	return nil
}

// copyObjects copies the archives, record by record: the vault has keys of its
// own. What it has already is not stored again.
func (v *vaulting) copyObjects(ctx context.Context) (err error) {
	v.writer, err = v.target.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: v.spec.RecoveryPointID})
	if err != nil {
		return err
	}
	for _, stream := range v.from.Streams {
		if stream.Type != repo.TypeArchive {
			continue
		}
		copied, err := v.copyArchive(ctx, stream)
		if err != nil {
			return fmt.Errorf("copy archive %s: %w", stream.Name, err)
		}
		v.archives = append(v.archives, copied)
	}
	return v.writer.Flush(ctx)
}

func (v *vaulting) copyArchive(ctx context.Context, stream repo.StreamRef) (repo.StreamRef, error) {
	return v.source.CopyArchive(ctx, stream, v.writer, func(records int64) {
		v.journal.report(agentv1.Progress{ItemsDone: records, ItemsTotal: stream.Records})
	})
}

// commit writes the manifest: from then on the recovery point is in the vault.
func (v *vaulting) commit(ctx context.Context) error {
	v.journal.warn(snapshot.Warnings(left(v.items))...)
	m := vaultManifest(v.from, v.archives, v.items, v.journal.listWarnings(), v.writer.Stats().BytesStored+v.bytes.stored())
	err := v.writer.Commit(ctx, m)
	if errors.Is(err, repo.ErrConflict) { // an attempt that was believed dead came first
		err = nil
	}
	if err == nil {
		m, err = v.target.Manifest(ctx, v.spec.RecoveryPointID)
	}
	if err != nil {
		return fmt.Errorf("commit recovery point %s to the vault: %w", v.spec.RecoveryPointID, err)
	}
	v.result = resultOf(m)
	return nil
}

// clean removes the helper objects: movers, then claims, then snapshots. The
// snapshots themselves stay; they are the operational recovery point's.
func (v *vaulting) clean(ctx context.Context) {
	v.journal.begin("Clean", "Removing helper objects.")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*cleanPatience)
	defer cancel()
	if err := v.removeHelpers(ctx); err != nil {
		v.journal.warn(leftover(v.operation, err))
		v.options.Log.Warn("helper objects are left over", "operation", v.operation, "error", err)
	}
}

func (v *vaulting) removeHelpers(ctx context.Context) error {
	return errors.Join(v.movers.Clean(ctx, v.operation, cleanPatience),
		v.snapshots().Clean(ctx, cleanPatience, func(string) bool { return true }))
}

func (v *vaulting) snapshots() *snapshot.Snapshots {
	return &snapshot.Snapshots{Client: v.client, Operation: v.operation, Patience: v.options.SnapshotPatience}
}

func (v *vaulting) close() {
	if v.writer != nil {
		v.closing(v.writer)
	}
	for _, r := range []*repo.Repository{v.source, v.target} {
		if r != nil {
			v.closing(r)
		}
	}
}
