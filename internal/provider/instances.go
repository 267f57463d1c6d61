package provider

import (
	"context"
	"errors"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

const (
	typeInstance         = typeVault + "/backupInstances"
	instancePath         = vaultPath + "/backupInstances/{instance}"
	backupLocationPath   = subscriptionPath + backupNamespace + "locations/{location}"
	pathLocationStatuses = backupLocationPath + "/operationStatus/{operation}"
)

var (
	// pollInstance follows a PUT of an instance.
	pollInstance = arm.Poll{Status: pathLocationStatuses, Result: instancePath + "/operationResults/{operation}"}
	// pollInstanceAction follows everything else about one.
	pollInstanceAction = arm.Poll{Status: pathLocationStatuses, Result: backupLocationPath + "/operationResults/{operation}"}
	// pollGroup is an address that clients may also ask.
	pollGroup = arm.Poll{Status: groupPath + backupNamespace + "operationStatus/{operation}"}
)

func (p *Provider) instances() arm.Type {
	return arm.Type{
		Name: typeInstance, Path: instancePath, MinVersion: minBackupVersion,
		Get: get(p.Store, instanceHereOrThere, p.instanceWithAll), Put: p.putInstance, Delete: p.deleteInstance,
		Lists: []arm.List{
			{Path: vaultPath + "/backupInstances", Handler: p.listInstances},
			{Path: "{scope}" + backupNamespace + "backupInstances", Handler: p.listInstancesOf},
		},
		Actions: []arm.Action{
			{Name: "validateForBackup", Path: vaultPath, Action: typeVault + "/validateForBackup/action", Handler: p.validateForBackup},
			{Name: "validateForModifyBackup", Handler: p.validateForModify, Action: typeVault + "/validateForBackup/action"},
			{Name: "backup", Handler: p.triggerBackup},
			{Name: "validateRestore", Handler: p.validateRestore},
			{Name: "restore", Handler: p.triggerRestore},
			{Name: "stopProtection", Handler: p.protectionAction("stopProtection", backup.EventStop)},
			{Name: "suspendBackups", Handler: p.protectionAction("suspendBackups", backup.EventSuspend)},
			{Name: "resumeBackups", Handler: p.protectionAction("resumeBackups", backup.EventResumeBackups)},
			{Name: "resumeProtection", Handler: p.protectionAction("resumeProtection", backup.EventResume)},
			{Name: "sync", Handler: p.syncInstance},
		},
	}
}

// instanceWithAll shows an instance with its next backup, its replicas and what of
// it could not be deleted.
func (p *Provider) instanceWithAll(tx catalog.Tx, i *backup.Instance) (out v1.Instance, err error) {
	out = instanceTo(i)
	if out.Properties.HoldfastSchedule, err = p.scheduleTo(tx, i.ID); err != nil {
		return out, err
	}
	if out.Properties.HoldfastReplication, err = p.replicationTo(tx, i.ID); err != nil {
		return out, err
	}
	one := []v1.Instance{out}
	err = addExpiry(tx, i.ID, one)
	return one[0], err
}

func (p *Provider) listInstances(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var out []v1.Instance
	var next string
	err := p.Store.View(ctx, func(tx catalog.Tx) error {
		vault, err := existing(inventory.Vaults.Get(tx, r.ID.String()))
		if err != nil {
			return err
		}
		collection := inventory.Instances
		if vault == nil {
			if vault, err = inventory.SecondaryVaults.Get(tx, r.ID.String()); err != nil {
				return err
			}
			collection = inventory.SecondaryInstances
		}
		list, after, err := collection.Page(tx, r.ID.String(), r.After(), r.Limit())
		if err != nil {
			return err
		}
		out, next = show(list, instanceTo), after
		for i := 0; i < len(out) && vault.ReplicaRegion(p.Regions) != ""; i++ {
			if out[i].Properties.HoldfastReplication, err = p.replicationTo(tx, list[i].ID); err != nil {
				return err
			}
		}
		return addExpiry(tx, r.ID.String(), out)
	})
	if err != nil {
		return nil, err
	}
	return arm.Page(r, out, v1.Instance.ResourceID, next)
}

// listInstancesOf lists the instances that protect one cluster, whatever the
// vault ("extension routing").
func (p *Provider) listInstancesOf(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var list []backup.Instance
	var next string
	err := p.Store.View(ctx, func(tx catalog.Tx) (err error) {
		list, next, err = inventory.Instances.PageWith(tx, inventory.LabelCluster, r.ID.Key(), r.After(), r.Limit())
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Page(r, show(list, instanceTo), v1.Instance.ResourceID, next)
}

func (p *Provider) putInstance(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.Instance
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	instance, err := instanceFrom(in.Properties, "properties")
	if err != nil {
		return nil, err
	}
	instance.Tags = in.Tags
	var resp *arm.Response
	err = p.Store.Update(ctx, func(tx catalog.Tx) (err error) {
		written := *instance // the transaction may be run again
		resp, err = p.storeInstance(tx, r, &written)
		return err
	})
	return resp, err
}

// storeInstance checks an instance, writes it as being configured, and starts
// the work that configures it.
func (p *Provider) storeInstance(tx catalog.Tx, r *arm.Request, instance *backup.Instance) (*arm.Response, error) {
	vault, err := parentVault(tx, r)
	if err != nil {
		return nil, err
	}
	old, err := existing(inventory.Instances.Get(tx, r.ID.String()))
	if err != nil {
		return nil, err
	}
	if err := r.Match(etagOf(baseOf(old))); err != nil {
		return nil, err
	}
	instance.Adopt(old)
	stamp(&instance.Meta, baseOf(old), r, p.Clock.Now())
	if old == nil {
		instance.UID = newHex()
		if err := checkNameFree(tx, instance); err != nil {
			return nil, err
		}
	}
	if err := checkInstance(tx, r, instance, old); err != nil {
		return nil, err
	}
	switch {
	case old == nil:
	case old.State == backup.StateDeleting:
		return nil, refuse(old.Busy("write it"))
	case instance.SameAs(old) && !old.NeedsConfiguring():
		return p.unchanged(tx, old)
	case !old.State.Terminal():
		return nil, refuse(old.Busy("change it"))
	}
	return p.configure(tx, r, vault, instance, old == nil)
}

func parentVault(tx catalog.Tx, r *arm.Request) (*backup.Vault, error) {
	vault, err := existing(inventory.Vaults.Get(tx, r.ID.Parent().String()))
	if err == nil && vault == nil {
		err = arm.ParentNotFound(r.ID)
	}
	return vault, err
}

// checkInstance applies every rule that can be decided at once. What depends
// on the cluster is checked by the work that follows.
func checkInstance(tx catalog.Tx, r *arm.Request, instance, old *backup.Instance) error {
	if err := refuse(instance.Check()); err != nil {
		return err
	}
	if old != nil {
		if err := refuse(instance.CheckChange(old)); err != nil {
			return err
		}
	}
	if err := checkReferences(tx, instance); err != nil {
		return err
	}
	if err := requireLinked(r, clusterRead, instance.Datasource.ID); err != nil {
		return err
	}
	return checkNeighbours(tx, instance, old == nil)
}

// checkNeighbours applies the rules among the instances of one vault. It reads only
// those that protect the same cluster with the same policy.
func checkNeighbours(tx catalog.Tx, instance *backup.Instance, created bool) error {
	same := map[string]string{inventory.LabelCluster: backup.Key(instance.Datasource.ID), inventory.LabelPolicy: backup.Key(instance.PolicyID)}
	neighbours, _, err := inventory.Instances.PageBelow(tx, instance.VaultID(), same, "", 0)
	if err == nil {
		err = refuse(instance.CheckAmong(neighbours))
	}
	if err != nil || !created {
		return err
	}
	return takeRoom(tx, instance.VaultID())
}

// takeRoom refuses one instance more than a vault may have.
func takeRoom(tx catalog.Tx, vaultID string) error {
	ok, err := inventory.TakeRoom(tx, vaultID, backup.MaxInstancesPerVault)
	if err == nil && !ok {
		err = refuse(backup.NewProblem(backup.CodeTooManyInstances, vaultID, "the vault has %d backup instances", backup.MaxInstancesPerVault))
	}
	return err
}

// checkReferences makes sure that what the instance names exists.
func checkReferences(tx catalog.Tx, instance *backup.Instance) error {
	policy, err := existing(inventory.Policies.Get(tx, instance.PolicyID))
	if err != nil {
		return err
	}
	if policy == nil {
		return missing("properties.policyInfo.policyId", "policy", instance.PolicyID)
	}
	cluster, err := existing(inventory.Clusters.Get(tx, instance.Datasource.ID))
	if err != nil {
		return err
	}
	if cluster == nil {
		return missing("properties.dataSourceInfo.resourceID", "cluster", instance.Datasource.ID)
	}
	found, err := inventory.GroupExists(tx, instance.SnapshotGroupID)
	if err == nil && !found {
		err = refuse(backup.NewProblem(backup.CodeSnapshotGroupMissing, instance.SnapshotGroupID,
			"snapshot resource group %s does not exist", instance.SnapshotGroupID))
	}
	return err
}

// unchanged answers a PUT that asks for what is there already. While its
// operation runs the answer carries it, so that a repeated request can wait.
func (p *Provider) unchanged(tx catalog.Tx, old *backup.Instance) (*arm.Response, error) {
	resp := arm.OK(instanceTo(old)).WithETag(old.ETag)
	if old.State.Terminal() || old.OperationID == "" {
		return resp, nil
	}
	op, err := operations.Get(tx, old.OperationID)
	return resp.WithOperation(op, pollInstance), err
}

func (p *Provider) deleteInstance(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var resp *arm.Response
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		instance, err := inventory.Instances.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		if err := r.Match(instance.ETag); err != nil {
			return err
		}
		resp, err = p.startDelete(tx, r, instance)
		return err
	})
	if errors.Is(err, catalog.ErrNotFound) {
		return arm.NoContent(), nil
	}
	return resp, err
}
