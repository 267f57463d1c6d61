package workflow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// What lies in the store of a region's replicas, and restores from there.
//
//	replicated/VAULT/INSTANCE    that there is a repository, so that nobody has to
//	                             list packs to find it; written first, deleted last
//	vaults/VAULT/INSTANCE/...    the repository, under the names it has in the vault

// ReplicaMarks is the prefix of the objects that say which repositories there are
// in a store of replicas.
const ReplicaMarks = "replicated/"

// PrefixOfMark returns the prefix of the repository that a mark is of; ok is false
// when the object is no mark.
func PrefixOfMark(name string) (prefix string, ok bool) {
	rest, ok := strings.CutPrefix(name, ReplicaMarks)
	return "vaults/" + rest + "/", ok && strings.Count(rest, "/") == 1
}

func markOf(prefix string) string {
	return ReplicaMarks + strings.TrimSuffix(strings.TrimPrefix(prefix, "vaults/"), "/")
}

// ReplicaStore is what gate grants call the store of a region's replicas.
func ReplicaStore(region string) string { return "replicas of " + region }

// storeAt is the store that a repository lies in.
func (w *Workflow) storeAt(at *backup.VaultedPoint) (objstore.Store, error) {
	if at.Region == "" {
		return w.Vaults, nil
	}
	return w.replicas(at.Region)
}

// replicas is the store of a region's replicas; a *backup.Problem when this service
// has none.
func (w *Workflow) replicas(region string) (objstore.Store, error) {
	store, ok := w.Replicas[region]
	if !ok {
		return nil, backup.NewProblem(backup.CodeVaultStoreUnreachable, region, "this service has no store of replicas in region %s", region)
	}
	return store, nil
}

// openReplica opens the repository of an instance in the paired region, and makes
// it first where there is none: its mark, the wrapped form of its key, itself.
func (w *Workflow) openReplica(ctx context.Context, at *backup.VaultedPoint) (*repo.Repository, error) {
	bucket, err := w.replicas(at.Region)
	if err != nil {
		return nil, err
	}
	if _, tried := w.triedReplicas.Load(at.Region); !tried {
		if err := objstore.CheckPromises(ctx, bucket); err != nil {
			return nil, err
		}
		w.triedReplicas.Store(at.Region, true)
	}
	key, err := w.vaultKey(ctx, at.KeyName)
	if err != nil {
		return nil, err
	}
	err = bucket.Put(ctx, markOf(at.Prefix), strings.NewReader("{}\n"), 3)
	if err != nil && !errors.Is(err, objstore.ErrExists) {
		return nil, fmt.Errorf("mark the replica of %s: %w", at.InstanceID, err)
	}
	store := objstore.Sub(bucket, at.Prefix)
	if err := w.Keys.Publish(ctx, at.KeyName, store); err != nil {
		return nil, err
	}
	id, _ := VaultKeyUID(at.KeyName)
	if err := repo.Create(ctx, store, key, repo.CreateOptions{ID: id}); err != nil {
		return nil, err
	}
	return repo.Open(ctx, store, key)
}

// forgetReplicas removes the record of an instance's replicas, and asks for their
// data to be deleted.
func (t *turn) forgetReplicas(instanceID string, at *backup.VaultedPoint) error {
	all, err := inventory.Replicas.Below(t.tx, instanceID)
	if err != nil {
		return err
	}
	care, err := inventory.CareOf(t.tx, instanceID)
	if err != nil {
		return err
	}
	regions := map[string]bool{}
	for _, left := range care.LeftRegions {
		regions[left] = true
	}
	for i := range all {
		regions[all[i].Region] = true
		if err := inventory.Replicas.Delete(t.tx, all[i].ID); err != nil {
			return err
		}
	}
	for region := range regions {
		there := *at
		there.Region = region
		if err := inventory.Enqueue(t.tx, backup.Work{Kind: backup.WorkPurge, Subject: at.Prefix + " in " + region, Vaulted: &there}); err != nil {
			return err
		}
	}
	return nil
}

// beingReplicated says whether a recovery point is on its way into the paired region.
func (w *Workflow) beingReplicated(ctx context.Context, instanceID, point string) (yes bool, err error) {
	err = w.Store.View(ctx, func(tx catalog.Tx) error {
		r, err := inventory.Replicas.Get(tx, instanceID+"/recoveryPoints/"+point)
		yes = err == nil && r.Done.IsZero()
		return gone(err)
	})
	return yes, err
}

