package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// DefaultPatience is how long one volume may take to get a handle, and again to
// get ready.
const DefaultPatience = 10 * time.Minute

// Snapshots takes and removes the snapshots of one operation. Its methods may
// be repeated after a crash: they go on with what is there.
type Snapshots struct {
	Client    client.Client
	Operation string        // v1alpha1.RunName of the operation's id
	Patience  time.Duration // zero means DefaultPatience
}

func (s *Snapshots) patience() time.Duration {
	if s.Patience > 0 {
		return s.Patience
	}
	return DefaultPatience
}

// Cut snapshots the volume of one planned item and waits for the driver's
// handle. The item returned is Protected with its handle, or Skipped when the
// driver would not; an error means that the API server cannot be worked with or
// that ctx ended.
func (s *Snapshots) Cut(ctx context.Context, item Item) (Item, error) {
	v := &item.Volume
	key, err := s.create(ctx, item)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		*v = skipped(*v, CodeFailed, fmt.Sprintf("The snapshot of the claim %s/%s was refused: %v", v.Namespace, v.Claim, err))
		return item, nil
	case errors.Is(err, errTimedOut):
		*v = skipped(*v, CodeTimedOut, fmt.Sprintf("An earlier snapshot object of the claim %s/%s is still being deleted.", v.Namespace, v.Claim))
		return item, nil
	case err != nil:
		return item, fmt.Errorf("create snapshot of %s/%s: %w", v.Namespace, v.Claim, err)
	}
	content, refusal, err := s.awaitHandle(ctx, key)
	if reason, ok := refusal.skip(*v, err); content == nil && ok {
		*v = skipped(*v, refusal.code, reason)
		return item, nil
	}
	if err != nil {
		return item, fmt.Errorf("cut snapshot of %s/%s: %w", v.Namespace, v.Claim, err)
	}
	if err := s.setPolicy(ctx, content, snapshotv1.VolumeSnapshotContentRetain); err != nil {
		return item, fmt.Errorf("keep snapshot of %s/%s: %w", v.Namespace, v.Claim, err)
	}
	if content.DeletionTimestamp != nil { // the driver may have been told before
		*v = skipped(*v, CodeFailed, fmt.Sprintf("The snapshot of the claim %s/%s failed: it was deleted by somebody else", v.Namespace, v.Claim))
		return item, nil
	}
	item.Content, v.SnapshotHandle, v.CutAt = content.Name, handleOf(*content), s.cutAt(*content)
	return item, nil
}

// clockTolerance is how far a driver's clock may be from the API server's.
const clockTolerance = 5 * time.Minute

// cutAt is when the driver cut, by its own clock. A moment that cannot be, such
// as the 1970 of a driver that does not tell, would make the recovery point
// expire at once or never; then it is when the snapshot was asked for.
func (s *Snapshots) cutAt(content snapshotv1.VolumeSnapshotContent) time.Time {
	if content.Status.CreationTime == nil {
		return time.Time{}
	}
	asked := content.CreationTimestamp.UTC()
	cut := time.Unix(0, *content.Status.CreationTime).UTC()
	if cut.Before(asked.Add(-clockTolerance)) || cut.After(asked.Add(s.patience()+clockTolerance)) {
		return asked
	}
	return cut
}

func (s *Snapshots) awaitHandle(ctx context.Context, key types.NamespacedName) (content *snapshotv1.VolumeSnapshotContent, refusal failure, err error) {
	err = await(ctx, s.patience(), func(ctx context.Context) (bool, error) {
		var err error
		content, err = s.handled(ctx, key, &refusal)
		return content != nil || refusal.final, err
	})
	return content, refusal, err
}

// create makes the snapshot object, or finds the one of an earlier attempt. One
// that is on its way out takes its snapshot along, so its end is waited for. The
// object carries no label or annotation of the claim: GitOps tools delete what
// carries their marks.
func (s *Snapshots) create(ctx context.Context, item Item) (types.NamespacedName, error) {
	object := &snapshotv1.VolumeSnapshot{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: item.Volume.Namespace,
			Name:      objectName(s.Operation, string(item.UID)),
			Labels:    map[string]string{v1alpha1.LabelOperation: s.Operation},
		},
		Spec: snapshotv1.VolumeSnapshotSpec{
			Source:                  snapshotv1.VolumeSnapshotSource{PersistentVolumeClaimName: &item.Volume.Claim},
			VolumeSnapshotClassName: &item.Volume.SnapshotClass,
		},
	}
	key := client.ObjectKeyFromObject(object)
	return key, await(ctx, s.patience(), func(ctx context.Context) (bool, error) {
		if err := s.Client.Create(ctx, object.DeepCopy()); !apierrors.IsAlreadyExists(err) {
			return err == nil, err
		}
		found := &snapshotv1.VolumeSnapshot{}
		err := s.Client.Get(ctx, key, found)
		return err == nil && found.DeletionTimestamp == nil, client.IgnoreNotFound(err)
	})
}

// handled returns the content once it has a handle.
func (s *Snapshots) handled(ctx context.Context, key types.NamespacedName, f *failure) (*snapshotv1.VolumeSnapshotContent, error) {
	object := &snapshotv1.VolumeSnapshot{}
	if err := s.Client.Get(ctx, key, object); err != nil {
		return nil, f.vanished(err)
	}
	if object.Status == nil || object.Status.BoundVolumeSnapshotContentName == nil {
		if object.DeletionTimestamp != nil {
			f.taken()
		} else if object.Status != nil {
			f.note(object.Status.Error)
		}
		return nil, nil
	}
	f.note(object.Status.Error)
	content := &snapshotv1.VolumeSnapshotContent{}
	err := s.Client.Get(ctx, types.NamespacedName{Name: *object.Status.BoundVolumeSnapshotContentName}, content)
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	retained := content.Spec.DeletionPolicy == snapshotv1.VolumeSnapshotContentRetain
	if content.DeletionTimestamp != nil || object.DeletionTimestamp != nil && !retained {
		f.taken()
		return nil, nil
	}
	if handleOf(*content) == "" {
		return nil, nil
	}
	return content, nil
}

// setPolicy says what becomes of the snapshot when its content is deleted, and
// marks the content as the operation's.
func (s *Snapshots) setPolicy(ctx context.Context, content *snapshotv1.VolumeSnapshotContent, policy snapshotv1.DeletionPolicy) error {
	if content.Spec.DeletionPolicy == policy && content.Labels[v1alpha1.LabelOperation] == s.Operation {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"labels": map[string]string{v1alpha1.LabelOperation: s.Operation}},
		"spec":     map[string]any{"deletionPolicy": policy},
	})
	if err != nil {
		return err
	}
	return s.Client.Patch(ctx, content, client.RawPatch(types.MergePatchType, patch))
}
