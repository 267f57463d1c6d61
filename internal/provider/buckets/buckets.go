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
	// Secrets opens the keys of accounts.
	Secrets Opener
}

// Opener opens a secret that was sealed for its owner.
type Opener interface {
	Open(ctx context.Context, owner string, sealed []byte) (secret string, err error)
}

// Create makes the container; one that exists is no error.
func (b Buckets) Create(ctx context.Context, account backup.StorageAccount, container string) error {
	at, err := b.locate(ctx, account, container)
	if err != nil {
		return err
	}
	return location.Create(ctx, at)
}

// Empty says whether the container has no objects; provider.ErrNoContainer
// when it does not exist.
func (b Buckets) Empty(ctx context.Context, account backup.StorageAccount, container string) (bool, error) {
	at, err := b.locate(ctx, account, container)
	if err != nil {
		return false, err
	}
	state, err := location.Probe(ctx, at)
	if err == nil && !state.Exists {
		err = fmt.Errorf("%w: %s of account %s", provider.ErrNoContainer, container, account.Name())
	}
	return state.Empty, err
}

func (b Buckets) locate(ctx context.Context, account backup.StorageAccount, container string) (location.Location, error) {
	key, err := b.Secrets.Open(ctx, account.KeyOwner(), account.Store.Key)
	return location.Location{
		URL: account.ContainerURL(b.Root, container), Account: account.Store.AccountName, Key: key,
	}, err
}
