package runs

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

const (
	sweepEvery = time.Hour
	// keepFinished is how long a run that ended is kept for a service that did
	// not take its result yet.
	keepFinished = 24 * time.Hour
	// keepOrphan is how long a grant Secret may be without a run at work.
	keepOrphan = time.Hour
)

// SweepForever removes leftovers now and every hour until ctx ends.
func (h *Handler) SweepForever(ctx context.Context) error {
	for {
		if err := h.Sweep(ctx); err != nil && ctx.Err() == nil {
			h.Log.WarnContext(ctx, "sweep failed, will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sweepEvery):
		}
	}
}

// Sweep removes runs that ended more than a day ago, and grant Secrets older
// than an hour that no run at work needs: what a crash between two writes leaves
// behind.
func (h *Handler) Sweep(ctx context.Context) error {
	return errors.Join(h.sweepRuns(ctx), h.sweepSecrets(ctx))
}

func (h *Handler) sweepRuns(ctx context.Context) error {
	runs, err := h.list(ctx)
	if err != nil {
		return err
	}
	for _, r := range runs {
		ended := r.status.FinishedAt
		if !r.status.Phase.Final() || ended == nil || h.Clock.Now().Sub(ended.Time) < keepFinished {
			continue
		}
		err = errors.Join(err, h.remove(ctx, r.object))
	}
	return err
}

func (h *Handler) sweepSecrets(ctx context.Context) error {
	runs, err := h.list(ctx)
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, r := range runs {
		needed[r.object.GetName()] = !r.status.Phase.Final()
	}
	var secrets metav1.PartialObjectMetadataList
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	err = h.Client.List(ctx, &secrets, client.InNamespace(h.Namespace), client.HasLabels{v1alpha1.LabelOperation})
	if err != nil {
		return fmt.Errorf("list grant Secrets: %w", err)
	}
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if needed[secret.Name] || h.Clock.Now().Sub(secret.CreationTimestamp.Time) < keepOrphan {
			continue
		}
		err = errors.Join(err, client.IgnoreNotFound(h.Client.Delete(ctx, secret)))
	}
	return err
}

// list returns the runs of every kind.
func (h *Handler) list(ctx context.Context) ([]run, error) {
	var (
		backups   v1alpha1.BackupRunList
		restores  v1alpha1.RestoreRunList
		deletions v1alpha1.RecoveryPointDeletionList
		copies    v1alpha1.VaultRunList
		found     []run
	)
	for _, list := range []client.ObjectList{&backups, &restores, &deletions, &copies} {
		if err := h.Client.List(ctx, list, client.InNamespace(h.Namespace)); err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("list runs: %w", err)
		}
	}
	for i := range backups.Items {
		found = append(found, run{object: &backups.Items[i], status: &backups.Items[i].Status.RunStatus})
	}
	for i := range restores.Items {
		found = append(found, run{object: &restores.Items[i], status: &restores.Items[i].Status.RunStatus})
	}
	for i := range deletions.Items {
		found = append(found, run{object: &deletions.Items[i], status: &deletions.Items[i].Status.RunStatus})
	}
	for i := range copies.Items {
		found = append(found, run{object: &copies.Items[i], status: &copies.Items[i].Status.RunStatus})
	}
	return found, nil
}
