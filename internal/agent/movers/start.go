package movers

import (
	"context"
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// start makes the Secret and the Job, or finds them. A Job on its way out must
// be gone first: its pod would not come to its end.
func (m *Movers) start(ctx context.Context, work Work) error {
	pod, err := m.Pod(ctx)
	if err != nil {
		return err
	}
	if err := m.order(ctx, work); err != nil {
		return err
	}
	for {
		err := m.Client.Create(ctx, m.job(work, pod))
		if !apierrors.IsAlreadyExists(err) {
			return describe("create Job", err)
		}
		job := &batchv1.Job{}
		err = m.Client.Get(ctx, m.key(work), job)
		if err == nil && job.DeletionTimestamp == nil {
			return nil
		}
		if client.IgnoreNotFound(err) != nil {
			return describe("find Job", err)
		}
		if err := m.pause(ctx); err != nil {
			return err
		}
	}
}

// order writes the Secret with the order and a grant that is fresh.
func (m *Movers) order(ctx context.Context, work Work) error {
	fresh := work.Grant()
	work.Order.Repository.Gate = &fresh
	raw, err := json.Marshal(work.Order)
	if err != nil {
		return fmt.Errorf("encode order: %w", err)
	}
	secret := &corev1.Secret{ObjectMeta: m.meta(work), Data: map[string][]byte{orderKey: raw}}
	err = m.Client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		err = m.Client.Update(ctx, secret)
	}
	return describe("put order", err)
}

// drop deletes a Job that has no report to give; start waits until it is gone.
func (m *Movers) drop(ctx context.Context, job *batchv1.Job) error {
	err := m.Client.Delete(ctx, job, client.Preconditions{UID: &job.UID}, client.PropagationPolicy(metav1.DeletePropagationForeground))
	return describe("delete Job", client.IgnoreNotFound(err))
}

func (m *Movers) meta(work Work) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: work.Name, Labels: map[string]string{v1alpha1.LabelOperation: work.Operation}}
}

func (m *Movers) key(work Work) types.NamespacedName {
	return types.NamespacedName{Namespace: m.Namespace, Name: work.Name}
}

func describe(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
