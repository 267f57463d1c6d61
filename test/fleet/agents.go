package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/session"
	"holdfast.dev/holdfast/internal/clock"
)

// agents are the programs of all clusters: they speak the real protocol over TLS,
// and their backups are nothing but time.
type agents struct {
	ctx   context.Context
	dir   string // of their identities
	log   *slog.Logger
	size  size
	count *counts
	done  sync.WaitGroup
}

// cluster is what the programs of one cluster have in common.
type cluster struct {
	*agents
	name string
}

// connect enrols the connector of a cluster and lets it work.
func (a *agents) connect(name string, token map[string]any) {
	c := cluster{a, name}
	c.work("connector", 1, token["agentAddress"].(string), token["serviceCa"].(string), token["token"].(string))
}

// work runs one program until the agents' context ends.
func (c cluster) work(role string, slots int, address, ca, token string) {
	c.done.Go(func() {
		for c.ctx.Err() == nil {
			err := c.serve(role, slots, address, ca, token)
			if c.ctx.Err() == nil {
				c.log.Error("agent ended", "cluster", c.name, "role", role, "error", err)
				_ = pause(c.ctx, time.Second) // the loop asks the context
			}
		}
	})
}

func (c cluster) serve(role string, slots int, address, ca, token string) error {
	connected, err := session.Connect(c.ctx, session.Config{
		Address: address, ServiceCA: []byte(ca), Token: token, Store: session.FileStore{Path: filepath.Join(c.dir, c.name+"-"+role)},
		Clock: clock.System{}, Log: c.log,
	}, agentv1.ClusterFacts{KubernetesVersion: "v1.37.2", Nodes: 1})
	if err != nil {
		return err
	}
	worker := &session.Worker{
		Client: connected, Handler: c, Slots: slots, Log: c.log,
		Facts:  func(context.Context) agentv1.ClusterFacts { return agentv1.ClusterFacts{Nodes: 1} },
		Health: func(context.Context) *agentv1.Health { return &agentv1.Health{Healthy: true} },
	}
	return worker.Run(c.ctx)
}

// Handle carries out one operation.
func (c cluster) Handle(ctx context.Context, o agentv1.Operation, report session.Report) session.Result {
	value, err := c.handle(ctx, o, report)
	if err == nil {
		var raw json.RawMessage
		if raw, err = json.Marshal(value); err == nil {
			return session.Result{Outcome: agentv1.OutcomeSucceeded, Value: raw}
		}
	}
	return session.Failure(agentv1.Problem{Code: "FleetError", Message: err.Error()})
}

func (c cluster) handle(ctx context.Context, o agentv1.Operation, report session.Report) (any, error) {
	switch o.Kind {
	case agentv1.KindInstallExtension:
		var spec agentv1.InstallExtension
		if err := json.Unmarshal(o.Spec, &spec); err != nil {
			return nil, err
		}
		c.work("extension", c.size.Slots, spec.AgentAddress, spec.ServiceCA, spec.Token)
		return agentv1.ExtensionResult{Version: "0.1.0"}, nil
	case agentv1.KindBackup:
		return c.backup(ctx, o, report)
	case agentv1.KindValidateBackup:
		return struct{}{}, nil
	}
	return nil, fmt.Errorf("operations of kind %s are not simulated", o.Kind)
}

// backup takes its time.
func (c cluster) backup(ctx context.Context, o agentv1.Operation, report session.Report) (any, error) {
	var spec agentv1.Backup
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return nil, err
	}
	end := c.count.begin(spec.InstanceID, spec.RecoveryPointID, time.Now())
	defer end()
	report.Progress(agentv1.Progress{Phase: "Collect", ItemsDone: 1})
	if err := pause(ctx, c.size.Work); err != nil {
		return nil, err // the lease is lost: the operation is offered again
	}
	return agentv1.BackupResult{RecoveryPointID: spec.RecoveryPointID, CutAt: time.Now().UTC(), Objects: 1, BytesStored: 1,
		Namespaces: spec.Selection.IncludedNamespaces}, nil
}
