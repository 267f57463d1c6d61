package workflow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// What the service itself does in the vault's store, which it owns: make
// repositories, end recovery points, and remove what is left of instances.

// vaultKeyName names the data key of an instance's repository in the vault; that
// of the operational tier is another one.
func vaultKeyName(uid string) string { return vaultKeyPrefix + uid }

const vaultKeyPrefix = "vault-"

// VaultKeyUID returns the UID of the instance whose repository in the vault a key
// is of.
func VaultKeyUID(keyName string) (uid string, ok bool) {
	return strings.CutPrefix(keyName, vaultKeyPrefix)
}

// vaultOf says where an instance's repository lies in the vault's store. Its id
// is the instance's UID.
func vaultOf(tx catalog.Tx, i *backup.Instance) (*backup.VaultedPoint, error) {
	vault, err := inventory.Vaults.Get(tx, i.VaultID())
	if err != nil {
		return nil, err
	}
	return &backup.VaultedPoint{InstanceID: i.ID, KeyName: vaultKeyName(i.UID), Prefix: VaultPrefix(vault, i.UID)}, nil
}

// VaultPrefix is where the repository of an instance lies in the vault's store.
func VaultPrefix(vault *backup.Vault, uid string) string {
	id := vault.UID
	if id == "" { // made before vaults had one
		id = agentops.NewID("vault", backup.Key(vault.ID))
	}
	return "vaults/" + id + "/" + uid + "/"
}

// makeVaulted makes the repository of an instance in the vault, its data key
// and, beside its data, the wrapped form of the key. What is wrong with the store
// is a *backup.Problem.
func (w *Workflow) makeVaulted(ctx context.Context, at *backup.VaultedPoint) error {
	if _, err := w.Keys.Ensure(ctx, at.KeyName); err != nil {
		return err
	}
	key, err := w.vaultKey(ctx, at.KeyName)
	if err != nil {
		return err
	}
	if err := w.trust(ctx); err != nil {
		return w.vaultUnreachable(ctx, err)
	}
	store := objstore.Sub(w.Vaults, at.Prefix)
	if err := w.Keys.Publish(ctx, at.KeyName, store); err != nil {
		return w.vaultUnreachable(ctx, err)
	}
	id := at.KeyName[len(vaultKeyName("")):]
	return w.vaultUnreachable(ctx, repo.Create(ctx, store, key, repo.CreateOptions{ID: id}))
}

// trust tries the store, once, before anything is entrusted to it.
func (w *Workflow) trust(ctx context.Context) error {
	if w.trusted.Load() {
		return nil
	}
	err := objstore.CheckPromises(ctx, w.Vaults)
	w.trusted.Store(err == nil)
	return err
}

func (w *Workflow) vaultKey(ctx context.Context, name string) (repo.Key, error) {
	raw, err := w.Keys.Key(ctx, name)
	if err != nil {
		return repo.Key{}, err
	}
	return repo.ParseKey(raw)
}

// vaultUnreachable makes a problem of an error of the vault's store. The end of
// the context is not the store's fault and stays an error.
func (w *Workflow) vaultUnreachable(ctx context.Context, err error) error {
	if err == nil || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	w.Log.Warn("the store of the vaults cannot be used", "error", err)
	problem := backup.NewProblem(backup.CodeVaultStoreUnreachable, "", "the store of the vaults cannot be used: %v", err)
	for _, hopeless := range []error{repo.ErrWrongKey, repo.ErrConflict, repo.ErrVersion, repo.ErrDamaged, objstore.ErrUnsafe} {
		problem.Retryable = problem.Retryable && !errors.Is(err, hopeless)
	}
	return problem
}

// openVaulted opens a repository in the vault. repo.ErrNoRepository or
// catalog.ErrNotFound when there is none, or its key is gone.
func (w *Workflow) openVaulted(ctx context.Context, at *backup.VaultedPoint) (*repo.Repository, error) {
	key, err := w.vaultKey(ctx, at.KeyName)
	if err != nil {
		return nil, err
	}
	bucket, err := w.storeAt(at)
	if err != nil {
		return nil, err
	}
	return repo.Open(ctx, objstore.Sub(bucket, at.Prefix), key)
}

// enqueueUnvault asks that the recovery point of a job neither stays in the
// vault nor gets there, whatever a mover that was given up still does.
func (t *turn) enqueueUnvault(job *backup.Job) error {
	instance, err := inventory.Instances.Get(t.tx, job.InstanceID)
	if err != nil {
		return gone(err) // with the instance went its repository
	}
	at, err := vaultOf(t.tx, instance)
	if err != nil {
		return gone(err)
	}
	at.RecoveryPointID = job.RecoveryPointID
	return inventory.Enqueue(t.tx, backup.Work{Kind: backup.WorkUnvault,
		Subject: job.InstanceID + "/recoveryPoints/" + job.RecoveryPointID, Vaulted: at})
}

