package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"holdfast.dev/holdfast/internal/catalog"
)

const kindTenant = "tenant"

// EnsureTenant returns the id of the one tenant of this service. The first
// call makes it: wanted when not empty, else a random GUID. A later call with
// another wanted id is an error, since tokens and assignments hang on it.
func EnsureTenant(ctx context.Context, store catalog.Store, wanted string) (id string, err error) {
	err = store.Update(ctx, func(tx catalog.Tx) error {
		doc, err := tx.Get(kindTenant, kindTenant)
		if errors.Is(err, catalog.ErrNotFound) {
			if id = wanted; id == "" {
				id = uuid.NewString()
			}
			body, err := json.Marshal(id)
			if err != nil {
				return err
			}
			_, err = tx.Put(catalog.Document{Kind: kindTenant, ID: kindTenant, Body: body}, catalog.IfAbsent)
			return err
		} else if err != nil {
			return err
		}
		return json.Unmarshal(doc.Body, &id)
	})
	if err != nil {
		return "", fmt.Errorf("tenant: %w", err)
	}
	if wanted != "" && id != wanted {
		return "", fmt.Errorf("tenant: the catalog belongs to tenant %s, not to %s", id, wanted)
	}
	return id, nil
}
