package restore

import (
	"fmt"
	"sync"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/transform"
)

// Limits of what a result lists; the rest is counted.
const (
	maxLines    = 1000
	maxWarnings = 1000
)

// CodeWarning is the code of every warning of a restore; the message begins
// with the code of the result line or note.
const CodeWarning = "KubernetesBackupGenericWarning"

// outcome is what became of one object.
type outcome struct {
	action    agentv1.ItemAction // empty: not reached
	reason    Reason
	notes     []transform.Note
	again     bool // worth another try when everything else is there
	transient bool
	filled    bool // a claim that has its data
}

// tally keeps the outcomes. It is safe for concurrent use.
type tally struct {
	mu       sync.Mutex
	outcomes map[*Item]outcome
}

func newTally() *tally { return &tally{outcomes: map[*Item]outcome{}} }

func (t *tally) set(item *Item, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outcomes[item] = o
}

func (t *tally) get(item *Item) outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outcomes[item]
}

func (t *tally) note(item *Item, note transform.Note) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.outcomes[item]
	for _, n := range o.notes {
		if n == note {
			return
		}
	}
	o.notes = append(o.notes, note)
	t.outcomes[item] = o
}

// items returns the items that ended in one way, in the order of the plan.
func (t *tally) items(stages []Stage, action agentv1.ItemAction) []*Item {
	return t.pick(stages, func(o outcome) bool { return o.action == action })
}

// refused returns the items worth another try.
func (t *tally) refused(stages []Stage) []*Item {
	return t.pick(stages, func(o outcome) bool { return o.again })
}

func (t *tally) pick(stages []Stage, want func(outcome) bool) []*Item {
	t.mu.Lock()
	defer t.mu.Unlock()
	var picked []*Item
	for _, stage := range stages {
		for _, item := range stage.Items {
			if want(t.outcomes[item]) {
				picked = append(picked, item)
			}
		}
	}
	return picked
}

// result says of every object what became of it.
func (t *tally) result(stages []Stage) (agentv1.RestoreResult, []agentv1.Warning) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := summary{}
	for _, stage := range stages {
		for _, item := range stage.Items {
			o := t.outcomes[item]
			if o.action == "" {
				o.action = agentv1.ItemFailed
				o.reason = Reason{Code: codeNotReached, Message: "the restore ended before its turn", Warn: false}
			}
			s.add(item, o)
		}
	}
	return s.end()
}

// foretold says of every object what the plan means to do with it.
func (t *tally) foretold(stages []Stage) (agentv1.RestoreResult, []agentv1.Warning) {
	actions := map[Action]agentv1.ItemAction{
		Create: agentv1.ItemCreated, Resume: agentv1.ItemCreated, Patch: agentv1.ItemPatched, Merge: agentv1.ItemPatched,
		Skip: agentv1.ItemSkipped, Refuse: agentv1.ItemFailed,
	}
	s := summary{}
	for _, stage := range stages {
		for _, item := range stage.Items {
			s.add(item, outcome{action: actions[item.Action], reason: item.Reason, filled: item.Fill != nil})
		}
	}
	return s.end()
}

type summary struct {
	result   agentv1.RestoreResult
	warnings []agentv1.Warning
	unlisted int
}

func (s *summary) add(item *Item, o outcome) {
	s.count(o)
	if o.action != agentv1.ItemCreated {
		s.line(item, o)
	}
	if o.reason.Warn {
		s.warn(item, o.reason.Code, o.reason.Message)
	}
	for _, note := range o.notes {
		s.warn(item, note.Code, note.Message)
	}
}

func (s *summary) count(o outcome) {
	switch o.action {
	case agentv1.ItemCreated:
		s.result.Created++
	case agentv1.ItemPatched:
		s.result.Patched++
	case agentv1.ItemUnchanged:
		s.result.Unchanged++
	case agentv1.ItemSkipped:
		s.result.Skipped++
	case agentv1.ItemFailed:
		s.result.Failed++
	}
	if o.filled {
		s.result.Volumes++
	}
}

func (s *summary) line(item *Item, o outcome) {
	if len(s.result.Items) == maxLines {
		s.result.Omitted++
		return
	}
	s.result.Items = append(s.result.Items, agentv1.Item{
		Resource: item.Target.Resource(), Namespace: item.Target.Namespace, Name: item.Target.Name,
		Action: o.action, Code: o.reason.Code, Reason: o.reason.Message,
	})
}

func (s *summary) warn(item *Item, code, message string) {
	if len(s.warnings) == maxWarnings-1 {
		s.unlisted++
		return
	}
	s.warnings = append(s.warnings, agentv1.Warning{Resource: item.Target.String(),
		Problem: agentv1.Problem{Code: CodeWarning, Target: item.Target.String(), Message: code + ": " + message}})
}

func (s *summary) end() (agentv1.RestoreResult, []agentv1.Warning) {
	if s.unlisted > 0 {
		s.warnings = append(s.warnings, agentv1.Warning{
			Problem: agentv1.Problem{Code: CodeWarning, Message: fmt.Sprintf("%d more warnings are not listed.", s.unlisted)}})
	}
	return s.result, s.warnings
}
