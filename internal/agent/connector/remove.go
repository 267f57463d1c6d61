package connector

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// runKinds are the kinds of run objects.
var runKinds = []string{"backupruns", "restoreruns", "recoverypointdeletions", "vaultruns"}

// removal is the ordered list of steps of an uninstall. Runs end while their
// controller still lives to clean up after them.
func (o *Operator) removal() []step {
	return []step{o.endRuns, o.uninstall, o.gone}
}

// endRuns deletes every run and waits until they are gone; with force it does
// not wait for the controller to clean up.
func (o *Operator) endRuns(ctx context.Context, j *job) error {
	left := 0
	for _, kind := range runKinds {
		runs := o.Dynamic.Resource(schema.GroupVersionResource{
			Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Resource: kind,
		}).Namespace(o.Namespace)
		list, err := runs.List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", kind, err)
		}
		for _, run := range list.Items {
			left++
			if err := runs.Delete(ctx, run.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete run %s: %w", run.GetName(), err)
			}
			if !j.extension.Spec.Force || len(run.GetFinalizers()) == 0 {
				continue
			}
			patch := []byte(`{"metadata":{"finalizers":null}}`)
			if _, err := runs.Patch(ctx, run.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("release run %s: %w", run.GetName(), err)
			}
		}
	}
	if left > 0 {
		j.status.Message = fmt.Sprintf("Waiting for %d runs to end.", left)
		return errWait
	}
	return nil
}

func (o *Operator) uninstall(ctx context.Context, j *job) error {
	j.status.Version = ""
	return o.Chart.Remove(ctx)
}

// gone waits until the extension's pods are gone; with force it does not.
func (o *Operator) gone(ctx context.Context, j *job) error {
	if j.extension.Spec.Force {
		return nil
	}
	pods, err := o.Typed.CoreV1().Pods(o.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/part-of=holdfast"})
	if err != nil {
		return fmt.Errorf("list pods in %s: %w", o.Namespace, err)
	}
	if len(pods.Items) > 0 {
		j.status.Message = fmt.Sprintf("Waiting for %d pods to end.", len(pods.Items))
		return errWait
	}
	return nil
}

func lower(phase v1alpha1.ExtensionPhase) string { return strings.ToLower(string(phase)) }
