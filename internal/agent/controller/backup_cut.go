package controller

import (
	"context"

	"golang.org/x/sync/errgroup"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/collect"
	"holdfast.dev/holdfast/internal/agent/snapshot"
)

// parallelSnapshots is how many snapshots are asked for at the same time.
const parallelSnapshots = 16

// claims is the kind whose selection decides about volumes.
var claims = collect.Resource{Version: "v1", Name: "persistentvolumeclaims", Kind: "PersistentVolumeClaim", Namespaced: true}

// cut takes all snapshots side by side and waits for their handles: the moment
// the recovery point stands for.
func (b *backup) cut(ctx context.Context) error {
	if !b.spec.SnapshotVolumes || !collect.NewTypeFilter(b.spec.Selection).Match(claims) {
		return nil
	}
	selector, err := collect.LabelSelector(b.spec.Selection)
	if err != nil {
		return err
	}
	facts, err := snapshot.Gather(ctx, b.client, b.namespaces, selector)
	if err != nil {
		return err
	}
	b.items = snapshot.Plan(facts)
	return b.each(ctx, b.snapshots().Cut)
}

// ready waits until all snapshots can be restored from.
func (b *backup) ready(ctx context.Context) error {
	if err := b.each(ctx, b.snapshots().AwaitReady); err != nil {
		return err
	}
	b.journal.warn(snapshot.Warnings(b.volumes())...)
	return nil
}

// each does something with every volume that is still to be protected.
func (b *backup) each(ctx context.Context, do func(context.Context, snapshot.Item) (snapshot.Item, error)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelSnapshots)
	count := counter{journal: b.journal, total: int64(len(b.items))}
	for i := range b.items {
		if b.items[i].Volume.State != agentv1.VolumeProtected {
			count.add()
			continue
		}
		group.Go(func() (err error) {
			b.items[i], err = do(ctx, b.items[i])
			count.add()
			return err
		})
	}
	return group.Wait()
}

// volumes are the volumes as they stand now.
func (b *backup) volumes() []agentv1.Volume {
	volumes := make([]agentv1.Volume, len(b.items))
	for i, item := range b.items {
		volumes[i] = item.Volume
	}
	return volumes
}
