package workflow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// Levels of the lines about an extension.
const (
	levelError   = "Error"
	levelWarning = "Warning"
)

// waitsForCluster says what an operation of the connector that goes on waits for:
// for somebody to take it up, or for what the connector has told.
func (t *turn) waitsForCluster(e *backup.Extension, o agentops.Operation) error {
	if o.Attempts == 0 {
		c, err := inventory.Connections.Get(t.tx, backup.ConnectionID(o.ClusterID, string(o.Role)))
		if err := gone(err); err != nil {
			return err
		}
		if c != nil && c.Alive(t.now) {
			return t.waits(e, nil) // it will come for it at once
		}
		return t.waits(e, []backup.Problem{*backup.NewProblem(backup.CodeClusterNotConnected, o.ClusterID,
			"the connector of the cluster does not call the service; the operation waits for it")})
	}
	if o.Health == nil {
		return t.waits(e, nil)
	}
	var problems []backup.Problem
	for _, p := range o.Health.Problems {
		problems = append(problems, domainProblem(p))
	}
	return t.waits(e, problems)
}

// withRemedy is what a problem says, and the first thing to do about it: a line has
// no room of its own for that.
func withRemedy(p backup.Problem) string {
	if len(p.Actions) == 0 {
		return p.Message
	}
	return strings.TrimSuffix(p.Message, ".") + ". " + p.Actions[0]
}

// waits writes what stands in an extension's way into its statuses and those of
// its operation, where people look. Warnings stay; a line that is known keeps its time.
func (t *turn) waits(e *backup.Extension, problems []backup.Problem) error {
	var lines []backup.ExtensionStatus
	for _, s := range e.Statuses {
		if s.Level == levelWarning {
			lines = append(lines, s)
		}
	}
	for _, p := range problems {
		line := backup.ExtensionStatus{Code: string(p.Code), Level: levelError, Message: withRemedy(p), Time: t.now.Format(time.RFC3339)}
		for _, known := range e.Statuses {
			if known.Code == line.Code && known.Message == line.Message {
				line.Time = known.Time
			}
		}
		lines = append(lines, line)
	}
	if slices.Equal(lines, e.Statuses) {
		return nil
	}
	e.Statuses = lines
	if err := inventory.Extensions.Put(t.tx, e); err != nil {
		return err
	}
	properties, err := json.Marshal(map[string]any{"statuses": lines})
	if err != nil {
		return fmt.Errorf("statuses of %s: %w", e.ID, err)
	}
	return operations.Progress(t.tx, e.OperationID, properties)
}