// unvault ends a recovery point in the vault that the catalog does not have
// there (any more), and makes its id void. No cluster is needed.
func (w *Workflow) unvault(ctx context.Context, work backup.Work) (jobs.Result, error) {
	known, err := w.entered(ctx, work)
	if err != nil || known {
		return jobs.Done(), err
	}
	repository, err := w.openVaulted(ctx, work.Vaulted)
	if errors.Is(err, repo.ErrNoRepository) || errors.Is(err, catalog.ErrNotFound) {
		return jobs.Done(), nil // never made, or gone with its instance
	}
	if err != nil {
		return jobs.Result{}, err
	}
	defer func() { _ = repository.Close() }() // nothing was written through it
	if err := makeVoid(ctx, repository, work.Vaulted.RecoveryPointID); err != nil {
		return jobs.Result{}, fmt.Errorf("%s of %s: %w", work.Kind, work.Vaulted.InstanceID, err)
	}
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		return jobs.Done(), t.enqueueCollect(work.Vaulted.InstanceID)
	})
}

// makeVoid deletes a recovery point, if it was written to its end, and takes its
// name.
func makeVoid(ctx context.Context, repository *repo.Repository, id string) error {
	err := repository.Void(ctx, id)
	if !errors.Is(err, repo.ErrConflict) {
		return err
	}
	if err := repository.DeleteManifest(ctx, id); err != nil {
		return err
	}
	return repository.Void(ctx, id)
}

// entered says whether the catalog has the recovery point in the vault.
func (w *Workflow) entered(ctx context.Context, work backup.Work) (known bool, err error) {
	err = w.Store.View(ctx, func(tx catalog.Tx) error {
		point, err := inventory.RecoveryPoints.Get(tx, work.Subject)
		if err == nil {
			_, known = point.Store(backup.TierVault)
		}
		return gone(err)
	})
	return known, err
}

const (
	purgeBatch = 500         // objects in one step
	purgeAgain = time.Minute // until a look that finds nothing: what was on its way has arrived
	// purgeElsewhere is the pause while a region has no store here: it may never have
	// one again.
	purgeElsewhere = 24 * time.Hour
)

// purge deletes everything of a repository whose instance is gone: first the
// wrapped key, without which the rest cannot be read.
func (w *Workflow) purge(ctx context.Context, work backup.Work) (jobs.Result, error) {
	result, err := w.purgeAt(ctx, work)
	if err != nil {
		return result, fmt.Errorf("purge %s: %w", work.Subject, err)
	}
	return result, nil
}

func (w *Workflow) purgeAt(ctx context.Context, work backup.Work) (jobs.Result, error) {
	at := work.Vaulted
	if at == nil {
		return w.purgeIn(ctx, objstore.Sub(w.Vaults, work.Subject))
	}
	bucket, known := w.Replicas[at.Region]
	if !known {
		w.Log.Warn("what was replicated is not removed: this service has no store of replicas in its region", "instance", at.InstanceID, "region", at.Region, "prefix", at.Prefix)
		return jobs.Again(purgeElsewhere), nil
	}
	release, ok := w.claim(ctx, &w.replicating, replica(at.InstanceID), math.MaxInt)
	if !ok {
		return jobs.Again(purgeAgain), nil
	}
	defer release()
	return w.emptyReplica(ctx, bucket, at.Prefix)
}

func (w *Workflow) purgeIn(ctx context.Context, store objstore.Store) (jobs.Result, error) {
	for _, prefix := range []string{layout.Keys, layout.Manifests, ""} {
		found, err := someOf(ctx, store, prefix)
		if err != nil {
			return jobs.Result{}, err
		}
		for _, name := range found {
			if err := store.Delete(ctx, name); err != nil {
				return jobs.Result{}, err
			}
		}
		switch {
		case len(found) == purgeBatch:
			return jobs.Again(0), nil
		case len(found) > 0 && prefix == "":
			return jobs.Again(purgeAgain), nil
		}
	}
	return jobs.Done(), nil
}

// someOf lists up to purgeBatch objects.
func someOf(ctx context.Context, store objstore.Store, prefix string) ([]string, error) {
	var names []string
	for info, err := range store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list what is to be purged: %w", err)
		}
		if names = append(names, info.Name); len(names) == purgeBatch {
			break
		}
	}
	return names, nil
}
