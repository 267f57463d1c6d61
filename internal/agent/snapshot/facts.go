package snapshot

import (
	"context"
	"fmt"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// pageSize is how many claims or volumes one request asks for.
const pageSize = 500

// Gather reads what a plan for the claims of some namespaces needs. A cluster
// without the snapshot definitions has no classes.
func Gather(ctx context.Context, c client.Reader, namespaces []string, selector labels.Selector) (Facts, error) {
	var facts Facts
	named := map[string]bool{}
	for _, namespace := range namespaces {
		list := &corev1.PersistentVolumeClaimList{}
		err := pages(ctx, c, list, func() {
			facts.Claims = append(facts.Claims, list.Items...)
		}, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector})
		if err != nil {
			return facts, fmt.Errorf("list claims of namespace %s: %w", namespace, err)
		}
	}
	for _, claim := range facts.Claims {
		named[claim.Spec.VolumeName] = true
	}
	volumes := &corev1.PersistentVolumeList{}
	err := pages(ctx, c, volumes, func() {
		for _, v := range volumes.Items {
			if named[v.Name] {
				facts.Volumes = append(facts.Volumes, v)
			}
		}
	})
	if err != nil {
		return facts, fmt.Errorf("list volumes: %w", err)
	}
	facts.Classes, err = classes(ctx, c)
	return facts, err
}

func classes(ctx context.Context, c client.Reader) ([]snapshotv1.VolumeSnapshotClass, error) {
	list := &snapshotv1.VolumeSnapshotClassList{}
	err := c.List(ctx, list)
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list volume snapshot classes: %w", err)
	}
	return list.Items, nil
}

// pages lists page by page into list and calls take after each.
func pages(ctx context.Context, c client.Reader, list client.ObjectList, take func(), options ...client.ListOption) error {
	next := ""
	for {
		err := c.List(ctx, list, append(options, client.Limit(pageSize), client.Continue(next))...)
		if err != nil {
			return err
		}
		take()
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}
