// Package buckets reaches the real stores behind storage accounts.
package buckets

import (
	"context"
	"fmt"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/provider"
)

// Buckets implements provider.Buckets.
type Buckets struct {
	// Root is the folder, as a file URL, in which accounts without a store of
	// their own lie.
	Root string
}

// Create makes the container; one that exists is no error.
func (b Buckets) Create(ctx context.Context, account backup.StorageAccount, container string) error {
	return location.Create(ctx, b.locate(account, container))
}

// Empty says whether the container has no objects; provider.ErrNoContainer
// when it does not exist.
func (b Buckets) Empty(ctx context.Context, account backup.StorageAccount, container string) (bool, error) {
	state, err := location.Probe(ctx, b.locate(account, container))
	if err == nil && !state.Exists {
		err = fmt.Errorf("%w: %s of account %s", provider.ErrNoContainer, container, account.Name())
	}
	return state.Empty, err
}

func (b Buckets) locate(account backup.StorageAccount, container string) location.Location {
	return location.Location{
		URL:     account.ContainerURL(b.Root, container),
		Account: account.Store.AccountName, Key: account.Store.AccountKey,
	}
}
