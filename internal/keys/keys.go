// Package keys keeps the data keys of repositories: 32 random bytes each, made
// at first use, stored in the catalog only as wrapped by a key provider. To
// destroy the wrapped key is to destroy the data. By the same provider it seals
// the other secrets that documents hold.
package keys

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/objstore"
)

// Kind is the kind of the catalog documents that hold wrapped keys; their ids
// are the repositories' ids.
const Kind = "repositorykey"

// Size is the length of a data key in bytes.
const Size = 32

// Ring makes and reads data keys.
type Ring struct {
	store    catalog.Store
	provider Provider
}

// NewRing returns the keys in store.
func NewRing(store catalog.Store, provider Provider) *Ring { return &Ring{store, provider} }

// entry is the document of one key.
type entry struct {
	Wrapped []byte `json:"wrapped"`
}

// Ensure returns the wrapped key of a repository, and makes the key first
// where there is none.
func (r *Ring) Ensure(ctx context.Context, repository string) (wrapped []byte, err error) {
	wrapped, err = r.Wrapped(ctx, repository)
	if !errors.Is(err, catalog.ErrNotFound) {
		return wrapped, err
	}
	key := make([]byte, Size)
	rand.Read(key) // documented never to fail
	if wrapped, err = r.provider.Wrap(ctx, repository, key); err != nil {
		return nil, fmt.Errorf("wrap the key of repository %s: %w", repository, err)
	}
	body, err := json.Marshal(entry{wrapped})
	if err != nil {
		return nil, fmt.Errorf("key of repository %s: %w", repository, err)
	}
	err = r.store.Update(ctx, func(tx catalog.Tx) error {
		_, err := tx.Put(catalog.Document{Kind: Kind, ID: repository, Body: body}, catalog.IfAbsent)
		return err
	})
	if errors.Is(err, catalog.ErrConflict) { // made by another at the same time
		return r.Wrapped(ctx, repository)
	}
	return wrapped, err
}

// Wrapped returns the wrapped key of a repository; catalog.ErrNotFound when
// there is none.
func (r *Ring) Wrapped(ctx context.Context, repository string) ([]byte, error) {
	var found entry
	err := r.store.View(ctx, func(tx catalog.Tx) error {
		doc, err := tx.Get(Kind, repository)
		if err != nil {
			return err
		}
		return json.Unmarshal(doc.Body, &found)
	})
	if err != nil {
		return nil, fmt.Errorf("key of repository %s: %w", repository, err)
	}
	return found.Wrapped, nil
}

// Key returns the data key of a repository; catalog.ErrNotFound when there is
// none. It must stay in memory.
func (r *Ring) Key(ctx context.Context, repository string) ([]byte, error) {
	wrapped, err := r.Wrapped(ctx, repository)
	if err != nil {
		return nil, err
	}
	key, err := r.provider.Unwrap(ctx, repository, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap the key of repository %s: %w", repository, err)
	}
	if len(key) != Size {
		return nil, fmt.Errorf("the key of repository %s has %d bytes, not %d", repository, len(key), Size)
	}
	return key, nil
}

// Publish makes sure that the wrapped key of a repository lies in the repository
// itself, so that the bucket and the key provider are enough to read it. Call
// it when the repository is made, and again at will.
func (r *Ring) Publish(ctx context.Context, name string, repository objstore.Store) error {
	wrapped, err := r.Wrapped(ctx, name)
	if err != nil {
		return err
	}
	if err := putDocument(ctx, repository, name, r.provider.Describe(), wrapped); err != nil {
		return fmt.Errorf("publish the key of repository %s: %w", name, err)
	}
	_, err = r.Wrapped(ctx, name)
	if errors.Is(err, catalog.ErrNotFound) { // shredded meanwhile, perhaps after the bucket was looked at
		err = errors.Join(err, repository.Delete(ctx, nameOf(wrapped)))
	}
	return err
}

// Destroy forgets a key, after which the repository cannot be read by anybody
// who has not kept a copy. One that does not exist is no error.
func Destroy(tx catalog.Tx, repository string) error {
	if err := tx.Delete(Kind, repository, ""); err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return fmt.Errorf("destroy the key of repository %s: %w", repository, err)
	}
	return nil
}
