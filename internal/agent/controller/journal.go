package controller

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// maxWarnings is how many warnings a status holds; the last one counts the rest.
const maxWarnings = 1000

// journal is what a task tells about itself while it works. It is safe for
// concurrent use.
type journal struct {
	mu            sync.Mutex
	step, message string
	progress      agentv1.Progress
	warnings      []agentv1.Warning
	dropped       int
}

// begin says which step runs now; the progress starts over.
func (j *journal) begin(step, message string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.step, j.message = step, message
	j.progress = agentv1.Progress{Phase: step}
}

// report says how far the step is.
func (j *journal) report(p agentv1.Progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p.Phase == "" {
		p.Phase = j.step
	}
	j.progress = p
}

// warn adds warnings.
func (j *journal) warn(warnings ...agentv1.Warning) {
	j.mu.Lock()
	defer j.mu.Unlock()
	room := min(len(warnings), max(0, maxWarnings-1-len(j.warnings)))
	j.warnings = append(j.warnings, warnings[:room]...)
	j.dropped += len(warnings) - room
}

// now returns the current step, its message and progress.
func (j *journal) now() (step, message string, progress agentv1.Progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.step, j.message, j.progress
}

// listWarnings returns all warnings, at most maxWarnings.
func (j *journal) listWarnings() []agentv1.Warning {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := slices.Clone(j.warnings)
	if j.dropped > 0 {
		list = append(list, agentv1.Warning{Problem: agentv1.Problem{
			Code: "KubernetesBackupGenericWarning", Message: fmt.Sprintf("%d more warnings are not listed.", j.dropped)}})
	}
	return list
}

// counter reports items that are done one by one. It is safe for concurrent use.
type counter struct {
	journal *journal
	done    atomic.Int64
	total   int64
}

func (c *counter) add() {
	c.journal.report(agentv1.Progress{ItemsDone: c.done.Add(1), ItemsTotal: c.total})
}
