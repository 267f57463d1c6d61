package moverstest

import (
	"context"
	"os"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// contents is the snapshot controller with its sidecar: a content that goes
// takes its snapshot with it when its policy says so.
func (c *Cluster) contents(ctx context.Context) {
	for _, content := range list(ctx, c, &snapshotv1.VolumeSnapshotContentList{}).Items {
		if content.DeletionTimestamp == nil {
			continue
		}
		object := &snapshotv1.VolumeSnapshot{}
		ref := content.Spec.VolumeSnapshotRef
		if err := c.inner.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, object); err == nil {
			continue // it is still in use
		}
		if handle := content.Spec.Source.SnapshotHandle; handle != nil && content.Spec.DeletionPolicy == snapshotv1.VolumeSnapshotContentDelete {
			_ = os.Remove(c.path(*handle))
		}
		content.Finalizers = nil
		c.write(ctx, &content, false)
	}
}

// volumes is the volume controller with the driver: a volume whose claim is gone
// is deleted or kept, as its policy says.
func (c *Cluster) volumes(ctx context.Context) {
	for _, volume := range list(ctx, c, &corev1.PersistentVolumeList{}).Items {
		claim := &corev1.PersistentVolumeClaim{}
		ref := volume.Spec.ClaimRef
		err := c.inner.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, claim)
		if client.IgnoreNotFound(err) != nil || err == nil && claim.UID == ref.UID || volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
			continue
		}
		_ = os.Remove(c.path(volume.Spec.CSI.VolumeHandle))
		if err := c.inner.Delete(ctx, &volume); err != nil {
			c.t.Error(err)
		}
	}
}

// claims binds claims, and lets those go that no pod uses.
func (c *Cluster) claims(ctx context.Context) {
	for _, claim := range list(ctx, c, &corev1.PersistentVolumeClaimList{}).Items {
		switch {
		case claim.DeletionTimestamp != nil:
			if !c.used(ctx, &claim) {
				claim.Finalizers = nil
				c.write(ctx, &claim, false)
			}
		case claim.Status.Phase != corev1.ClaimBound:
			c.bind(ctx, &claim)
		}
	}
}

func (c *Cluster) used(ctx context.Context, claim *corev1.PersistentVolumeClaim) bool {
	for _, pod := range list(ctx, c, &corev1.PodList{}, client.InNamespace(claim.Namespace)).Items {
		over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		for _, v := range pod.Spec.Volumes {
			if !over && v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim.Name {
				return true
			}
		}
	}
	return false
}

// bind waits for the volume that a claim names, or makes one.
func (c *Cluster) bind(ctx context.Context, claim *corev1.PersistentVolumeClaim) {
	volume := &corev1.PersistentVolume{}
	switch {
	case claim.Spec.VolumeName != "":
		if c.inner.Get(ctx, types.NamespacedName{Name: claim.Spec.VolumeName}, volume) != nil ||
			volume.Spec.ClaimRef == nil || volume.Spec.ClaimRef.UID != claim.UID {
			return
		}
	default:
		content, ready := c.source(ctx, claim)
		if !ready {
			return
		}
		volume = c.provision(claim, content)
		if err := c.inner.Create(ctx, volume); err != nil {
			c.t.Error(err)
			return
		}
		claim.Spec.VolumeName = volume.Name
		c.write(ctx, claim, false)
	}
	claim.Status.Phase = corev1.ClaimBound
	c.write(ctx, claim, true)
}

// source is what a new volume of a claim begins with.
func (c *Cluster) source(ctx context.Context, claim *corev1.PersistentVolumeClaim) (content []byte, ready bool) {
	size := claim.Spec.Resources.Requests.Storage().Value()
	if claim.Spec.DataSource == nil {
		return make([]byte, size), true
	}
	object, from := &snapshotv1.VolumeSnapshot{}, &snapshotv1.VolumeSnapshotContent{}
	if c.inner.Get(ctx, types.NamespacedName{Namespace: claim.Namespace, Name: claim.Spec.DataSource.Name}, object) != nil ||
		object.DeletionTimestamp != nil || object.Spec.Source.VolumeSnapshotContentName == nil {
		return nil, false
	}
	if c.inner.Get(ctx, types.NamespacedName{Name: *object.Spec.Source.VolumeSnapshotContentName}, from) != nil || from.DeletionTimestamp != nil {
		return nil, false
	}
	raw, err := os.ReadFile(c.path(*from.Spec.Source.SnapshotHandle))
	if err != nil {
		return nil, false
	}
	return append(raw, make([]byte, max(0, size-int64(len(raw))))...), true
}

func (c *Cluster) provision(claim *corev1.PersistentVolumeClaim, content []byte) *corev1.PersistentVolume {
	handle := c.handle("volume")
	c.store(handle, content)
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pvc-" + string(claim.UID), CreationTimestamp: metav1.Now()},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes, VolumeMode: claim.Spec.VolumeMode,
			StorageClassName: *claim.Spec.StorageClassName, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef:               &corev1.ObjectReference{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: Driver, VolumeHandle: handle}},
		},
	}
}
