package signin

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// Bootstrap makes, in a catalog that has no service principal yet, a first one
// with the role Owner over everything, and the subscription. created is false,
// and nothing is written, when there is one already.
func (s *Service) Bootstrap(ctx context.Context, subscriptionID, displayName string) (c Credentials, created bool, err error) {
	err = s.Store.Update(ctx, func(tx catalog.Tx) error {
		created = false
		have, err := tx.List(catalog.Query{Kind: kindServicePrincipal, Limit: 1})
		if err != nil || len(have) > 0 {
			return err
		}
		if c, err = s.create(tx, "bootstrap"); err != nil {
			return err
		}
		created = true
		return s.furnish(tx, c.ObjectID, subscriptionID, displayName)
	})
	if err != nil {
		return Credentials{}, false, fmt.Errorf("bootstrap: %w", err)
	}
	return c, created, nil
}

// furnish writes the first assignment and the first subscription.
func (s *Service) furnish(tx catalog.Tx, owner, subscriptionID, displayName string) error {
	now := s.Clock.Now()
	system := backup.SystemData{CreatedBy: "bootstrap", CreatedAt: now, ChangedBy: "bootstrap", ChangedAt: now}
	role, ok := access.RoleByName(access.RoleOwner)
	if !ok {
		return fmt.Errorf("no role %s", access.RoleOwner)
	}
	assignment := inventory.RoleAssignment{
		Meta:  backup.Meta{ID: "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString(), System: system},
		Scope: "/", RoleID: role.ID, PrincipalID: owner, PrincipalType: access.ServicePrincipal,
	}
	if err := inventory.RoleAssignments.Put(tx, &assignment); err != nil {
		return err
	}
	return inventory.Subscriptions.Put(tx, &inventory.Subscription{
		Meta: backup.Meta{ID: "/subscriptions/" + subscriptionID, System: system}, DisplayName: displayName})
}
