package provider

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
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
	regions  backup.Regions
}

// NewPlatform returns the platform's resource types over a store. Regions are those
// that the service reads replicas of; nil for none.
func NewPlatform(store catalog.Store, clk clock.Clock, tenantID string, regions backup.Regions) *Platform {
	return &Platform{store, clk, tenantID, regions}
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
			return cmp.Or(unread(tx, p.regions, ""), absent(err, subscription)) // those of other regions are known from replicas
		}
		if scope.ResourceGroup() == "" {
			return nil
		}
		group := scope.ResourceGroupID()
		_, err := inventory.ResourceGroups.Get(tx, group.Key())
		return absent(err, group)
	})
}

// unread is the answer to a request for what is not known when it may lie among the
// replicas in a region, "" for any, that could not be read wholly; nil when it cannot.
// In a region that this service itself fills lies nothing that it does not know.
func unread(tx catalog.Tx, regions backup.Regions, region string) error {
	views, err := inventory.SecondaryRegions.Below(tx, "")
	if err != nil {
		return err
	}
	for i := range views {
		name := views[i].Name()
		if views[i].Problem == nil || region != "" && !backup.SameRegion(region, name) || !regions.Paired(name) {
			continue
		}
		own, err := fills(tx, regions, name)
		if err != nil {
			return err
		}
		if !own {
			return refuse(views[i].Problem)
		}
	}
	return nil
}

// fills says whether this service is that of a region which the given one is paired
// with: it has vaults there.
func fills(tx catalog.Tx, regions backup.Regions, region string) (bool, error) {
	vaults, err := inventory.Vaults.Below(tx, "")
	return slices.ContainsFunc(vaults, func(v backup.Vault) bool { return backup.SameRegion(regions.PairOf(v.Location), region) }), err
}

// absent names the thing that was not found; other errors stay.
func absent(err error, id resourceid.ID) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return arm.NotFound(id)
	}
	return err
}
