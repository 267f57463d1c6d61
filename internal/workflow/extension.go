package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
)

var extensionPatience = patience{whole: 30 * time.Minute, silence: 15 * time.Minute}

// connectPause is how often an installed extension is looked for.
const connectPause = 2 * time.Second

// installExtension has the connector install what was declared, then waits
// until the extension's agent calls and is well: whoever goes on after the
// installation may ask for a backup at once.
func (w *Workflow) installExtension(ctx context.Context, work backup.Work) (jobs.Result, error) {
	return w.extensionStep(ctx, work, agentv1.KindInstallExtension, func(t *turn, e *backup.Extension, o agentops.Operation) (jobs.Result, error) {
		if o.Outcome != agentv1.OutcomeSucceeded {
			return jobs.Done(), t.failExtension(e, problemOf(o))
		}
		connection, err := inventory.Connections.Get(t.tx, backup.ConnectionID(e.ClusterID(), backup.RoleExtension))
		if err := gone(err); err != nil {
			return jobs.Result{}, err
		}
		missing := lacking(e, connection, o)
		switch {
		case missing == nil:
			return jobs.Done(), t.installed(e, o)
		case !t.now.Before(o.Deadline):
			missing.Message += " (by " + o.Deadline.Format(time.RFC3339) + ")"
			return jobs.Done(), t.failExtension(e, missing)
		default:
			return jobs.Again(connectPause), t.waits(e, []backup.Problem{*missing})
		}
	})
}

// lacking is what an installation still waits for, nil when for nothing.
func lacking(e *backup.Extension, c *backup.Connection, o agentops.Operation) *backup.Problem {
	switch {
	case c == nil || !c.LastSeen.After(o.Created):
		return backup.NewProblem(backup.CodeClusterNotConnected, e.ClusterID(),
			"the extension is installed, but its agent has not called the service")
	case c.Health != nil && !c.Health.Healthy:
		return backup.NewProblem(backup.CodeExtensionUnhealthy, e.ID, "the extension is installed, but not healthy%s", c.Health.Why())
	default:
		return nil
	}
}

// deleteExtension has the connector remove the extension; with Force it is
// forgotten whatever the cluster says.
func (w *Workflow) deleteExtension(ctx context.Context, work backup.Work) (jobs.Result, error) {
	return w.extensionStep(ctx, work, agentv1.KindDeleteExtension, func(t *turn, e *backup.Extension, o agentops.Operation) (jobs.Result, error) {
		if o.Outcome != agentv1.OutcomeSucceeded && !work.Force {
			return jobs.Done(), t.failExtension(e, problemOf(o))
		}
		if err := inventory.Extensions.Delete(t.tx, e.ID); err != nil {
			return jobs.Result{}, err
		}
		err := gone(inventory.Connections.Delete(t.tx, backup.ConnectionID(e.ClusterID(), backup.RoleExtension)))
		return jobs.Done(), errors.Join(err, t.succeed(nil))
	})
}

// forcePatience is how long a forced deletion waits for the cluster.
var forcePatience = patience{whole: 2 * time.Minute, silence: time.Minute}

// extensionStep drives the connector's operation and hands it on when it has ended.
func (w *Workflow) extensionStep(ctx context.Context, work backup.Work, kind agentv1.Kind, ended func(*turn, *backup.Extension, agentops.Operation) (jobs.Result, error)) (jobs.Result, error) {
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		e, err := inventory.Extensions.Get(t.tx, work.Subject)
		if errors.Is(err, catalog.ErrNotFound) {
			return jobs.Done(), t.extensionGone(kind)
		}
		if err != nil || e.State.Terminal() || e.OperationID != work.OperationID {
			return jobs.Done(), err
		}
		patience := extensionPatience
		if work.Force {
			patience = forcePatience
		}
		started, err := t.started()
		if err != nil {
			return jobs.Result{}, err
		}
		o, err := t.connectorOperation(e, kind)
		if err != nil {
			return jobs.Result{}, err
		}
		if o, err = t.drive(errand{Operation: o, started: started, patience: patience}); err != nil {
			return jobs.Result{}, err
		}
		if o.State != agentops.Finished {
			return jobs.Again(lookAgain), t.waitsForCluster(e, o)
		}
		return ended(t, e, o)
	})
}

// connectorOperation is the operation for the connector; its secrets are put
// in when it is handed out.
func (t *turn) connectorOperation(e *backup.Extension, kind agentv1.Kind) (agentops.Operation, error) {
	var spec any = agentv1.DeleteExtension{Name: e.Name(), Force: t.work.Force}
	if kind == agentv1.KindInstallExtension {
		spec = agentv1.InstallExtension{
			Name: e.Name(), ExtensionType: e.Type, Version: e.Version, Settings: e.LongSettings(),
		}
	}
	o, err := newOperation(t.work.OperationID, e.ClusterID(), kind, spec)
	o.Role = agentv1.RoleConnector
	container, _ := e.ContainerID() // without one the connector is told so when it claims
	o.Refs = refs{Container: container}.pack()
	return o, err
}

// installed writes the extension as the cluster reported it.
func (t *turn) installed(e *backup.Extension, o agentops.Operation) error {
	var result agentv1.ExtensionResult
	if err := json.Unmarshal(o.Result, &result); err != nil {
		return t.failExtension(e, backup.NewProblem(backup.CodeInternal, e.ID, "the connector reported an installation without a readable result"))
	}
	e.State, e.Problem, e.CurrentVersion = backup.StateSucceeded, nil, result.Version
	e.Statuses = slices.DeleteFunc(e.Statuses, func(s backup.ExtensionStatus) bool { return s.Level != levelWarning })
	for _, health := range result.Statuses {
		e.Statuses = append(e.Statuses, statuses(health, t.now)...)
	}
	if err := inventory.Extensions.Put(t.tx, e); err != nil {
		return err
	}
	return t.succeed(nil)
}

// statuses are the lines about the extension that its health gives.
func statuses(h agentv1.Health, now time.Time) []backup.ExtensionStatus {
	var lines []backup.ExtensionStatus
	line := func(level string, p agentv1.Problem) {
		lines = append(lines, backup.ExtensionStatus{Code: p.Code, Level: level, Message: p.Message, Time: now.Format(time.RFC3339)})
	}
	for _, p := range h.Problems {
		line(levelError, p)
	}
	for _, w := range h.Warnings {
		line(levelWarning, w.Problem)
	}
	return lines
}

func (t *turn) failExtension(e *backup.Extension, p *backup.Problem) error {
	e.State, e.Problem = backup.StateFailed, p
	return errors.Join(inventory.Extensions.Put(t.tx, e), t.fail(p))
}

// extensionGone ends the work on an extension whose document was removed
// meanwhile, with its cluster for example.
func (t *turn) extensionGone(kind agentv1.Kind) error {
	if kind == agentv1.KindDeleteExtension {
		return t.succeed(nil)
	}
	return t.fail(backup.NewProblem(backup.CodeResourceNotFound, t.work.Subject, "extension %s does not exist any more", t.work.Subject))
}
