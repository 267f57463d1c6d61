package provider

import (
	"context"
	"encoding/json"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

const (
	typeVault = "Microsoft.DataProtection/backupVaults"
	vaultPath = groupPath + backupNamespace + "backupVaults/{vault}"
)

var pollVault = arm.Poll{
	Status: vaultPath + "/operationStatus/{operation}",
	Result: vaultPath + "/operationResults/{operation}",
}

func (p *Provider) vaults() arm.Type {
	all := list(p.Store, nil, vaultsHereOrThere, p.vaultTo)
	return arm.Type{
		Name: typeVault, Path: vaultPath, MinVersion: minBackupVersion,
		Get: get(p.Store, vaultHereOrThere, p.vaultTo), Put: p.putVault, Patch: p.patchVault, Delete: remove(p.Store, inventory.Vaults.Get, forgetVault),
		Lists: []arm.List{
			{Path: subscriptionPath + backupNamespace + "backupVaults", Handler: all},
			{Path: groupPath + backupNamespace + "backupVaults", Handler: all},
		},
		Actions: p.upkeepActions(),
	}
}

// minBackupVersion is the oldest api-version of Microsoft.DataProtection.
const minBackupVersion = "2022-12-01"

func (p *Provider) putVault(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.Vault
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	var resp *arm.Response
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		old, err := existing(inventory.Vaults.Get(tx, r.ID.String()))
		if err != nil {
			return err
		}
		v, err := vaultFrom(in, old)
		if err != nil {
			return err
		}
		resp, err = p.storeVault(tx, r, v, old)
		return err
	})
	return resp, err
}

// storeVault checks and writes a vault, and answers as PUT does.
func (p *Provider) storeVault(tx catalog.Tx, r *arm.Request, v, old *backup.Vault) (*arm.Response, error) {
	now := p.Clock.Now()
	if err := r.Match(etagOf(baseOf(old))); err != nil {
		return nil, err
	}
	stamp(&v.Meta, baseOf(old), r, now)
	if err := refuse(v.Check()); err != nil {
		return nil, err
	}
	if err := refuse(v.CheckRegion(old, p.Regions)); err != nil {
		return nil, err
	}
	if err := checkVaultChange(tx, v, old); err != nil {
		return nil, err
	}
	if err := inventory.Vaults.Put(tx, v); err != nil {
		return nil, err
	}
	if v.ReplicaRegion(p.Regions) != "" {
		if err := inventory.Enqueue(tx, backup.Work{Kind: backup.WorkReplicateVault, Subject: v.ID}); err != nil {
			return nil, err
		}
	}
	out, err := p.vaultTo(tx, v)
	if err != nil {
		return nil, err
	}
	if old != nil {
		return arm.OK(out).WithETag(v.ETag), nil
	}
	op, err := operations.StartDone(tx, now, operations.Record{
		Action: typeVault + "/write", Resource: v.ID, Location: v.Location,
		Starter: r.Principal.ObjectID, ResultIsResource: true,
	})
	out.Properties.ProvisioningState = string(backup.StateProvisioning)
	return vaultCreated(out, v.ETag, op), err
}

// vaultCreated answers 201 with the system data in a header, as Azure Backup does.
func vaultCreated(out v1.Vault, etag string, op operations.Record) *arm.Response {
	resp := arm.Created(out).WithETag(etag).WithOperation(op, arm.Poll{Status: pollVault.Status})
	if data, err := json.Marshal(out.SystemData); err == nil {
		resp.Header = map[string][]string{"X-Ms-Arm-Resource-System-Data": {string(data)}}
	}
	return resp
}

func checkVaultChange(tx catalog.Tx, v, old *backup.Vault) error {
	if old == nil {
		return nil
	}
	items, _, err := inventory.Instances.Page(tx, old.ID, "", 1)
	if err != nil {
		return err
	}
	return refuse(v.CheckChange(*old, len(items) > 0))
}

func (p *Provider) patchVault(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.Vault
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	var resp *arm.Response
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		old, err := inventory.Vaults.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		v, err := vaultPatched(in, old)
		if err != nil {
			return err
		}
		resp, err = p.storeVault(tx, r, v, old)
		return err
	})
	return resp, err
}

func checkVaultEmpty(tx catalog.Tx, v *backup.Vault) error {
	instances, err := inventory.Instances.Below(tx, v.ID)
	if err != nil {
		return err
	}
	policies, err := inventory.Policies.Below(tx, v.ID)
	if err != nil {
		return err
	}
	gone, err := inventory.Deleted.Below(tx, v.ID)
	if err != nil {
		return err
	}
	if len(instances)+len(policies)+len(gone) == 0 {
		return nil
	}
	return refuse(backup.NewProblem(backup.CodeVaultNotEmpty, v.ID, "vault %s has %d backup instances, %d backup policies and %d deleted instances whose data is kept",
		v.Name(), len(instances), len(policies), len(gone)))
}

// forgetVault removes an empty vault with the record of its jobs, and the trust
// and rights that clusters and people gave it: a later vault of the same name
// must not inherit them.
func forgetVault(tx catalog.Tx, r *arm.Request, v *backup.Vault) error {
	if err := checkVaultEmpty(tx, v); err != nil {
		return err
	}
	if err := deleteBelow(tx, inventory.Jobs, v.ID); err != nil {
		return err
	}
	trusted, err := inventory.Bindings.With(tx, inventory.LabelSource, r.ID.Key())
	if err != nil {
		return err
	}
	for i := range trusted {
		if err := inventory.Bindings.Delete(tx, trusted[i].ID); err != nil {
			return err
		}
	}
	if err := inventory.DeleteAssignmentsIn(tx, r.ID); err != nil {
		return err
	}
	return inventory.Vaults.Delete(tx, v.ID)
}

// baseOf returns the common part of a document, nil for nil.
func baseOf[P interface {
	comparable
	Base() *backup.Meta
}](doc P) *backup.Meta {
	var none P
	if doc == none {
		return nil
	}
	return doc.Base()
}
