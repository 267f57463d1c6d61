package provider

import (
	"context"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

const typeDeletedInstance = typeVault + "/deletedBackupInstances"

func (p *Provider) deletedInstances() arm.Type {
	return arm.Type{
		Name: typeDeletedInstance, Path: vaultPath + "/deletedBackupInstances/{deletedInstance}", MinVersion: minBackupVersion,
		Get: get(p.Store, inventory.Deleted.Get, alone(deletedInstanceTo)),
		Lists: []arm.List{{Path: vaultPath + "/deletedBackupInstances",
			Handler: list(p.Store, exists(inventory.Vaults.Get), inventory.Deleted.Page, alone(deletedInstanceTo))}},
		Actions: []arm.Action{{Name: "undelete", Handler: p.undeleteInstance}},
	}
}

// undeleteInstance takes a deletion back: the instance is there again with its
// recovery points in the vault, and its protection is stopped.
func (p *Provider) undeleteInstance(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var op operations.Record
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		d, err := inventory.Deleted.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		vault, err := parentVault(tx, r)
		if err != nil {
			return err
		}
		i, problem := d.Undeleted()
		if problem != nil {
			return refuse(problem)
		}
		if err := takeRoom(tx, i.VaultID()); err != nil {
			return err
		}
		stamp(&i.Meta, i.Base(), r, p.Clock.Now())
		if err := inventory.Deleted.Delete(tx, d.ID); err != nil {
			return err
		}
		if err := inventory.Instances.PutIf(tx, i, catalog.IfAbsent); err != nil {
			return err
		}
		op, err = operations.StartDone(tx, p.Clock.Now(), operations.Record{
			Action: typeDeletedInstance + "/undelete/action", Resource: i.ID, Location: vault.Location, Starter: r.Principal.ObjectID,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Accepted(op, pollInstanceAction), nil
}

// checkNameFree refuses the name of a deleted instance whose data is kept: its
// recovery points lie under that name.
func checkNameFree(tx catalog.Tx, i *backup.Instance) error {
	d, err := existing(inventory.Deleted.Get(tx, backup.DeletedID(i.ID)))
	if err != nil || d == nil {
		return err
	}
	return refuse(d.NameTaken())
}

// checkNoDeletedUsers keeps a policy that a deleted instance would need if it
// were undeleted.
func checkNoDeletedUsers(tx catalog.Tx, policy *backup.Policy) error {
	users, err := inventory.Deleted.With(tx, inventory.LabelPolicy, backup.Key(policy.ID))
	if err != nil || len(users) == 0 {
		return err
	}
	return refuse(backup.NewProblem(backup.CodePolicyInUse, policy.ID, "policy %s is used by %d deleted backup instances whose data is kept, %s the longest of them until %s",
		policy.Name(), len(users), lastToGo(users).Name(), arm.FormatTime(lastToGo(users).Purge)))
}

func lastToGo(list []backup.DeletedInstance) *backup.DeletedInstance {
	last := &list[0]
	for i := range list {
		if list[i].Purge.After(last.Purge) {
			last = &list[i]
		}
	}
	return last
}

// deletedInstanceTo shows a deleted instance: its properties are the instance's.
func deletedInstanceTo(d *backup.DeletedInstance) v1.DeletedInstance {
	return v1.DeletedInstance{Resource: envelope(&d.Meta), Properties: &v1.DeletedInstanceProperties{
		InstanceProperties: *instanceTo(&d.Instance).Properties,
		DeletionInfo: &v1.DeletionInfo{
			DeletionTime: arm.FormatTime(d.Deleted), BillingEndDate: arm.FormatTime(d.Deleted),
			ScheduledPurgeTime: arm.FormatTime(d.Purge), DeleteActivityID: d.ActivityID,
		},
	}}
}
