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

// seen keeps what an agent tells of itself and its cluster. An agent of a
// cluster that was deleted is turned away.
func (h *Hub) seen(tx catalog.Tx, agent Agent, facts agentv1.ClusterFacts, health *agentv1.Health) error {
	if _, err := inventory.Clusters.Get(tx, agent.ClusterID); err != nil {
		if errors.Is(err, catalog.ErrNotFound) {
			return &agentv1.Problem{Code: codeUnauthorized, Message: "the cluster is not connected to this service any more"}
		}
		return err
	}
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
