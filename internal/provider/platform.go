package provider

import (
	"cmp"
	"context"
	"errors"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/resourceid"
)

// Platform holds the handlers of what any resource manager brings: tenants,
// subscriptions, resource groups, roles and their assignments.
type Platform struct {
	store    catalog.Store
	clock    clock.Clock
	tenantID string
}

// NewPlatform returns the platform's resource types over a store.
func NewPlatform(store catalog.Store, clk clock.Clock, tenantID string) *Platform {
	return &Platform{store, clk, tenantID}
}

// Types declares the platform's types and appends the given ones, which it
// lists as registered.
func (p *Platform) Types(others []arm.Type) []arm.Type {
	own := []arm.Type{
		p.tenants(), p.subscriptions(), p.resourceGroups(), p.groupResources(),
		p.roleAssignments(), p.roleDefinitions(),
	}
	all := append(own, others...)
	return append(all, p.registrations(all))
}

// Polls declares where the platform's operations are followed.
func (p *Platform) Polls() []arm.Poll { return []arm.Poll{pollGroupDelete} }

// CheckScope says whether a subscription or resource group exists.
func (p *Platform) CheckScope(ctx context.Context, scope resourceid.ID) error {
	return p.store.View(ctx, func(tx catalog.Tx) error {
		subscription := scope.SubscriptionID()
		if _, err := inventory.Subscriptions.Get(tx, subscription.Key()); err != nil {
			return cmp.Or(unread(tx), absent(err, subscription)) // those of other regions are known from replicas
		}
		if scope.ResourceGroup() == "" {
			return nil
		}
		group := scope.ResourceGroupID()
		_, err := inventory.ResourceGroups.Get(tx, group.Key())
		return absent(err, group)
	})
}

// unread is the answer when a region's replicas could not be read wholly; nil when all
// could.
func unread(tx catalog.Tx) error {
	views, err := inventory.SecondaryRegions.Below(tx, "")
	if err != nil {
		return err
	}
	for i := range views {
		if views[i].Problem != nil {
			return refuse(views[i].Problem)
		}
	}
	return nil
}

// absent names the thing that was not found; other errors stay.
func absent(err error, id resourceid.ID) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return arm.NotFound(id)
	}
	return err
}
