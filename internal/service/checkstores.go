package service

import (
	"context"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
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
