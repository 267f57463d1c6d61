package provider

import (
	"context"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
	"holdfast.dev/holdfast/internal/resourceid"
)

const (
	typeBinding = typeCluster + "/trustedAccessRoleBindings"
	bindingPath = clusterPath + "/trustedAccessRoleBindings/{binding}"
)

func (p *Provider) trustedAccessBindings() arm.Type {
	return arm.Type{
		Name: typeBinding, Path: bindingPath,
		Get: get(p.Store, inventory.Bindings.Get, alone(bindingTo)), Put: p.putBinding, Delete: p.deleteBinding,
		Lists: []arm.List{{Path: clusterPath + "/trustedAccessRoleBindings",
			Handler: list(p.Store, exists(inventory.Clusters.Get), inventory.Bindings.Page, alone(bindingTo))}},
	}
}

func (p *Provider) putBinding(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.TrustedAccessBinding
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if in.Properties == nil {
		return nil, required("properties")
	}
	b := &backup.TrustedAccessBinding{SourceID: in.Properties.SourceResourceID, Roles: in.Properties.Roles}
	if err := refuse(b.Check()); err != nil {
		return nil, err
	}
	var resp *arm.Response
	err := p.Store.Update(ctx, func(tx catalog.Tx) (err error) {
		resp, err = p.storeBinding(tx, r, b)
		return err
	})
	return resp, err
}

func (p *Provider) storeBinding(tx catalog.Tx, r *arm.Request, b *backup.TrustedAccessBinding) (*arm.Response, error) {
	cluster, err := parentCluster(tx, r, r.ID.Parent())
	if err != nil {
		return nil, err
	}
	old, err := existing(inventory.Bindings.Get(tx, r.ID.String()))
	if err != nil {
		return nil, err
	}
	if err := r.Match(etagOf(baseOf(old))); err != nil {
		return nil, err
	}
	vault, err := existing(vaultHereOrThere(tx, b.SourceID))
	if err != nil {
		return nil, err
	}
	if vault == nil {
		return nil, missing("properties.sourceResourceId", "vault", b.SourceID)
	}
	if err := requireLinked(r, typeVault+"/read", vault.ID); err != nil {
		return nil, err
	}
	if old != nil && !backup.SameID(old.SourceID, b.SourceID) {
		return nil, refuse(backup.Invalid("properties.sourceResourceId", "the binding is for %s and cannot be given to another vault", old.SourceID))
	}
	stamp(&b.Meta, baseOf(old), r, p.Clock.Now())
	if err := inventory.Bindings.Put(tx, b); err != nil {
		return nil, err
	}
	op, err := p.doneAt(tx, r, b.ID, cluster.Location, typeBinding+"/write")
	return createdOr(old == nil, bindingTo(b)).WithETag(b.ETag).WithOperation(op, arm.Poll{Status: pollCluster.Status}), err
}

// parentCluster reads the cluster that the resource lies on.
func parentCluster(tx catalog.Tx, r *arm.Request, id resourceid.ID) (*backup.Cluster, error) {
	cluster, err := existing(inventory.Clusters.Get(tx, id.String()))
	if err == nil && cluster == nil {
		err = arm.ParentNotFound(r.ID)
	}
	return cluster, err
}

// doneAt records an operation that is over already.
func (p *Provider) doneAt(tx catalog.Tx, r *arm.Request, id, location, action string) (operations.Record, error) {
	return operations.StartDone(tx, p.Clock.Now(), operations.Record{
		Action: action, Resource: id, Location: location, Starter: r.Principal.ObjectID, ResultIsResource: true,
	})
}

func (p *Provider) deleteBinding(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var op operations.Record
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		b, err := inventory.Bindings.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		if err := r.Match(b.ETag); err != nil {
			return err
		}
		cluster, err := parentCluster(tx, r, r.ID.Parent())
		if err != nil {
			return err
		}
		if err := inventory.Bindings.Delete(tx, b.ID); err != nil {
			return err
		}
		op, err = p.doneAt(tx, r, b.ID, cluster.Location, typeBinding+"/delete")
		return err
	})
	return accepted(err, op, pollCluster)
}

func bindingTo(b *backup.TrustedAccessBinding) v1.TrustedAccessBinding {
	return v1.TrustedAccessBinding{Resource: envelope(&b.Meta), Properties: &v1.TrustedAccessProperties{
		SourceResourceID: b.SourceID, Roles: b.Roles, ProvisioningState: provisioning(b.State),
	}}
}

// trustedAccessRoles lists the one role that a vault can be given in a cluster.
func (p *Provider) trustedAccessRoles() arm.Type {
	const path = subscriptionPath + "/providers/Microsoft.ContainerService/locations/{location}"
	return arm.Type{
		Name: "Microsoft.ContainerService/locations/trustedAccessRoles",
		Actions: []arm.Action{{Name: "trustedAccessRoles", Method: "GET", Path: path, Handler: listTrustedAccessRoles,
			Action: "Microsoft.ContainerService/locations/trustedAccessRoles/read"}},
	}
}

// listTrustedAccessRoles shows what the extension may do in a cluster, which
// is what the role stands for here.
func listTrustedAccessRoles(context.Context, *arm.Request) (*arm.Response, error) {
	every := []string{"*"}
	return arm.OK(v1.List[v1.TrustedAccessRole]{Value: []v1.TrustedAccessRole{{
		Name: "backup-operator", SourceResourceType: typeVault,
		Rules: []v1.TrustedAccessRule{{APIGroups: every, Resources: every, Verbs: every, ResourceNames: []string{}, NonResourceURLs: []string{}}},
	}}}), nil
}
