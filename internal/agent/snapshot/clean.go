package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// beingDeleted tells the driver's sidecar that a content may go. The snapshot
// controller sets it when the snapshot object goes; where the object went
// without it, the content would stay for ever.
const beingDeleted = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted"

// contentFinalizer keeps a content until its snapshot was dealt with.
const contentFinalizer = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"

// beingCreated is set by the driver's sidecar before it asks the driver for a
// snapshot.
const beingCreated = "snapshot.storage.kubernetes.io/volumesnapshot-being-created"

// Clean removes every snapshot object and content of the operation and waits
// until they are gone. Snapshots whose handle kept says yes to stay at the
// driver; the others are deleted there too.
func (s *Snapshots) Clean(ctx context.Context, patience time.Duration, kept func(handle string) bool) error {
	var left int
	err := await(ctx, patience, func(ctx context.Context) (bool, error) {
		objects, contents, err := s.leftovers(ctx)
		if err != nil {
			return false, err
		}
		if left = len(objects) + len(contents); left == 0 {
			return true, nil
		}
		return false, s.clean(ctx, objects, contents, kept)
	})
	if errors.Is(err, errTimedOut) {
		return fmt.Errorf("%d snapshot objects of %s are still there after %s: %w", left, s.Operation, patience, err)
	}
	return err
}

// Leaving says whether an attempt was interrupted while it cleaned up: an object
// is on its way out, or a content has outlived the object it was bound to, and no
// other can be bound to it. Clean must end that before Import.
func (s *Snapshots) Leaving(ctx context.Context) (bool, error) {
	objects, contents, err := s.leftovers(ctx)
	if err != nil {
		return false, err
	}
	there := map[types.UID]bool{"": true} // a content that was never bound waits for its object
	for _, o := range objects {
		if o.DeletionTimestamp != nil {
			return true, nil
		}
		there[o.UID] = true
	}
	return slices.ContainsFunc(contents, func(c snapshotv1.VolumeSnapshotContent) bool {
		return c.DeletionTimestamp != nil || !there[c.Spec.VolumeSnapshotRef.UID]
	}), nil
}

// leftovers lists what the operation made. A cluster without the snapshot
// definitions has nothing.
func (s *Snapshots) leftovers(ctx context.Context) ([]snapshotv1.VolumeSnapshot, []snapshotv1.VolumeSnapshotContent, error) {
	objects := &snapshotv1.VolumeSnapshotList{}
	err := s.Client.List(ctx, objects, client.MatchingLabels{v1alpha1.LabelOperation: s.Operation})
	if meta.IsNoMatchError(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list volume snapshots of %s: %w", s.Operation, err)
	}
	var contents []snapshotv1.VolumeSnapshotContent
	list := &snapshotv1.VolumeSnapshotContentList{}
	err = pages(ctx, s.Client, list, func() {
		for _, c := range list.Items {
			if strings.HasPrefix(c.Spec.VolumeSnapshotRef.Name, namePrefix(s.Operation)) {
				contents = append(contents, c)
			}
		}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list volume snapshot contents: %w", err)
	}
	return objects.Items, contents, nil
}

// clean takes one round: first what becomes of each snapshot is written down,
// then the objects go, then the contents that the controller leaves behind.
func (s *Snapshots) clean(ctx context.Context, objects []snapshotv1.VolumeSnapshot, contents []snapshotv1.VolumeSnapshotContent, kept func(string) bool) error {
	there := map[types.UID]bool{}
	for _, o := range objects {
		there[o.UID] = true
	}
	for i := range contents {
		c := &contents[i]
		if err := s.decide(ctx, c, kept); err != nil {
			if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
				return nil // somebody was faster; the next round looks again
			}
			return fmt.Errorf("decide on content %s: %w", c.Name, err)
		}
		if !there[c.Spec.VolumeSnapshotRef.UID] {
			if err := s.dropContent(ctx, c); err != nil {
				return err
			}
		}
	}
	for i := range objects {
		if objects[i].DeletionTimestamp != nil {
			continue
		}
		if err := s.Client.Delete(ctx, &objects[i]); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete volume snapshot %s/%s: %w", objects[i].Namespace, objects[i].Name, err)
		}
	}
	return nil
}

// decide writes down what becomes of a content's snapshot.
func (s *Snapshots) decide(ctx context.Context, c *snapshotv1.VolumeSnapshotContent, kept func(string) bool) error {
	handle := handleOf(*c)
	if handle == "" && c.Spec.Source.SnapshotHandle != nil { // imported, and no sidecar came by yet
		handle = *c.Spec.Source.SnapshotHandle
	}
	if handle != "" && kept(handle) {
		return s.setPolicy(ctx, c, snapshotv1.VolumeSnapshotContentRetain)
	}
	if err := s.setPolicy(ctx, c, snapshotv1.VolumeSnapshotContentDelete); err != nil {
		return err
	}
	if err := s.hold(ctx, c); err != nil {
		return err
	}
	return s.release(ctx, c)
}

// hold sees to it that a content cannot vanish before the driver deleted its
// snapshot. The snapshot controller does the same, but some time after the
// content is there: one that is deleted earlier leaves its snapshot behind.
func (s *Snapshots) hold(ctx context.Context, c *snapshotv1.VolumeSnapshotContent) error {
	if c.DeletionTimestamp != nil || slices.Contains(c.Finalizers, contentFinalizer) {
		return nil
	}
	before := c.DeepCopy()
	c.Finalizers = append(c.Finalizers, contentFinalizer)
	return s.Client.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// dropContent deletes a content whose snapshot object is gone.
func (s *Snapshots) dropContent(ctx context.Context, c *snapshotv1.VolumeSnapshotContent) error {
	if c.Annotations[beingDeleted] == "" {
		patch := []byte(`{"metadata":{"annotations":{"` + beingDeleted + `":"yes"}}}`)
		err := s.Client.Patch(ctx, c, client.RawPatch(types.MergePatchType, patch))
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("mark content %s: %w", c.Name, err)
		}
	}
	if c.DeletionTimestamp != nil {
		return nil
	}
	if err := s.Client.Delete(ctx, c); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete content %s: %w", c.Name, err)
	}
	return nil
}

// release lets a content go that is being deleted and that no sidecar ever
// touched: there can be no snapshot, and where the driver is gone nobody else
// would. Should a sidecar wake up in between, the patch fails and nothing is lost.
func (s *Snapshots) release(ctx context.Context, c *snapshotv1.VolumeSnapshotContent) error {
	untouched := c.Spec.Source.VolumeHandle != nil && c.Status == nil && c.Annotations[beingCreated] == ""
	if c.DeletionTimestamp == nil || !untouched || len(c.Finalizers) == 0 {
		return nil
	}
	before := c.DeepCopy()
	c.Finalizers = nil
	return s.Client.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}
