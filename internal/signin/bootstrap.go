package signin

import (
	"context"
	"fmt"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/resourceid"
)

// Bootstrap makes, in a catalog that has no service principal yet, a first one
// with the role Owner over everything, and the subscription. created is false,
// and nothing is written, when there is one already.
func (p Principals) Bootstrap(ctx context.Context, subscriptionID, displayName string) (c Credentials, created bool, err error) {
	err = p.Store.Update(ctx, func(tx catalog.Tx) error {
		created = false
		have, err := inventory.AllServicePrincipals(tx)
		if err != nil || len(have) > 0 {
			return err
		}
		if c, err = p.create(tx, "bootstrap", OwnerOfAll()); err != nil {
			return err
		}
		created = true
		return inventory.Subscriptions.Put(tx, &inventory.Subscription{
			Meta: backup.Meta{ID: "/subscriptions/" + subscriptionID, System: p.stamp()}, DisplayName: displayName})
	})
	if err != nil {
		return Credentials{}, false, fmt.Errorf("bootstrap: %w", err)
	}
	return c, created, nil
}

// OwnerOfAll is what an administrator of the service holds.
func OwnerOfAll() Grant {
	role, _ := access.RoleByName(access.RoleOwner) // it is built in
	return Grant{role, resourceid.Root}
}
