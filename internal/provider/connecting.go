package provider

import (
	"context"
	"strings"
	"time"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const connectAction = typeCluster + "/createConnectToken/action"

// createConnectToken issues what the connector of a cluster enrols with.
func (p *Provider) createConnectToken(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.ConnectTokenRequest
	if err := decodeOptional(r, &in); err != nil {
		return nil, err
	}
	var out v1.ConnectToken
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		c, err := inventory.Clusters.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		if err := p.recognise(tx, r, c, in); err != nil {
			return err
		}
		token, expires, err := p.Tokens.IssueEnrolment(tx, c.ID, backup.RoleConnector)
		out = v1.ConnectToken{Token: token, ExpiresAt: arm.FormatTime(expires), ClusterID: c.ID,
			AgentAddress: p.AgentAddress, ServiceCA: p.ServiceCA}
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.OK(out), nil
}

// recognise notes which Kubernetes cluster a resource is to stand for. To take
// one over from another resource, a caller must be allowed to connect that too.
// Nothing happens to the other until the connector has enrolled.
func (p *Provider) recognise(tx catalog.Tx, r *arm.Request, c *backup.Cluster, in v1.ConnectTokenRequest) error {
	if in.ClusterUID == "" {
		return nil
	}
	others, err := inventory.ConnectedAs(tx, in.ClusterUID, c.ID)
	if err != nil {
		return err
	}
	for i := range others {
		if !in.TakeOver {
			return refuse(others[i].AlreadyConnected())
		}
		if err := requireLinked(r, connectAction, others[i].ID); err != nil {
			return err
		}
	}
	if c.UID != "" && !strings.EqualFold(in.ClusterUID, c.UID) && !in.TakeOver {
		connector, err := existing(inventory.Connections.Get(tx, backup.ConnectionID(c.ID, backup.RoleConnector)))
		if err != nil {
			return err
		}
		if connector != nil && connector.Alive(p.Clock.Now()) {
			return refuse(c.NameTaken())
		}
	}
	c.UID = in.ClusterUID
	return inventory.Clusters.Put(tx, c)
}

// disconnectCluster has the programs of a cluster turned away, until it is
// connected again. Taking them out of the cluster is up to the caller.
func (p *Provider) disconnectCluster(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.DisconnectRequest
	if err := decodeOptional(r, &in); err != nil {
		return nil, err
	}
	var out v1.Cluster
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		c, err := inventory.Clusters.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		if err := isOf(tx, c, in.ClusterUID); err != nil {
			return err
		}
		if err := inventory.EndConnections(tx, c.ID, c.Disconnected()); err != nil {
			return err
		}
		out, err = p.clusterTo(tx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.OK(out), nil
}

// isOf refuses what is meant for the Kubernetes cluster with that uid when c
// stands for another, or is not what that one is connected as.
func isOf(tx catalog.Tx, c *backup.Cluster, uid string) error {
	if uid == "" || c.UID == "" {
		return nil
	}
	if !strings.EqualFold(uid, c.UID) {
		return refuse(c.IsAnother(uid))
	}
	connector, err := existing(inventory.Connections.Get(tx, backup.ConnectionID(c.ID, backup.RoleConnector)))
	if err != nil || (connector != nil && connector.Ended == nil) {
		return err
	}
	others, err := inventory.ConnectedAs(tx, uid, c.ID)
	if err != nil || len(others) == 0 {
		return err
	}
	return refuse(others[0].ConnectedAs(c.ID))
}

// decodeOptional reads a body that may be left out.
func decodeOptional(r *arm.Request, v any) error {
	if len(r.Body) == 0 {
		return nil
	}
	return r.Decode(v)
}

// connected is the state of a program that was heard of lately.
const connected = "Connected"

func connectionState(c *backup.Connection, now time.Time) (state, lastSeen string) {
	switch {
	case c == nil || c.LastSeen.IsZero():
		return "NeverConnected", ""
	case c.Alive(now):
		return connected, arm.FormatTime(c.LastSeen)
	default:
		return "Disconnected", arm.FormatTime(c.LastSeen)
	}
}
