package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/keys/byurl"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/workflow"
)

// keyProvider is the URL of what wraps keys: the file kek when nothing is said.
func (o Options) keyProvider() (string, error) {
	if o.KeyProvider != "" {
		return o.KeyProvider, nil
	}
	absolute, err := filepath.Abs(o.path("kek"))
	return "file://" + absolute, err
}

// keySet opens what wraps keys, and what did before. A key file that does not
// exist is made when create says so, but never an old one.
func (o Options) keySet(create bool) (set keys.Set, err error) {
	url, err := o.keyProvider()
	if err != nil {
		return set, err
	}
	if set.Current, err = byurl.Open(url, create); err != nil {
		return set, fmt.Errorf("key provider: %w", err)
	}
	for _, url := range o.OldKeyProviders {
		old, err := byurl.Open(url, false)
		if err != nil {
			return set, fmt.Errorf("old key provider: %w", err)
		}
		set.Old = append(set.Old, old)
	}
	return set, nil
}

// RotateKeys wraps everything anew with the key provider: the repository keys in
// the catalog, their forms in all buckets, and the secrets in documents. It may
// be cut off and repeated, and works beside a running service that has the same
// providers. With dry it only tells. Everything is tried; the error says what
// failed.
func RotateKeys(ctx context.Context, o Options, dry bool, report func(keys.Step)) error {
	d, err := openBeside(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(rotateKeys(ctx, o, d.store, dry, report), d.db.Close())
}

func rotateKeys(ctx context.Context, o Options, store catalog.Store, dry bool, report func(keys.Step)) error {
	set, err := o.keySet(!dry)
	if err != nil {
		return err
	}
	r := &rotation{Rotation: keys.Rotation{Store: store, Keys: set, Dry: dry, Report: report}, o: o, secrets: keys.NewSealer(set)}
	return errors.Join(r.repositories(ctx), r.accounts(ctx), r.extensions(ctx))
}

type rotation struct {
	keys.Rotation
	o       Options
	secrets *keys.Sealer
}

// keyPlace is a bucket that may hold repositories.
type keyPlace struct {
	name     string
	store    objstore.Store
	prefixes func(key string) []string // of the repositories of a key
}

func (r *rotation) repositories(ctx context.Context) error {
	places, err := r.places(ctx)
	failed := []error{err}
	for after := ""; ; {
		names, err := r.Names(ctx, after)
		if err != nil || len(names) == 0 {
			return errors.Join(append(failed, err)...)
		}
		for _, name := range names {
			failed = append(failed, r.Catalog(ctx, name))
			for _, place := range places {
				for _, prefix := range place.prefixes(name) {
					failed = append(failed, r.Bucket(ctx, place.name+" "+prefix, name, objstore.Sub(place.store, prefix)))
				}
			}
		}
		after = names[len(names)-1]
	}
}

// places opens every container and the store of the vaults. What cannot be
// opened is an error, beside the others.
func (r *rotation) places(ctx context.Context) (places []keyPlace, err error) {
	var accounts []backup.StorageAccount
	var containers []backup.Container
	var vaults []backup.Vault
	err = r.Store.View(ctx, func(tx catalog.Tx) (err error) {
		accounts, err = inventory.Accounts.Below(tx, "")
		if err == nil {
			containers, err = inventory.Containers.Below(tx, "")
		}
		if err == nil {
			vaults, err = inventory.Vaults.Below(tx, "")
		}
		return err
	})
	failed := []error{err}
	for i := range containers {
		for j := range accounts {
			if backup.Key(accounts[j].ID) != backup.Key(containers[i].AccountID()) {
				continue
			}
			store, err := r.container(ctx, &accounts[j], &containers[i])
			if err != nil {
				failed = append(failed, err)
				continue
			}
			places = append(places, keyPlace{containers[i].ID, store, operationalPrefixes})
		}
	}
	store, err := r.o.openVaults(ctx)
	if err != nil {
		return places, errors.Join(append(failed, err)...)
	}
	inVaults := func(key string) []string { return vaultPrefixes(vaults, key) }
	places = append(places, keyPlace{"vaults", store, inVaults})
	replicated, err := r.o.readRegions()
	failed = append(failed, err)
	for region, store := range replicated.open() {
		places = append(places, keyPlace{"replicas in " + region, store, inVaults})
	}
	return places, errors.Join(failed...)
}

func (r *rotation) container(ctx context.Context, account *backup.StorageAccount, container *backup.Container) (objstore.Store, error) {
	root, err := r.o.storageRoot()
	if err != nil {
		return nil, err
	}
	key, err := r.secrets.Open(ctx, account.KeyOwner(), account.Store.Key)
	if err != nil {
		return nil, err
	}
	return location.Open(ctx, location.Location{URL: account.ContainerURL(root, container.Name()), Account: account.Store.AccountName, Key: key})
}

func operationalPrefixes(key string) []string {
	if _, vaulted := workflow.VaultKeyUID(key); vaulted {
		return nil
	}
	return []string{workflow.OperationalPrefix(key)}
}

func vaultPrefixes(vaults []backup.Vault, key string) (prefixes []string) {
	uid, vaulted := workflow.VaultKeyUID(key)
	for i := range vaults {
		if vaulted {
			prefixes = append(prefixes, workflow.VaultPrefix(&vaults[i], uid))
		}
	}
	return prefixes
}

// secret wraps one secret of a document anew; put writes it into the document
// as that then stands.
func (r *rotation) secret(ctx context.Context, owner string, sealed []byte, put func(tx catalog.Tx, renewed []byte) error) error {
	if len(sealed) == 0 {
		return nil
	}
	renewed, stale, err := r.secrets.Renew(ctx, owner, sealed, r.Dry)
	if err == nil && renewed != nil {
		err = r.Store.Update(ctx, func(tx catalog.Tx) error { return put(tx, renewed) })
	}
	step := keys.Step{Place: "secrets", Name: owner, Action: keys.Keep, Err: err}
	switch {
	case err != nil:
		step.Action = keys.Fail
	case stale:
		step.Action = keys.Rewrap
	}
	r.Report(step)
	return err
}

func (r *rotation) accounts(ctx context.Context) error {
	var all []backup.StorageAccount
	err := r.Store.View(ctx, func(tx catalog.Tx) (err error) {
		all, err = inventory.Accounts.Below(tx, "")
		return err
	})
	failed := []error{err}
	for i := range all {
		failed = append(failed, r.secret(ctx, all[i].KeyOwner(), all[i].Store.Key, func(tx catalog.Tx, renewed []byte) error {
			account, err := inventory.Accounts.Get(tx, all[i].ID)
			if err != nil || !bytes.Equal(account.Store.Key, all[i].Store.Key) {
				return ignoreGone(err) // deleted, or written anew, meanwhile
			}
			account.Store.Key = renewed
			return inventory.Accounts.Put(tx, account)
		}))
	}
	return errors.Join(failed...)
}

func (r *rotation) extensions(ctx context.Context) error {
	var all []backup.Extension
	err := r.Store.View(ctx, func(tx catalog.Tx) (err error) {
		all, err = inventory.Extensions.Below(tx, "")
		return err
	})
	failed := []error{err}
	for i := range all {
		for name, sealed := range all[i].Protected {
			failed = append(failed, r.secret(ctx, all[i].SettingOwner(name), sealed, func(tx catalog.Tx, renewed []byte) error {
				extension, err := inventory.Extensions.Get(tx, all[i].ID)
				if err != nil || !bytes.Equal(extension.Protected[name], sealed) {
					return ignoreGone(err)
				}
				extension.Protected[name] = renewed
				return inventory.Extensions.Put(tx, extension)
			}))
		}
	}
	return errors.Join(failed...)
}

func ignoreGone(err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return err
}
