package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/mover"
	"holdfast.dev/holdfast/internal/agent/movers"
	"holdfast.dev/holdfast/internal/agent/restore"
	"holdfast.dev/holdfast/internal/objstore/gate"
)

// loader brings the data of streams into the volumes of claims. A mover writes
// to a helper claim in the extension's namespace that is a block device; then
// the volume behind it is handed over: a persistent volume with the same handle
// is made for the target claim, and the helper's is forgotten.
//
//	helper claim ── mover ── volume handle ──> persistent volume for the target claim
type loader struct {
	*worker
	operation string // v1alpha1.RunName
	grant     agentv1.RepositoryGrant
	gate      *gate.Store
	point     string // recovery point
}

// VolumeName is the name of the persistent volume of a claim.
func (l *loader) VolumeName(claim restore.Ref) string {
	sum := sha256.Sum256([]byte(l.operation + "\x00" + claim.Namespace + "\x00" + claim.Name))
	return "holdfast-" + hex.EncodeToString(sum[:10])
}

// Load fills a volume and hands it over. Whatever was done before is found.
func (l *loader) Load(ctx context.Context, load restore.Load, report func(agentv1.Progress)) error {
	target := &corev1.PersistentVolumeClaim{}
	key := types.NamespacedName{Namespace: load.Claim.Namespace, Name: load.Claim.Name}
	if err := l.client.Get(ctx, key, target); err != nil {
		return fmt.Errorf("read claim %s: %w", key, err)
	}
	name := movers.Name("load", l.operation, key.Namespace, key.Name)
	made, err := l.volume(ctx, l.VolumeName(load.Claim))
	if err != nil {
		return err
	}
	if made == nil {
		if err := l.move(ctx, name, load, target, report); err != nil {
			return fmt.Errorf("load the data of %s: %w", key, err)
		}
	}
	return l.handOver(ctx, name, load, target)
}

// move lets a mover write the stream to a helper claim of the target's class.
func (l *loader) move(ctx context.Context, name string, load restore.Load, target *corev1.PersistentVolumeClaim, report func(agentv1.Progress)) error {
	if target.Spec.StorageClassName == nil {
		return fmt.Errorf("the claim names no storage class")
	}
	size := target.Spec.Resources.Requests[corev1.ResourceStorage]
	helper := blockClaim(l.options.Namespace, name, l.operation, *target.Spec.StorageClassName,
		max(size.Value(), load.Volume.SizeBytes, load.Volume.RestoreSizeBytes))
	if err := l.client.Create(ctx, helper); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	moved, err := l.movers.Run(ctx, movers.Work{
		Operation: l.operation, Name: name, Claim: name, Node: load.Node, Deadline: remaining(ctx, l.options.Clock), Grant: l.gate.Grant,
		Order: mover.Order{Task: mover.Load, Repository: l.grant, RecoveryPoint: l.point, Stream: load.Volume.Stream, Device: movers.Device},
	}, report)
	if err == nil {
		report(agentv1.Progress{BytesDone: moved.BytesRead, BytesTotal: moved.BytesRead})
	}
	return err
}

// volume returns a persistent volume, or nil when there is none.
func (l *loader) volume(ctx context.Context, name string) (*corev1.PersistentVolume, error) {
	found := &corev1.PersistentVolume{}
	err := l.client.Get(ctx, types.NamespacedName{Name: name}, found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read volume %s: %w", name, err)
	}
	return found, nil
}
