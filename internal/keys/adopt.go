package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/objstore"
)

// Recover returns the data key of the repository of that name from the wrapped forms
// that lie in it, whatever the catalog knows. It must stay in memory.
func (r *Ring) Recover(ctx context.Context, name string, repository objstore.Store) ([]byte, error) {
	key, bound, err := Recover(ctx, repository, r.provider)
	if err == nil && bound != name {
		err = fmt.Errorf("it is bound to %s: %w", bound, ErrUnwrap)
	}
	if err != nil {
		return nil, fmt.Errorf("key of repository %s: %w", name, err)
	}
	return key, nil
}

// Adopt enters into the catalog a wrapped key that lies in the repository, bound
// to that name, when the provider can unwrap it. One that the catalog has already
// stays.
func (r *Ring) Adopt(ctx context.Context, name string, repository objstore.Store) (entered bool, err error) {
	found, err := documents(ctx, repository)
	if err != nil {
		return false, fmt.Errorf("adopt the key of repository %s: %w", name, err)
	}
	for _, doc := range found {
		if doc.damage != nil || doc.Repository != name {
			continue
		}
		key, err := r.provider.Unwrap(ctx, name, doc.Wrapped)
		if err != nil || len(key) != Size {
			continue
		}
		body, err := json.Marshal(entry{doc.Wrapped})
		if err != nil {
			return false, fmt.Errorf("key of repository %s: %w", name, err)
		}
		err = r.store.Update(ctx, func(tx catalog.Tx) error {
			_, err := tx.Put(catalog.Document{Kind: Kind, ID: name, Body: body}, catalog.IfAbsent)
			return err
		})
		if errors.Is(err, catalog.ErrConflict) {
			return false, nil
		}
		return err == nil, err
	}
	return false, fmt.Errorf("adopt the key of repository %s: no wrapped key in it can be unwrapped: %w", name, ErrUnwrap)
}
