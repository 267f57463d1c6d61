package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/restore"
)

// heirAnnotation names, on the volume of a helper claim, the persistent volume
// that takes its place. Who cleans up looks there before a handle is given up.
const heirAnnotation = "holdfast.dev/heir"

// handOver gives the volume behind a helper claim to the target claim. The
// order of writes keeps the handle in at least one object that will not delete
// it: the helper's volume names its heir and is kept, the heir is made, and the
// helper's volume and claim go.
func (l *loader) handOver(ctx context.Context, helper string, load restore.Load, target *corev1.PersistentVolumeClaim) error {
	name := l.VolumeName(load.Claim)
	old, err := l.volumeOf(ctx, helper)
	if err != nil {
		return err
	}
	if old == nil { // an earlier attempt came this far
		if made, err := l.volume(ctx, name); err != nil || made != nil {
			return err
		}
		return fmt.Errorf("the volume of helper claim %s is gone", helper)
	}
	policy := old.Spec.PersistentVolumeReclaimPolicy
	if before := old.Annotations[reclaimAnnotation]; before != "" {
		policy = corev1.PersistentVolumeReclaimPolicy(before)
	}
	if err := l.keep(ctx, old, name, policy); err != nil {
		return err
	}
	if err := l.client.Create(ctx, heir(old, name, load, target, policy)); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make volume %s: %w", name, err)
	}
	return nil // the helpers go with Clean
}

// reclaimAnnotation keeps what the volume's reclaim policy was.
const reclaimAnnotation = "holdfast.dev/reclaim-policy"

// volumeOf returns the volume that a helper claim is bound to, nil when the
// claim is gone.
func (l *loader) volumeOf(ctx context.Context, helper string) (*corev1.PersistentVolume, error) {
	claim := &corev1.PersistentVolumeClaim{}
	err := l.client.Get(ctx, types.NamespacedName{Namespace: l.options.Namespace, Name: helper}, claim)
	if apierrors.IsNotFound(err) || err == nil && claim.Spec.VolumeName == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read helper claim %s: %w", helper, err)
	}
	return l.volume(ctx, claim.Spec.VolumeName)
}

// keep makes a volume stay when its claim goes, and says who takes its place.
func (l *loader) keep(ctx context.Context, old *corev1.PersistentVolume, heir string, policy corev1.PersistentVolumeReclaimPolicy) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"labels":      map[string]string{v1alpha1.LabelOperation: l.operation},
			"annotations": map[string]string{heirAnnotation: heir, reclaimAnnotation: string(policy)},
		},
		"spec": map[string]any{"persistentVolumeReclaimPolicy": corev1.PersistentVolumeReclaimRetain},
	})
	if err != nil {
		return err
	}
	if err := l.client.Patch(ctx, old, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("keep volume %s: %w", old.Name, err)
	}
	return nil
}

// heir is the persistent volume for the target claim with the handle of old.
func heir(old *corev1.PersistentVolume, name string, load restore.Load, target *corev1.PersistentVolumeClaim, policy corev1.PersistentVolumeReclaimPolicy) *corev1.PersistentVolume {
	spec := *old.Spec.DeepCopy()
	spec.PersistentVolumeReclaimPolicy = policy
	spec.VolumeMode = target.Spec.VolumeMode
	spec.AccessModes = target.Spec.AccessModes
	spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: target.Namespace, Name: target.Name, UID: target.UID}
	if spec.CSI != nil && (target.Spec.VolumeMode == nil || *target.Spec.VolumeMode == corev1.PersistentVolumeFilesystem) {
		spec.CSI.FSType = load.Volume.FSType
	}
	annotations := maps.Clone(old.Annotations)
	for _, own := range []string{heirAnnotation, reclaimAnnotation, "pv.kubernetes.io/bound-by-controller"} {
		delete(annotations, own)
	}
	return &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}, Spec: spec}
}

// cleanLoads removes the helpers of an operation: movers and claims first, then
// the volumes that have an heir. A kept volume whose heir was never made is not
// kept any more.
func (w *worker) cleanLoads(ctx context.Context, operation string, patience time.Duration) error {
	volumes := &corev1.PersistentVolumeList{}
	if err := w.client.List(ctx, volumes, client.MatchingLabels{v1alpha1.LabelOperation: operation}); err != nil {
		return fmt.Errorf("list helper volumes: %w", err)
	}
	var failed error
	for i := range volumes.Items {
		failed = errors.Join(failed, w.disinherit(ctx, &volumes.Items[i]))
	}
	if failed != nil { // a claim that went now could take data with it
		return failed
	}
	failed = w.movers.Clean(ctx, operation, patience)
	for i := range volumes.Items {
		if volumes.Items[i].Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
			continue // goes with its claim
		}
		failed = errors.Join(failed, client.IgnoreNotFound(w.client.Delete(ctx, &volumes.Items[i])))
	}
	return failed
}

// disinherit gives a volume its reclaim policy back when there is no heir.
func (w *worker) disinherit(ctx context.Context, old *corev1.PersistentVolume) error {
	heir := &corev1.PersistentVolume{}
	err := w.client.Get(ctx, types.NamespacedName{Name: old.Annotations[heirAnnotation]}, heir)
	if !apierrors.IsNotFound(err) {
		return err
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"persistentVolumeReclaimPolicy": old.Annotations[reclaimAnnotation]}})
	if err != nil {
		return err
	}
	return w.client.Patch(ctx, old, client.RawPatch(types.MergePatchType, patch))
}
