package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

const (
	snapshotGroup    = "snapshot.storage.k8s.io"
	snapshotResource = "volumesnapshots"
	contentResource  = "volumesnapshotcontents"
)

// helperName is the same for every attempt of an operation. It is the name of
// both helpers of one claim.
func helperName(operation string, claim Ref) string {
	sum := sha256.Sum256([]byte(operation + "\x00" + claim.Namespace + "\x00" + claim.Name))
	return "holdfast-" + hex.EncodeToString(sum[:10])
}

func helpers(operation string, item *Item) (content, snapshot Ref) {
	name := helperName(operation, item.Target)
	content = Ref{Group: snapshotGroup, Version: "v1", Kind: "VolumeSnapshotContent", Name: name}
	snapshot = Ref{Group: snapshotGroup, Version: "v1", Kind: "VolumeSnapshot", Namespace: item.Target.Namespace, Name: name}
	return content, snapshot
}

// makeHelpers creates the two helpers of a claim. They carry our label and
// none of the claim's: a GitOps controller would delete what bears its own.
func (w *work) makeHelpers(ctx context.Context, item *Item) error {
	content, snapshot := helpers(w.run.ID, item)
	labels := map[string]any{v1alpha1.LabelOperation: v1alpha1.RunName(w.run.ID)}
	spec := map[string]any{
		"deletionPolicy":    "Retain",
		"driver":            item.Fill.Driver,
		"source":            map[string]any{"snapshotHandle": item.Fill.SnapshotHandle},
		"volumeSnapshotRef": map[string]any{"name": snapshot.Name, "namespace": snapshot.Namespace},
	}
	if item.Fill.VolumeMode != "" {
		spec["sourceVolumeMode"] = item.Fill.VolumeMode
	}
	if _, err := w.cluster.create(ctx, content, contentResource, helperBody(content, labels, spec)); ignoreExists(err) != nil {
		return err
	}
	spec = map[string]any{"source": map[string]any{"volumeSnapshotContentName": content.Name}}
	_, err := w.cluster.create(ctx, snapshot, snapshotResource, helperBody(snapshot, labels, spec))
	return ignoreExists(err)
}

func helperBody(ref Ref, labels, spec map[string]any) map[string]any {
	meta := map[string]any{"name": ref.Name, "labels": labels}
	if ref.Namespace != "" {
		meta["namespace"] = ref.Namespace
	}
	return map[string]any{"apiVersion": ref.Group + "/" + ref.Version, "kind": ref.Kind, "metadata": meta, "spec": spec}
}

func (w *work) removeHelpers(ctx context.Context, item *Item) error {
	content, snapshot := helpers(w.run.ID, item)
	return errors.Join(w.cluster.remove(ctx, snapshot, snapshotResource), w.cluster.remove(ctx, content, contentResource))
}

// cleanHelpers removes every helper of an operation and waits until they are
// gone: snapshots first, their contents after them.
func (r *Restorer) cleanHelpers(ctx context.Context, operation string) error {
	left := ""
	gone, err := r.until(ctx, r.patience.Helpers, func(ctx context.Context) (bool, error) {
		left = ""
		for _, resource := range []string{snapshotResource, contentResource} {
			name, err := r.removeLabelled(ctx, resource, operation)
			if err != nil {
				return false, err
			}
			if name != "" {
				left = resource + " " + name
			}
		}
		return left == "", nil
	})
	if err != nil {
		return fmt.Errorf("remove helper snapshots: %w", err)
	}
	if !gone {
		return fmt.Errorf("remove helper snapshots: %s was still there after %s", left, r.patience.Helpers)
	}
	return nil
}

// removeLabelled deletes what carries the operation's label and names one that
// was there.
func (r *Restorer) removeLabelled(ctx context.Context, resource, operation string) (string, error) {
	gvr := schema.GroupVersionResource{Group: snapshotGroup, Version: "v1", Resource: resource}
	found, err := r.cluster.metadata.Resource(gvr).List(ctx, metav1.ListOptions{
		LabelSelector: v1alpha1.LabelOperation + "=" + v1alpha1.RunName(operation)})
	if isGone(err) {
		return "", nil // the cluster has no snapshots at all
	}
	if err != nil {
		return "", fmt.Errorf("list %s: %w", resource, err)
	}
	name := ""
	for _, item := range found.Items {
		name = item.Name
		if item.DeletionTimestamp != nil {
			continue
		}
		ref := Ref{Group: snapshotGroup, Version: "v1", Kind: resource, Namespace: item.Namespace, Name: item.Name}
		if err := r.cluster.remove(ctx, ref, resource); err != nil {
			return "", err
		}
	}
	return name, nil
}
