package controller

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/snapshot"
)

// sweepInterval is how often leftovers are looked for, and how old they must be.
const sweepInterval = 10 * time.Minute

// sweeper takes away what runs could not remove when they ended, and what runs
// left whose object was deleted while no controller was there.
type sweeper struct{ *worker }

// Start sweeps until ctx ends.
func (s sweeper) Start(ctx context.Context) error {
	for {
		before := s.options.Clock.Now().Add(-sweepInterval)
		if err := snapshot.Orphans(ctx, s.client, before, s.over); err != nil && ctx.Err() == nil {
			s.options.Log.Warn("cannot sweep leftovers", "error", err)
		}
		if err := s.sweepMovers(ctx, before); err != nil && ctx.Err() == nil {
			s.options.Log.Warn("cannot sweep leftovers of movers", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sweepInterval):
		}
	}
}

// sweepMovers removes the Jobs, claims and volumes of operations that are over.
func (s sweeper) sweepMovers(ctx context.Context, before time.Time) error {
	operations, err := s.movers.Operations(ctx, before)
	for _, operation := range operations {
		ended, unknown := s.over(ctx, operation)
		if err = errors.Join(err, unknown); ended && unknown == nil {
			err = errors.Join(err, s.cleanLoads(ctx, operation, cleanPatience))
		}
	}
	return err
}

// over says whether no run of this name is still at work.
func (s sweeper) over(ctx context.Context, operation string) (bool, error) {
	name := types.NamespacedName{Namespace: s.options.Namespace, Name: operation}
	for _, object := range []run{&v1alpha1.BackupRun{}, &v1alpha1.RestoreRun{}, &v1alpha1.RecoveryPointDeletion{}, &v1alpha1.VaultRun{}} {
		err := s.client.Get(ctx, name, object)
		if client.IgnoreNotFound(err) != nil {
			return false, err
		}
		if _, status := object.Common(); err == nil && !status.Phase.Final() {
			return false, nil
		}
	}
	return true, nil
}
