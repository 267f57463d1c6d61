package inventory

import (
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/resourceid"
)

// Subscription is the outermost place that resources live in.
type Subscription struct {
	backup.Meta
	DisplayName string `json:"displayName"`
}

// ResourceGroup is a named place inside of a subscription.
type ResourceGroup struct {
	backup.Meta
	ManagedBy string `json:"managedBy,omitempty"`
}

// The collections of places.
var (
	Subscriptions  = Collection[Subscription, *Subscription]{kind: "subscription"}
	ResourceGroups = Collection[ResourceGroup, *ResourceGroup]{kind: "resource-group"}
)

// GroupExists tells whether the id is that of a resource group that exists.
func GroupExists(tx catalog.Tx, id string) (bool, error) {
	_, err := ResourceGroups.Get(tx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// InGroup reads the common part of every top-level resource of a resource
// group, in no order.
func InGroup(tx catalog.Tx, group string) ([]backup.Meta, error) {
	var found []backup.Meta
	for _, add := range []func() error{
		func() error { return appendBelow(tx, Vaults, group, &found) },
		func() error { return appendBelow(tx, Clusters, group, &found) },
		func() error { return appendBelow(tx, Accounts, group, &found) },
		func() error { return appendBelow(tx, UserIdentities, group, &found) },
	} {
		if err := add(); err != nil {
			return nil, fmt.Errorf("resources of %s: %w", group, err)
		}
	}
	return found, nil
}

// appendBelow adds the documents of one collection that lie directly in the group.
func appendBelow[T any, P document[T]](tx catalog.Tx, c Collection[T, P], group string, to *[]backup.Meta) error {
	all, err := c.Below(tx, group)
	if err != nil {
		return err
	}
	for i := range all {
		meta := P(&all[i]).Base()
		id, err := resourceid.Parse(meta.ID)
		if err != nil {
			return err
		}
		if id.Parent().Key() == resourceid.Key(group) {
			*to = append(*to, *meta)
		}
	}
	return nil
}
