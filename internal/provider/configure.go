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
	"holdfast.dev/holdfast/internal/resourceid"
)

const clusterRead = "Microsoft.ContainerService/managedClusters/read"

// configure writes an instance as being configured and starts the work. It
// answers 201 for a new instance, 200 for a changed one.
func (p *Provider) configure(tx catalog.Tx, r *arm.Request, vault *backup.Vault, i *backup.Instance, created bool) (*arm.Response, error) {
	if err := refuse(i.Step(backup.EventConfigure)); err != nil {
		return nil, err
	}
	i.State, i.Error = backup.StateUpdating, nil
	if created {
		i.State = backup.StateProvisioning
	}
	op, err := p.startWork(tx, r, vault, i, typeInstance+"/write", backup.WorkConfigureInstance)
	if err != nil {
		return nil, err
	}
	resp := arm.OK(instanceTo(i))
	if created {
		resp = arm.Created(instanceTo(i))
	}
	return resp.WithETag(i.ETag).WithOperation(op, pollInstance), nil
}

// startWork starts an operation on an instance, writes the instance with it,
// and enqueues the work, all in one transaction.
func (p *Provider) startWork(tx catalog.Tx, r *arm.Request, vault *backup.Vault, i *backup.Instance, action string, kind backup.WorkKind) (operations.Record, error) {
	op, err := operations.Start(tx, p.Clock.Now(), operations.Record{
		Action: action, Resource: i.ID, Location: vault.Location,
		Starter: r.Principal.ObjectID, ResultIsResource: kind == backup.WorkConfigureInstance,
	})
	if err != nil {
		return op, err
	}
	i.OperationID = op.ID
	if err := inventory.Instances.Put(tx, i); err != nil {
		return op, err
	}
	return op, inventory.Enqueue(tx, backup.Work{Kind: kind, Subject: i.ID, OperationID: op.ID})
}

// startDelete marks an instance as going and starts the work that removes its
// recovery points. Asked again, it answers with the operation that runs.
func (p *Provider) startDelete(tx catalog.Tx, r *arm.Request, i *backup.Instance) (*arm.Response, error) {
	if i.State == backup.StateDeleting {
		op, err := operations.Get(tx, i.OperationID)
		return arm.Accepted(op, pollInstanceAction), err
	}
	if !i.State.Terminal() {
		return nil, refuse(i.Busy("delete it"))
	}
	vault, err := parentVault(tx, r)
	if err != nil {
		return nil, err
	}
	if err := p.checkDelete(tx, vault, i); err != nil {
		return nil, err
	}
	i.State = backup.StateDeleting
	i.Deletion = &backup.Deletion{Asked: p.Clock.Now().UTC(), ActivityID: newGUID(), KeepDays: vault.SoftDeleteDays()}
	op, err := p.startWork(tx, r, vault, i, typeInstance+"/delete", backup.WorkDeleteInstance)
	return arm.Accepted(op, pollInstanceAction), err
}

// checkDelete refuses what an immutable vault keeps.
func (p *Provider) checkDelete(tx catalog.Tx, vault *backup.Vault, i *backup.Instance) error {
	points, err := inventory.RecoveryPoints.Below(tx, i.ID)
	if err != nil {
		return err
	}
	return refuse(vault.CheckDelete(i, points, p.Clock.Now()))
}

// protectionAction makes the handler of an action that moves the protection
// state. It answers 202: where there is no work to do, the operation has ended.
func (p *Provider) protectionAction(name string, event backup.ProtectionEvent) arm.Handler {
	return func(ctx context.Context, r *arm.Request) (*arm.Response, error) {
		var resp *arm.Response
		err := p.Store.Update(ctx, func(tx catalog.Tx) error {
			i, err := inventory.Instances.Get(tx, r.ID.String())
			if err != nil {
				return err
			}
			if err := refuse(i.May(event)); err != nil {
				return err
			}
			before := i.Protection
			if err := refuse(i.Step(event)); err != nil {
				return err
			}
			if i.Protection == before {
				resp = arm.OK(nil)
				return nil
			}
			resp, err = p.protectionMoved(tx, r, i, typeInstance+"/"+name+"/action")
			return err
		})
		return resp, err
	}
}

// protectionMoved writes an instance whose protection has moved. To go on, it
// must be fit for it.
func (p *Provider) protectionMoved(tx catalog.Tx, r *arm.Request, i *backup.Instance, action string) (*arm.Response, error) {
	vault, err := parentVault(tx, r)
	if err != nil {
		return nil, err
	}
	stamp(&i.Meta, i.Base(), r, p.Clock.Now())
	switch i.Protection {
	case backup.UpdatingProtection:
		return p.reconfigure(tx, r, vault, i, action)
	case backup.ProtectionConfigured:
		if err := checkStillFit(tx, i); err != nil {
			return nil, err
		}
	}
	i.Error = nil
	// What has expired while protection was stopped goes when it goes on.
	if err := errors.Join(inventory.Instances.Put(tx, i), inventory.Enqueue(tx, backup.Work{Kind: backup.WorkExpire, Subject: i.ID})); err != nil {
		return nil, err
	}
	op, err := operations.StartDone(tx, p.Clock.Now(), operations.Record{
		Action: action, Resource: i.ID, Location: vault.Location, Starter: r.Principal.ObjectID,
	})
	return arm.Accepted(op, pollInstanceAction), err
}

// checkStillFit makes sure that an instance whose protection goes on still has
// what it names, and that no other protects the same meanwhile.
func checkStillFit(tx catalog.Tx, i *backup.Instance) error {
	if err := checkReferences(tx, i); err != nil {
		return err
	}
	return checkNeighbours(tx, i, false)
}

// reconfigure starts the work that configures an instance that was stepped to
// be updated.
func (p *Provider) reconfigure(tx catalog.Tx, r *arm.Request, vault *backup.Vault, i *backup.Instance, action string) (*arm.Response, error) {
	if err := checkNeighbours(tx, i, false); err != nil {
		return nil, err
	}
	i.State, i.Error = backup.StateUpdating, nil
	op, err := p.startWork(tx, r, vault, i, action, backup.WorkConfigureInstance)
	return arm.Accepted(op, pollInstanceAction), err
}

// syncInstance repeats the configuration of an instance whose last one failed;
// otherwise there is nothing to do.
func (p *Provider) syncInstance(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	resp := arm.OK(nil)
	err := checkSync(r)
	if err != nil {
		return nil, err
	}
	err = p.Store.Update(ctx, func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, r.ID.String())
		if err != nil || !i.NeedsConfiguring() {
			return err
		}
		if err := refuse(i.May(backup.EventConfigure)); err != nil {
			return err
		}
		vault, err := parentVault(tx, r)
		if err != nil {
			return err
		}
		if err := refuse(i.Step(backup.EventConfigure)); err != nil {
			return err
		}
		resp, err = p.reconfigure(tx, r, vault, i, typeInstance+"/sync/action")
		return err
	})
	return resp, err
}

// checkSync reads the body, which may be left out: both types do the same.
func checkSync(r *arm.Request) error {
	if len(r.Body) == 0 {
		return nil
	}
	var in v1.SyncRequest
	if err := r.Decode(&in); err != nil {
		return err
	}
	_, err := pickEnum("syncType", in.SyncType, "Default", "ForceResync")
	return err
}

// requireLinked demands an action on another resource that the body names.
func requireLinked(r *arm.Request, action, id string) error {
	scope, err := resourceid.Parse(id)
	if err != nil {
		return refuse(backup.Invalid("", "%v", err))
	}
	return r.RequireLinked(action, scope)
}
