package service

import (
	"context"
	"errors"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/provider/buckets"
)

// probeTime bounds the look at one container.
const probeTime = 10 * time.Second

// stores asks the real store behind every container.
func (c *checker) stores(ctx context.Context, secrets *keys.Sealer) {
	root, err := c.storageRoot()
	if err != nil {
		c.add("stores", Problem, "%v", err)
		return
	}
	accounts, containers, err := c.listContainers(ctx)
	if err != nil {
		c.add("stores", Problem, "%v", err)
		return
	}
	real := buckets.Buckets{Root: root, Secrets: secrets}
	for i := range containers {
		name := "store " + containers[i].Name()
		account, ok := accounts[backup.Key(containers[i].AccountID())]
		if !ok {
			c.add(name, Problem, "the storage account %s is gone", containers[i].AccountID())
			continue
		}
		probe, cancel := context.WithTimeout(ctx, probeTime)
		empty, err := real.Empty(probe, account, containers[i].Name())
		cancel()
		switch {
		case err != nil:
			c.add(name, Problem, "account %s: %v", account.Name(), err)
		case empty:
			c.add(name, OK, "account %s: reachable, empty", account.Name())
		default:
			c.add(name, OK, "account %s: reachable", account.Name())
		}
	}
}

// vaults tries the store of the vaults: whether it can be reached and written,
// and never overwrites.
func (c *checker) vaults(ctx context.Context) {
	at, err := c.vaultLocation()
	if err != nil {
		c.add("vault store", Problem, "%v", err)
		return
	}
	c.tryStore(ctx, "vault store", at, c.VaultStore == "", "--vault-store")
}

// replicas tries the stores of the regions.
func (c *checker) replicas(ctx context.Context) {
	places, err := c.readRegions()
	if err != nil {
		c.add("regions", Problem, "%v", err)
		return
	}
	for _, region := range places.Regions {
		if at, ok := places.stores[region.Name]; ok {
			c.tryStore(ctx, "replica store "+region.Name, at, false, "replicaStore in "+c.RegionsFile)
		}
	}
}

// tryStore writes into a store. own says that it is a folder nobody named, setting
// what names it otherwise.
func (c *checker) tryStore(ctx context.Context, name string, at location.Location, own bool, setting string) {
	probe, cancel := context.WithTimeout(ctx, 3*probeTime)
	defer cancel()
	err := location.Check(probe, at)
	switch {
	case errors.Is(err, objstore.ErrNoBucket) && own:
		c.add(name, Problem, "the folder %s is gone; put it back, it holds the vaults", at)
	case errors.Is(err, objstore.ErrNoBucket):
		c.add(name, Problem, "%s does not exist; make it, or correct %s", at, setting)
	case errors.Is(err, objstore.ErrForbidden):
		c.add(name, Problem, "%v; check the account and the key beside %s", err, setting)
	case errors.Is(err, objstore.ErrUnsafe):
		c.add(name, Problem, "%v; use another store", err)
	case err != nil:
		c.add(name, Problem, "%v", err)
	default:
		c.add(name, OK, "%s: reachable, writable, overwrites nothing", at)
	}
}

// listContainers reads every account, by key, and every container.
func (c *checker) listContainers(ctx context.Context) (accounts map[string]backup.StorageAccount, containers []backup.Container, err error) {
	accounts = map[string]backup.StorageAccount{}
	err = sqlstore.New(c.db, nil).View(ctx, func(tx catalog.Tx) error {
		all, err := inventory.Accounts.Below(tx, "")
		if err != nil {
			return err
		}
		for _, a := range all {
			accounts[backup.Key(a.ID)] = a
		}
		containers, err = inventory.Containers.Below(tx, "")
		return err
	})
	return accounts, containers, err
}
