package provider

import (
	"context"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const typeUserIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"

func (p *Provider) userIdentities() arm.Type {
	all := list(p.Store, nil, inventory.UserIdentities.Page, alone(p.userIdentityTo))
	return arm.Type{
		Name: typeUserIdentity, Path: groupPath + "/providers/" + typeUserIdentity + "/{identity}",
		Get: get(p.Store, inventory.UserIdentities.Get, alone(p.userIdentityTo)), Put: p.putUserIdentity, Delete: remove(p.Store, inventory.UserIdentities.Get, forgetUserIdentity),
		Lists: []arm.List{
			{Path: subscriptionPath + "/providers/" + typeUserIdentity, Handler: all},
			{Path: groupPath + "/providers/" + typeUserIdentity, Handler: all},
		},
	}
}

func (p *Provider) putUserIdentity(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.UserAssignedIdentity
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if in.Location == "" {
		return nil, required("location")
	}
	u := &backup.UserIdentity{PrincipalID: newGUID(), ClientID: newGUID()}
	u.Location, u.Tags = plainLocation(in.Location), in.Tags
	var created bool
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		old, err := existing(inventory.UserIdentities.Get(tx, r.ID.String()))
		if err != nil {
			return err
		}
		if err := r.Match(etagOf(baseOf(old))); err != nil {
			return err
		}
		created = old == nil
		if old != nil {
			u.PrincipalID, u.ClientID = old.PrincipalID, old.ClientID
			if err := refuse(backup.SameLocation(u.Meta, old.Meta)); err != nil {
				return err
			}
		}
		stamp(&u.Meta, baseOf(old), r, p.Clock.Now())
		return inventory.UserIdentities.Put(tx, u)
	})
	if err != nil {
		return nil, err
	}
	return createdOr(created, p.userIdentityTo(u)).WithETag(u.ETag), nil
}

// forgetUserIdentity removes an identity with the rights it was given.
func forgetUserIdentity(tx catalog.Tx, r *arm.Request, u *backup.UserIdentity) error {
	if err := inventory.DeleteAssignmentsIn(tx, r.ID); err != nil {
		return err
	}
	return inventory.UserIdentities.Delete(tx, u.ID)
}

func (p *Provider) userIdentityTo(u *backup.UserIdentity) v1.UserAssignedIdentity {
	return v1.UserAssignedIdentity{Resource: envelope(&u.Meta), Properties: &v1.UserAssignedIdentityProperties{
		TenantID: p.TenantID, PrincipalID: u.PrincipalID, ClientID: u.ClientID,
	}}
}
