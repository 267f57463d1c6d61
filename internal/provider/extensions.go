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

const (
	typeExtension = "Microsoft.KubernetesConfiguration/extensions"
	extensionPath = clusterPath + "/providers/" + typeExtension + "/{extension}"
)

var pollExtension = arm.Poll{Status: extensionPath + "/operations/{operation}"}

func (p *Provider) extensions() arm.Type {
	return arm.Type{
		Name: typeExtension, Path: extensionPath,
		Get: get(p.Store, inventory.Extensions.Get, alone(p.extensionTo)), Put: p.putExtension, Patch: p.patchExtension, Delete: p.deleteExtension,
		Lists: []arm.List{{Path: clusterPath + "/providers/" + typeExtension,
			Handler: list(p.Store, exists(inventory.Clusters.Get), inventory.Extensions.Page, alone(p.extensionTo))}},
	}
}

func (p *Provider) readExtension(ctx context.Context, r *arm.Request) (e *backup.Extension, err error) {
	err = p.Store.View(ctx, func(tx catalog.Tx) (err error) {
		e, err = inventory.Extensions.Get(tx, r.ID.String())
		return err
	})
	return e, err
}

func (p *Provider) putExtension(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.Extension
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	e, err := extensionFrom(in)
	if err != nil {
		return nil, err
	}
	e.ID = r.ID.String()
	old, err := existing(p.readExtension(ctx, r))
	if err != nil {
		return nil, err
	}
	var have map[string]backup.Sealed
	if old != nil {
		have = old.Protected
	}
	if e.Protected, err = p.sealSettings(ctx, e, in.Properties.ConfigurationProtectedSettings, have); err != nil {
		return nil, err
	}
	return p.declareExtension(ctx, r, e)
}

// patchExtension changes settings and leaves the rest.
func (p *Provider) patchExtension(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.ExtensionPatch
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	old, err := p.readExtension(ctx, r)
	if err != nil {
		return nil, err
	}
	e := *old
	if in.Properties != nil {
		patchSettings(&e, in.Properties)
		changes, err := p.sealSettings(ctx, &e, in.Properties.ConfigurationProtectedSettings, old.Protected)
		if err != nil {
			return nil, err
		}
		e.Protected = overlay(old.Protected, changes)
	}
	return p.declareExtension(ctx, r, &e)
}

// declareExtension checks an extension and its storage location, writes it,
// and starts the work that installs it.
func (p *Provider) declareExtension(ctx context.Context, r *arm.Request, e *backup.Extension) (*arm.Response, error) {
	if err := refuse(e.Check()); err != nil {
		return nil, err
	}
	empty, err := p.checkLocation(ctx, r, e)
	if err != nil {
		return nil, err
	}
	var resp *arm.Response
	err = p.Store.Update(ctx, func(tx catalog.Tx) (err error) {
		written := *e // the transaction may be run again
		resp, err = p.storeExtension(tx, r, &written, empty)
		return err
	})
	return resp, err
}

func (p *Provider) storeExtension(tx catalog.Tx, r *arm.Request, e *backup.Extension, empty bool) (*arm.Response, error) {
	cluster, err := parentCluster(tx, r, r.ID.Parent())
	if err != nil {
		return nil, err
	}
	old, err := existing(inventory.Extensions.Get(tx, r.ID.String()))
	if err != nil {
		return nil, err
	}
	if err := r.Match(etagOf(baseOf(old))); err != nil {
		return nil, err
	}
	if err := checkOtherExtensions(tx, e, cluster); err != nil {
		return nil, err
	}
	e.Adopt(old)
	stamp(&e.Meta, baseOf(old), r, p.Clock.Now())
	switch {
	case old == nil:
		e.ClusterPrincipal = newGUID()
	case old.State == backup.StateDeleting:
		return nil, refuse(old.Busy("write it"))
	case e.SameAs(old) && old.State != backup.StateFailed:
		return p.unchangedExtension(tx, old)
	case !old.State.Terminal():
		return nil, refuse(old.Busy("change it"))
	}
	return p.installExtension(tx, r, e, cluster, old == nil, empty)
}

func (p *Provider) installExtension(tx catalog.Tx, r *arm.Request, e *backup.Extension, cluster *backup.Cluster, created, empty bool) (*arm.Response, error) {
	e.State, e.Problem = backup.StateUpdating, nil
	if created {
		e.State = backup.StateCreating
		e.Statuses = locationWarnings(e, empty, p.Clock.Now())
	}
	op, err := p.startExtensionWork(tx, r, e, cluster.Location, backup.WorkInstallExtension, false)
	return createdOr(created, p.extensionTo(e)).WithETag(e.ETag).WithOperation(op, pollExtension), err
}

// unchangedExtension answers a PUT that asks for what is declared already.
func (p *Provider) unchangedExtension(tx catalog.Tx, old *backup.Extension) (*arm.Response, error) {
	resp := arm.OK(p.extensionTo(old)).WithETag(old.ETag)
	if old.State.Terminal() {
		return resp, nil
	}
	op, err := operations.Get(tx, old.OperationID)
	return resp.WithOperation(op, pollExtension), err
}

func (p *Provider) startExtensionWork(tx catalog.Tx, r *arm.Request, e *backup.Extension, location string, kind backup.WorkKind, force bool) (operations.Record, error) {
	op, err := operations.Start(tx, p.Clock.Now(), operations.Record{
		Action: string(kind), Resource: e.ID, Location: location, Starter: r.Principal.ObjectID,
		ResultIsResource: kind == backup.WorkInstallExtension,
	})
	if err != nil {
		return op, err
	}
	e.OperationID = op.ID
	if err := inventory.Extensions.Put(tx, e); err != nil {
		return op, err
	}
	return op, inventory.Enqueue(tx, backup.Work{Kind: kind, Subject: e.ID, OperationID: op.ID, Force: force})
}

func (p *Provider) deleteExtension(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	force := r.Query.Get("forceDelete") == "true"
	var op operations.Record
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		e, err := inventory.Extensions.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		if err := r.Match(e.ETag); err != nil {
			return err
		}
		if e.State == backup.StateDeleting && !force {
			op, err = operations.Get(tx, e.OperationID)
			return err
		}
		cluster, err := parentCluster(tx, r, r.ID.Parent())
		if err != nil {
			return err
		}
		e.State = backup.StateDeleting
		op, err = p.startExtensionWork(tx, r, e, cluster.Location, backup.WorkDeleteExtension, force)
		return err
	})
	return accepted(err, op, pollExtension)
}
