package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// ensureTimeout bounds how long the cluster's API may be away while a run is
// being created.
const ensureTimeout = 2 * time.Minute

// ensure creates the grant Secret and the run object, or finds them, and makes
// the run own the Secret. It tries again while the API does not answer.
func (h *Handler) ensure(ctx context.Context, r run, grant v1alpha1.Grant) error {
	ctx, cancel := context.WithTimeout(ctx, ensureTimeout)
	defer cancel()
	for {
		err := h.tryEnsure(ctx, r, grant)
		if err == nil || permanent(err) {
			return err
		}
		h.Log.WarnContext(ctx, "cannot create a run, will try again", "run", r.object.GetName(), "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(orDefault(h.Poll, defaultPoll)):
		}
	}
}

func (h *Handler) tryEnsure(ctx context.Context, r run, grant v1alpha1.Grant) error {
	secret, err := h.grantSecret(ctx, r, grant)
	if err != nil {
		return err
	}
	created := r.object.DeepCopyObject().(client.Object)
	if err := h.Client.Create(ctx, created); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create run %s: %w", r.object.GetName(), err)
	} else if err != nil {
		if err := h.Client.Get(ctx, client.ObjectKeyFromObject(r.object), created); err != nil {
			return fmt.Errorf("read run %s: %w", r.object.GetName(), err)
		}
	}
	if err := controllerutil.SetOwnerReference(created, secret, h.Client.Scheme()); err != nil {
		return fmt.Errorf("own grant Secret %s: %w", secret.Name, err)
	}
	if err := h.Client.Update(ctx, secret); err != nil {
		return fmt.Errorf("own grant Secret %s: %w", secret.Name, err)
	}
	return nil
}

// grantSecret creates the Secret, or brings the data of the existing one up to
// date: a later delivery may carry a newer grant.
func (h *Handler) grantSecret(ctx context.Context, r run, grant v1alpha1.Grant) (*corev1.Secret, error) {
	raw, err := json.Marshal(grant)
	if err != nil {
		return nil, fmt.Errorf("encode grant: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: r.spec.GrantSecret, Namespace: r.object.GetNamespace(), Labels: r.object.GetLabels(),
		},
		Data: map[string][]byte{v1alpha1.GrantKey: raw},
	}
	err = h.Client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		if err = h.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret); err == nil {
			secret.Data = map[string][]byte{v1alpha1.GrantKey: raw}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("create grant Secret %s: %w", secret.Name, err)
	}
	return secret, nil
}

// remove deletes a run object and its grant Secret; absent ones are fine.
func (h *Handler) remove(ctx context.Context, object client.Object) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: object.GetName(), Namespace: object.GetNamespace()}}
	return errors.Join(
		client.IgnoreNotFound(h.Client.Delete(ctx, secret)),
		client.IgnoreNotFound(h.Client.Delete(ctx, object)),
	)
}

// permanent reports whether trying again cannot help.
func permanent(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err)
}
