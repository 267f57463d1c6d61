package provider

import (
	"context"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const (
	typeAccount = "Microsoft.Storage/storageAccounts"
	accountPath = groupPath + "/providers/" + typeAccount + "/{account}"
)

func (p *Provider) storageAccounts() arm.Type {
	all := list(p.Store, nil, inventory.Accounts.Page, alone(accountTo))
	return arm.Type{
		Name: typeAccount, Path: accountPath,
		Get: get(p.Store, inventory.Accounts.Get, alone(accountTo)), Put: p.putAccount, Delete: remove(p.Store, inventory.Accounts.Get, forgetAccount),
		Lists: []arm.List{
			{Path: subscriptionPath + "/providers/" + typeAccount, Handler: all},
			{Path: groupPath + "/providers/" + typeAccount, Handler: all},
		},
	}
}

func (p *Provider) putAccount(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.StorageAccount
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	a, err := p.accountFrom(ctx, r, in)
	if err != nil {
		return nil, err
	}
	err = p.Store.Update(ctx, func(tx catalog.Tx) error { return p.storeAccount(tx, r, a) })
	if err != nil {
		return nil, err
	}
	return arm.OK(accountTo(a)).WithETag(a.ETag), nil
}

func (p *Provider) storeAccount(tx catalog.Tx, r *arm.Request, a *backup.StorageAccount) error {
	old, err := existing(inventory.Accounts.Get(tx, r.ID.String()))
	if err != nil {
		return err
	}
	if err := r.Match(etagOf(baseOf(old))); err != nil {
		return err
	}
	stamp(&a.Meta, baseOf(old), r, p.Clock.Now())
	if old != nil && len(a.Store.Key) == 0 && a.Store.URL == old.Store.URL {
		a.Store.Key = old.Store.Key // it is never shown, so it is not sent back
	}
	if err := refuse(a.Check()); err != nil {
		return err
	}
	if !a.Store.Within(p.Folders) {
		return refuse(backup.NewProblem(backup.CodeFolderNotAllowed, "properties.holdfastStore.url", "stores may not lie in %s", a.Store.URL))
	}
	if err := checkAccountChange(tx, a, old); err != nil {
		return err
	}
	return inventory.Accounts.Put(tx, a)
}

// checkAccountChange keeps account names unique and their data where it is.
func checkAccountChange(tx catalog.Tx, a, old *backup.StorageAccount) error {
	if old != nil {
		containers, err := inventory.Containers.Below(tx, old.ID)
		if err != nil {
			return err
		}
		holds, err := stagingIn(tx, old.ID)
		if err != nil {
			return err
		}
		return refuse(a.CheckChange(*old, len(containers)+holds > 0))
	}
	named, err := inventory.Accounts.With(tx, inventory.LabelName, backup.Key(a.Name()))
	if err == nil && len(named) > 0 {
		err = refuse(backup.NewProblem(backup.CodeAccountTaken, "name", "the storage account name %s is taken", a.Name()))
	}
	return err
}

// stagingIn counts the restores that have something in an account which is still
// to be deleted there.
func stagingIn(tx catalog.Tx, accountID string) (int, error) {
	jobs, err := inventory.Jobs.With(tx, inventory.LabelStaging, backup.Key(accountID))
	return len(jobs), err
}

// forgetAccount removes an account with its containers, which nothing may use.
func forgetAccount(tx catalog.Tx, r *arm.Request, a *backup.StorageAccount) error {
	holds, err := stagingIn(tx, a.ID)
	if err != nil {
		return err
	}
	if holds > 0 {
		return refuse(backup.NewProblem(backup.CodeDependentResources, a.ID, "storage account %s is the staging account of %d restores", a.Name(), holds))
	}
	containers, err := inventory.Containers.Below(tx, a.ID)
	if err != nil {
		return err
	}
	for i := range containers {
		if err := forgetContainer(tx, r, &containers[i]); err != nil {
			return err
		}
	}
	if err := inventory.DeleteAssignmentsIn(tx, r.ID); err != nil {
		return err
	}
	return inventory.Accounts.Delete(tx, a.ID)
}

// accountFrom reads an account and seals its key.
func (p *Provider) accountFrom(ctx context.Context, r *arm.Request, in v1.StorageAccount) (a *backup.StorageAccount, err error) {
	a = &backup.StorageAccount{Kind: in.Kind}
	a.ID, a.Location, a.Tags = r.ID.String(), plainLocation(in.Location), in.Tags
	if in.SKU != nil {
		a.SKU = in.SKU.Name
	}
	if in.Properties == nil {
		return a, nil
	}
	a.AccessTier = in.Properties.AccessTier
	if s := in.Properties.HoldfastStore; s != nil {
		a.Store = backup.AccountStore{URL: s.URL, AccountName: s.AccountName}
		a.Store.Key, err = p.Secrets.Seal(ctx, a.KeyOwner(), s.AccountKey)
	}
	return a, err
}

// accountTo shows an account without its key.
func accountTo(a *backup.StorageAccount) v1.StorageAccount {
	tier, _, _ := strings.Cut(a.SKU, "_")
	out := v1.StorageAccount{
		Resource: envelope(&a.Meta), SKU: &v1.SKU{Name: a.SKU, Tier: tier}, Kind: a.Kind,
		Properties: &v1.StorageAccountProperties{
			AccessTier: a.AccessTier, ProvisioningState: string(backup.StateSucceeded),
			PrimaryLocation: a.Location, StatusOfPrimary: "available", CreationTime: arm.FormatTime(a.System.CreatedAt),
		},
	}
	if a.Store.URL != "" {
		out.Properties.HoldfastStore = &v1.Store{URL: a.Store.URL, AccountName: a.Store.AccountName}
		out.Properties.PrimaryEndpoints = map[string]string{"blob": a.ContainerURL("", "")}
	}
	return out
}
