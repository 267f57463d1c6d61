package agenthub

import (
	"errors"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// aliveStep is how much older the last sign of life must be to be written again.
const aliveStep = 30 * time.Second

// enrolled keeps what an agent tells that has just enrolled. The connector of a
// cluster is the truth about it: the programs of the cluster may call again, and
// those of every other resource that the cluster was connected as may not.
func (h *Hub) enrolled(tx catalog.Tx, agent Agent, facts agentv1.ClusterFacts) error {
	if agent.Role != agentv1.RoleConnector {
		return h.seen(tx, agent, facts, nil)
	}
	cluster, err := clusterOf(tx, agent)
	if err != nil {
		return err
	}
	others, err := inventory.ConnectedAs(tx, cluster.UID, cluster.ID)
	if err != nil {
		return err
	}
	for _, other := range others {
		if err := inventory.EndConnections(tx, other.ID, cluster.TakenOver()); err != nil {
			return err
		}
		h.Log.Warn("cluster taken over", "cluster", other.ID, "by", cluster.ID)
	}
	return errors.Join(inventory.AdmitConnections(tx, cluster.ID), h.note(tx, agent, facts, nil))
}

// seen keeps what an agent tells of itself and its cluster. An agent of a
// cluster that was deleted, disconnected or taken over is turned away.
func (h *Hub) seen(tx catalog.Tx, agent Agent, facts agentv1.ClusterFacts, health *agentv1.Health) error {
	if _, err := clusterOf(tx, agent); err != nil {
		return err
	}
	for _, role := range []string{backup.RoleConnector, string(agent.Role)} {
		c, err := inventory.Connections.Get(tx, backup.ConnectionID(agent.ClusterID, role))
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		if err == nil && c.Ended != nil {
			return &agentv1.Problem{Code: codeUnauthorized, Message: c.Ended.Message, Actions: c.Ended.Actions}
		}
	}
	return h.note(tx, agent, facts, health)
}

func clusterOf(tx catalog.Tx, agent Agent) (*backup.Cluster, error) {
	c, err := inventory.Clusters.Get(tx, agent.ClusterID)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, &agentv1.Problem{Code: codeUnauthorized, Message: "the cluster is not connected to this service any more"}
	}
	return c, err
}

func (h *Hub) note(tx catalog.Tx, agent Agent, facts agentv1.ClusterFacts, health *agentv1.Health) error {
	return inventory.Connections.Put(tx, &backup.Connection{
		Meta:     backup.Meta{ID: backup.ConnectionID(agent.ClusterID, string(agent.Role))},
		Role:     string(agent.Role),
		LastSeen: h.Clock.Now(),
		Facts:    backup.ClusterFacts(facts),
		Health:   healthFrom(health),
	})
}

// alive notes a sign of life of an agent that is busy and does not claim.
func (h *Hub) alive(tx catalog.Tx, agent Agent) error {
	connection, err := inventory.Connections.Get(tx, backup.ConnectionID(agent.ClusterID, string(agent.Role)))
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err != nil || h.Clock.Now().Sub(connection.LastSeen) < aliveStep {
		return err
	}
	connection.LastSeen = h.Clock.Now()
	return inventory.Connections.Put(tx, connection)
}

func healthFrom(health *agentv1.Health) *backup.Health {
	if health == nil {
		return nil
	}
	out := &backup.Health{Healthy: health.Healthy}
	for _, p := range health.Problems {
		out.Problems = append(out.Problems, problemFrom(p))
	}
	for _, w := range health.Warnings {
		out.Warnings = append(out.Warnings, backup.Warning{Resource: w.Resource, Problem: problemFrom(w.Problem)})
	}
	return out
}

func problemFrom(p agentv1.Problem) backup.Problem {
	return backup.Problem{Code: backup.Code(p.Code), Message: p.Message, Target: p.Target, Actions: p.Actions, Retryable: p.Retryable}
}

// unauthorized makes a 401 of a refused certificate; other errors stay.
func unauthorized(err error) error {
	var problem *agentv1.Problem
	if !errors.As(err, &problem) {
		return err
	}
	refused := *problem
	refused.Code = codeUnauthorized
	return &refused
}
