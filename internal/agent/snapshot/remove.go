package snapshot

import (
	"context"
	"fmt"
	"maps"
	"strings"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// Secrets that a driver needs to delete a snapshot: named by the class, and
// handed on to the content as annotations.
const (
	secretName          = "csi.storage.k8s.io/snapshotter-secret-name"
	secretNamespace     = "csi.storage.k8s.io/snapshotter-secret-namespace"
	deletionSecretName  = "snapshot.storage.kubernetes.io/deletion-secret-name"
	deletionSecretSpace = "snapshot.storage.kubernetes.io/deletion-secret-namespace"
)

// Import makes a snapshot known to the cluster under its handle: a content that
// names it, and a snapshot object bound to that in namespace. policy says what
// becomes of the snapshot when they go. It returns the object's name; Clean
// removes both. It does not wait.
func (s *Snapshots) Import(ctx context.Context, v agentv1.Volume, namespace string, policy snapshotv1.DeletionPolicy) (string, error) {
	name := objectName(s.Operation, namespace+"/"+v.SnapshotHandle)
	marks := map[string]string{v1alpha1.LabelOperation: s.Operation}
	annotations, err := s.secrets(ctx, v.SnapshotClass)
	if err != nil {
		return "", err
	}
	mode := corev1.PersistentVolumeMode(v.VolumeMode)
	content := &snapshotv1.VolumeSnapshotContent{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: marks, Annotations: annotations},
		Spec: snapshotv1.VolumeSnapshotContentSpec{
			DeletionPolicy:    policy,
			Driver:            v.Driver,
			Source:            snapshotv1.VolumeSnapshotContentSource{SnapshotHandle: &v.SnapshotHandle},
			VolumeSnapshotRef: corev1.ObjectReference{Namespace: namespace, Name: name},
		},
	}
	if mode != "" {
		content.Spec.SourceVolumeMode = &mode
	}
	object := &snapshotv1.VolumeSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: maps.Clone(marks)},
		Spec:       snapshotv1.VolumeSnapshotSpec{Source: snapshotv1.VolumeSnapshotSource{VolumeSnapshotContentName: &name}},
	}
	for _, o := range []client.Object{content, object} {
		if err := s.Client.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
			return "", fmt.Errorf("import snapshot %s: %w", v.SnapshotHandle, err)
		}
	}
	return name, nil
}

// secrets are the annotations with the secret of a snapshot class. A class that
// is gone, or whose secret differs from snapshot to snapshot, gives none.
func (s *Snapshots) secrets(ctx context.Context, class string) (map[string]string, error) {
	if class == "" {
		return nil, nil
	}
	found := &snapshotv1.VolumeSnapshotClass{}
	err := s.Client.Get(ctx, types.NamespacedName{Name: class}, found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get volume snapshot class %s: %w", class, err)
	}
	name, namespace := found.Parameters[secretName], found.Parameters[secretNamespace]
	if name == "" || strings.Contains(name+namespace, "${") {
		return nil, nil
	}
	return map[string]string{deletionSecretName: name, deletionSecretSpace: namespace}, nil
}

// Remove deletes a snapshot at its driver by its handle, by way of helper
// objects in namespace; Clean with nothing kept must follow. A snapshot that
// the driver does not know any more is no error.
func (s *Snapshots) Remove(ctx context.Context, v agentv1.Volume, namespace string) error {
	name, err := s.Import(ctx, v, namespace, snapshotv1.VolumeSnapshotContentDelete)
	if err != nil {
		return err
	}
	var last string
	err = await(ctx, s.patience(), func(ctx context.Context) (bool, error) {
		content := &snapshotv1.VolumeSnapshotContent{}
		if err := s.Client.Get(ctx, types.NamespacedName{Name: name}, content); err != nil {
			return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
		}
		if content.Status != nil && content.Status.Error != nil && content.Status.Error.Message != nil {
			last = *content.Status.Error.Message
		}
		return handleOf(*content) != "" || unknownSnapshot(last), nil
	})
	if err != nil {
		return fmt.Errorf("delete snapshot %s of driver %s (last error of the driver: %q): %w", v.SnapshotHandle, v.Driver, last, err)
	}
	return nil
}

// unknownSnapshot recognizes a driver's word that a snapshot does not exist. It
// is strict: what it takes for that leaves nothing to be deleted.
func unknownSnapshot(message string) bool {
	return strings.Contains(message, "code = NotFound") ||
		strings.Contains(message, "can not find snapshot for snapshotID") // the sidecar, when the driver lists nothing
}
