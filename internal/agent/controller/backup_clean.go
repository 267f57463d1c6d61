package controller

import (
	"context"
	"errors"
	"fmt"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/repo"
)

// clean removes the snapshot objects, whatever the end of the run. The snapshots
// themselves go too unless the recovery point exists, or might.
func (b *backup) clean(ctx context.Context) {
	b.journal.begin("Clean", "Removing helper objects.")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*cleanPatience)
	defer cancel()
	kept := b.kept(ctx)
	if err := b.snapshots().Clean(ctx, cleanPatience, kept); err != nil {
		b.journal.warn(leftover(b.operation, err))
		b.options.Log.Warn("helper objects are left over", "operation", b.operation, "error", err)
	}
}

// kept says which snapshots a recovery point needs.
func (b *backup) kept(ctx context.Context) func(handle string) bool {
	if b.fate == fateUnknown { // the answer to the commit may have been lost
		if err := b.settle(ctx); err != nil {
			b.journal.warn(leftover(b.operation, fmt.Errorf("snapshots were kept, for whether the recovery point needs them could not be found out: %w", err)))
			return func(string) bool { return true }
		}
	}
	handles := map[string]bool{}
	if b.fate == fateCommitted {
		for _, v := range b.result.Volumes {
			handles[v.SnapshotHandle] = true
		}
	}
	return func(handle string) bool { return handles[handle] }
}

// settle finds out whether the recovery point exists.
func (b *backup) settle(ctx context.Context) error {
	if b.repository == nil {
		if err := b.open(ctx); err != nil {
			return err
		}
	}
	m, err := b.repository.Manifest(ctx, b.spec.RecoveryPointID)
	switch {
	case err == nil:
		b.adopt(m)
	case errors.Is(err, repo.ErrNoRecoveryPoint), errors.Is(err, repo.ErrVoid):
		b.fate = fateAbsent
	default:
		return err
	}
	return nil
}

func leftover(what string, err error) agentv1.Warning {
	return agentv1.Warning{Resource: what, Problem: agentv1.Problem{
		Code: CodeLeftover, Target: what,
		Message: fmt.Sprintf("Something was left over: %v", err),
		Actions: []string{"Check that the snapshot controller and the CSI driver are running; the extension tries again."},
	}}
}
