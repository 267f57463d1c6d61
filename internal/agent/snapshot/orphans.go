package snapshot

import (
	"context"
	"fmt"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// Orphans deletes snapshot objects and contents that were made before the given
// time by operations that are over. What becomes of the snapshots was written
// down when their operation ended, and stays as it is. It does not wait; what
// is still there is deleted again the next time.
func Orphans(ctx context.Context, c client.Client, before time.Time, over func(ctx context.Context, operation string) (bool, error)) error {
	marked := client.HasLabels{v1alpha1.LabelOperation}
	objects := &snapshotv1.VolumeSnapshotList{}
	err := c.List(ctx, objects, marked)
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list volume snapshots: %w", err)
	}
	contents := &snapshotv1.VolumeSnapshotContentList{}
	if err := c.List(ctx, contents, marked); err != nil {
		return fmt.Errorf("list volume snapshot contents: %w", err)
	}
	var candidates []client.Object
	for i := range objects.Items {
		candidates = append(candidates, &objects.Items[i])
	}
	for i := range contents.Items {
		candidates = append(candidates, &contents.Items[i])
	}
	for _, o := range candidates {
		if !o.GetCreationTimestamp().Time.Before(before) || o.GetDeletionTimestamp() != nil {
			continue
		}
		ended, err := over(ctx, o.GetLabels()[v1alpha1.LabelOperation])
		if err != nil {
			return err
		}
		if !ended {
			continue
		}
		if err := c.Delete(ctx, o); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete %s: %w", o.GetName(), err)
		}
	}
	return nil
}
