package movers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// Clean removes the Jobs, pods, orders and claims of an operation, and waits
// until they are gone, so that the volumes of claims may be removed next. What
// is not there is no error.
func (m *Movers) Clean(ctx context.Context, operation string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		left, err := m.cleanOnce(ctx, operation)
		if left == 0 && err == nil {
			m.forget(operation)
			return nil
		}
		select {
		case <-time.After(m.poll()):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%d helper objects of %s are still there after %s", left, operation, patience), err)
		}
	}
}

// Leaving says whether something of an operation is on its way out: an attempt
// was interrupted while it cleaned up. Clean must end that before Run can rely
// on what it finds.
func (m *Movers) Leaving(ctx context.Context, operation string) (bool, error) {
	leaving := false
	for _, list := range []client.ObjectList{&batchv1.JobList{}, &corev1.SecretList{}, &corev1.PersistentVolumeClaimList{}} {
		err := m.Client.List(ctx, list, client.InNamespace(m.Namespace), client.MatchingLabels{v1alpha1.LabelOperation: operation})
		if err != nil {
			return false, fmt.Errorf("list helper objects: %w", err)
		}
		err = meta.EachListItem(list, func(o runtime.Object) error {
			object, err := meta.Accessor(o)
			leaving = leaving || err == nil && object.GetDeletionTimestamp() != nil
			return err
		})
		if err != nil {
			return false, err
		}
	}
	return leaving, nil
}

// Operations names those that have Jobs, claims or volumes here made before the
// given time.
func (m *Movers) Operations(ctx context.Context, before time.Time) ([]string, error) {
	var names []string
	for _, list := range []client.ObjectList{&batchv1.JobList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeList{}} {
		options := []client.ListOption{client.HasLabels{v1alpha1.LabelOperation}}
		if _, wide := list.(*corev1.PersistentVolumeList); !wide {
			options = append(options, client.InNamespace(m.Namespace))
		}
		if err := m.Client.List(ctx, list, options...); err != nil {
			return nil, fmt.Errorf("list helper objects: %w", err)
		}
		err := meta.EachListItem(list, func(o runtime.Object) error {
			object, err := meta.Accessor(o)
			if err == nil && object.GetCreationTimestamp().Time.Before(before) {
				names = append(names, object.GetLabels()[v1alpha1.LabelOperation])
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// cleanOnce asks for the end of everything and counts what is left. A claim
// goes only after the pods that use it.
func (m *Movers) cleanOnce(ctx context.Context, operation string) (int, error) {
	left := 0
	var failed error
	for _, list := range []client.ObjectList{&batchv1.JobList{}, &corev1.SecretList{}, &corev1.PersistentVolumeClaimList{}} {
		err := m.Client.List(ctx, list, client.InNamespace(m.Namespace), client.MatchingLabels{v1alpha1.LabelOperation: operation})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("list helper objects: %w", err))
			continue
		}
		objects, err := meta.ExtractList(list)
		failed = errors.Join(failed, err)
		for _, o := range objects {
			object, ok := o.(client.Object)
			if !ok || object.GetName() == operation { // the run's own grant
				continue
			}
			left++
			if object.GetDeletionTimestamp() == nil {
				err := m.Client.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationForeground))
				failed = errors.Join(failed, client.IgnoreNotFound(err))
			}
		}
	}
	return left, failed
}