// sourceOf reads the instance that a restore is of; on a cross region restore it is
// known from the replicas alone.
func (t *turn) sourceOf(instanceID string, request *backup.RestoreRequest) (instance *backup.Instance, err error) {
	if request.Region == "" {
		instance, err = inventory.Instances.Get(t.tx, instanceID)
	} else {
		instance, err = inventory.SecondaryInstances.Get(t.tx, instanceID)
	}
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, backup.NewProblem(backup.CodeResourceNotFound, instanceID, "instance %s does not exist any more", instanceID)
	}
	return instance, err
}

// preflightReplica asks for everything that stands in the way of a cross region
// restore. Nothing is asked of the first region.
func (w *Workflow) preflightReplica(ctx context.Context, instanceID string, request *backup.RestoreRequest) error {
	var instance *backup.Instance
	err := w.Store.View(ctx, func(tx catalog.Tx) (err error) {
		if instance, err = (&turn{tx: tx}).sourceOf(instanceID, request); err != nil {
			return err
		}
		vault, err := inventory.SecondaryVaults.Get(tx, instance.VaultID())
		if err != nil {
			return err
		}
		vault.Location = request.Region // that is where it acts now
		there := *instance
		there.Datasource.ID = request.Target.ID
		facts, err := inventory.GatherSecondaryFacts(tx, &there, vault, w.Clock.Now(), forVaultRestore.needs)
		if err != nil {
			return err
		}
		if found := forVaultRestore.stands(&there, facts); len(found) > 0 {
			return &found[0]
		}
		return nil
	})
	if errors.Is(err, catalog.ErrNotFound) {
		return backup.NewProblem(backup.CodeResourceNotFound, instanceID, "nothing of the vault of %s is in region %s (any more)", instanceID, request.Region)
	}
	if err != nil {
		return err
	}
	if err := w.preflightStaging(ctx, instance, request); err != nil {
		return err
	}
	bucket, err := w.replicas(request.Region)
	if err != nil {
		return err
	}
	store, err := w.probeIn(ctx, bucket, instance, request)
	if err != nil {
		return err
	}
	_, err = w.replicaKey(ctx, request.Region, store.Prefix, vaultKeyName(instance.UID))
	if KeyRefused(err) {
		return backup.NewProblem(backup.CodeReplicaKeyRefused, instanceID, "the replica of instance %s in %s cannot be read: %v", instanceID, request.Region, err)
	}
	return err
}

// KeyRefused says that an error means keys that are not those of what is to be read.
func KeyRefused(err error) bool {
	return errors.Is(err, keys.ErrUnwrap) || errors.Is(err, keys.ErrDenied) || errors.Is(err, repo.ErrWrongKey)
}

// probeIn makes sure that a recovery point can be read from a store, before a
// cluster is asked to, and returns where it lies.
func (w *Workflow) probeIn(ctx context.Context, bucket objstore.Store, i *backup.Instance, request *backup.RestoreRequest) (store backup.RecoveryStore, err error) {
	id, err := layout.ParseID(request.RecoveryPointID)
	if err != nil {
		return store, backup.Invalid("recoveryPointId", "%v", err)
	}
	err = w.Store.View(ctx, func(tx catalog.Tx) (err error) {
		store, err = (&turn{tx: tx}).storeOf(i, request)
		return err
	})
	if err != nil {
		return store, err
	}
	_, err = bucket.Stat(ctx, store.Prefix+layout.Manifest(id))
	if errors.Is(err, objstore.ErrNotFound) {
		return store, backup.NewProblem(backup.CodeResourceNotFound, i.ID+"/recoveryPoints/"+request.RecoveryPointID,
			"recovery point %s is missing in the store of the vaults", request.RecoveryPointID)
	}
	return store, w.vaultUnreachable(ctx, err)
}

// replicaKey is the data key of a repository among the replicas, out of its wrapped
// forms that lie there: the catalog need not know it. It must stay in memory.
func (w *Workflow) replicaKey(ctx context.Context, region, prefix, name string) ([]byte, error) {
	bucket, err := w.replicas(region)
	if err != nil {
		return nil, err
	}
	return w.Keys.Recover(ctx, name, objstore.Sub(bucket, prefix))
}
