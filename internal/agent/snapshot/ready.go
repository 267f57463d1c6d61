package snapshot

import (
	"context"
	"fmt"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"k8s.io/apimachinery/pkg/types"
)

// AwaitReady waits until the snapshot of a cut item can be restored from, and
// returns the item with the size that a restore needs; or as Skipped when the
// driver does not get there.
func (s *Snapshots) AwaitReady(ctx context.Context, item Item) (Item, error) {
	v := &item.Volume
	ready := false
	var refusal failure
	err := await(ctx, s.patience(), func(ctx context.Context) (bool, error) {
		content := &snapshotv1.VolumeSnapshotContent{}
		if err := s.Client.Get(ctx, types.NamespacedName{Name: item.Content}, content); err != nil {
			return refusal.final, refusal.vanished(err)
		}
		if content.Spec.DeletionPolicy != snapshotv1.VolumeSnapshotContentRetain { // somebody winds this operation up
			refusal.taken()
			return true, nil
		}
		if content.Status == nil {
			return false, nil
		}
		refusal.note(content.Status.Error)
		if content.Status.RestoreSize != nil {
			v.RestoreSizeBytes = *content.Status.RestoreSize
		}
		ready = content.Status.ReadyToUse != nil && *content.Status.ReadyToUse
		return ready || refusal.final, nil
	})
	if reason, ok := refusal.skip(*v, err); !ready && ok {
		*v = skipped(*v, refusal.code, reason)
		return item, nil
	}
	if err != nil {
		return item, fmt.Errorf("wait for the snapshot of %s/%s: %w", v.Namespace, v.Claim, err)
	}
	return item, nil
}

func handleOf(c snapshotv1.VolumeSnapshotContent) string {
	if c.Status == nil || c.Status.SnapshotHandle == nil {
		return ""
	}
	return *c.Status.SnapshotHandle
}
