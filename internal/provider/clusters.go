package provider

import (
	"context"
	"errors"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const (
	typeCluster = "Microsoft.ContainerService/managedClusters"
	clusterPath = groupPath + "/providers/Microsoft.ContainerService/managedClusters/{cluster}"
)

// pollCluster follows trusted access bindings.
var pollCluster = arm.Poll{
	Status: subscriptionPath + "/providers/Microsoft.ContainerService/locations/{location}/operations/{operation}",
	Result: subscriptionPath + "/providers/Microsoft.ContainerService/locations/{location}/operationresults/{operation}",
}

func (p *Provider) clusters() arm.Type {
	all := list(p.Store, nil, inventory.Clusters.Page, p.clusterTo)
	return arm.Type{
		Name: typeCluster, Path: clusterPath,
		Get: get(p.Store, inventory.Clusters.Get, p.clusterTo), Put: p.putCluster, Delete: remove(p.Store, inventory.Clusters.Get, forgetCluster),
		Lists: []arm.List{
			{Path: subscriptionPath + "/providers/" + typeCluster, Handler: all},
			{Path: groupPath + "/providers/" + typeCluster, Handler: all},
		},
		Actions: []arm.Action{{Name: "createConnectToken", Handler: p.createConnectToken}, {Name: "disconnect", Handler: p.disconnectCluster}},
	}
}

func (p *Provider) putCluster(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.Cluster
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if in.Location == "" {
		return nil, required("location")
	}
	var resp *arm.Response
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		old, err := existing(inventory.Clusters.Get(tx, r.ID.String()))
		if err != nil {
			return err
		}
		if err := r.Match(etagOf(baseOf(old))); err != nil {
			return err
		}
		c, err := clusterFrom(in, old)
		if err != nil {
			return err
		}
		stamp(&c.Meta, baseOf(old), r, p.Clock.Now())
		if err := inventory.Clusters.Put(tx, c); err != nil {
			return err
		}
		out, err := p.clusterTo(tx, c)
		resp = createdOr(old == nil, out).WithETag(c.ETag)
		return err
	})
	return resp, err
}

// createdOr answers 201 for a new resource and 200 for a changed one.
func createdOr(created bool, body any) *arm.Response {
	if created {
		return arm.Created(body)
	}
	return arm.OK(body)
}

// clusterFrom reads a cluster. It always has a system-assigned identity: the
// rights over its snapshots are given to that.
func clusterFrom(in v1.Cluster, old *backup.Cluster) (*backup.Cluster, error) {
	c := &backup.Cluster{}
	c.Location, c.Tags = plainLocation(in.Location), in.Tags
	if in.Properties != nil {
		c.DNSPrefix, c.NodeGroup = in.Properties.DNSPrefix, in.Properties.NodeResourceGroup
	}
	if in.Identity == nil {
		in.Identity = &v1.Identity{Type: backup.IdentitySystem}
	}
	var before backup.Identity
	if old != nil {
		before, c.UID = old.Identity, old.UID
		if err := refuse(backup.SameLocation(c.Meta, old.Meta)); err != nil {
			return nil, err
		}
	}
	var err error
	if c.Identity, err = identityFrom(in.Identity, before); err == nil && !c.Identity.HasSystem() {
		err = refuse(backup.Invalid("identity.type", "a connected cluster needs a system-assigned identity"))
	}
	return c, err
}

// forgetCluster removes a cluster with everything declared on it. What was
// backed up from it stays and can be restored to another.
func forgetCluster(tx catalog.Tx, r *arm.Request, c *backup.Cluster) error {
	return errors.Join(
		deleteBelow(tx, inventory.Extensions, c.ID),
		deleteBelow(tx, inventory.Bindings, c.ID),
		deleteBelow(tx, inventory.Connections, c.ID),
		inventory.DeleteAssignmentsIn(tx, r.ID),
		inventory.Clusters.Delete(tx, c.ID))
}

// deleteBelow removes every document of a collection below parent.
func deleteBelow[T any, P interface {
	*T
	Base() *backup.Meta
}](tx catalog.Tx, c inventory.Collection[T, P], parent string) error {
	all, err := c.Below(tx, parent)
	if err != nil {
		return err
	}
	for i := range all {
		if err := c.Delete(tx, P(&all[i]).Base().ID); err != nil {
			return err
		}
	}
	return nil
}

// clusterTo shows a cluster with what is known of its connection.
func (p *Provider) clusterTo(tx catalog.Tx, c *backup.Cluster) (v1.Cluster, error) {
	now := p.Clock.Now()
	connector, err := existing(inventory.Connections.Get(tx, backup.ConnectionID(c.ID, backup.RoleConnector)))
	if err != nil {
		return v1.Cluster{}, err
	}
	extension, err := existing(inventory.Connections.Get(tx, backup.ConnectionID(c.ID, backup.RoleExtension)))
	if err != nil {
		return v1.Cluster{}, err
	}
	out := v1.Cluster{Resource: envelope(&c.Meta), Properties: &v1.ClusterProperties{
		DNSPrefix: c.DNSPrefix, NodeResourceGroup: c.NodeGroup,
		ProvisioningState:  string(backup.StateSucceeded),
		PowerState:         &v1.PowerState{Code: "Stopped"},
		HoldfastConnection: &v1.ClusterConnection{},
	}}
	out.Identity = p.identityTo(c.Identity, nil)
	out.ETag = c.ETag
	shown := out.Properties.HoldfastConnection
	shown.State, shown.LastSeen = connectionState(connector, now)
	shown.ExtensionState, shown.ExtensionLastSeen = connectionState(extension, now)
	shown.ClusterUID = c.UID
	if shown.State == connected {
		out.Properties.PowerState.Code = "Running"
	}
	if connector != nil {
		f := connector.Facts
		shown.Reason = errorInfo(connector.Ended)
		shown.AgentVersion, shown.Nodes, shown.Architectures = f.AgentVersion, f.Nodes, f.Architectures
		out.Properties.KubernetesVersion, out.Properties.CurrentKubernetesVersion = f.KubernetesVersion, f.KubernetesVersion
	}
	return out, nil
}
