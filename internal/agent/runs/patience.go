package runs

import (
	"fmt"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/clock"
)

// patience ends the waiting for a run whose controller does not report. The
// controller ends every run by its deadline; this is for when it is away.
type patience struct {
	clock  clock.Clock
	pickup time.Duration
	grace  time.Duration

	begun     time.Time // when this client began to look
	cancelled time.Time // when it first saw spec.cancel
}

// exceeded returns the problem to fail with when the run took too long.
func (p *patience) exceeded(r run) *agentv1.Problem {
	now := p.clock.Now()
	if p.begun.IsZero() {
		p.begun = now
	}
	if r.spec.Cancel && p.cancelled.IsZero() {
		p.cancelled = now
	}
	seen := r.status.Phase != "" && r.status.Phase != v1alpha1.PhasePending
	switch {
	case !seen && now.Sub(p.begun) > p.pickup:
		return tracking(r, fmt.Sprintf("The controller did not begin the run within %s.", p.pickup))
	case !p.cancelled.IsZero() && now.Sub(p.cancelled) > p.grace:
		return tracking(r, fmt.Sprintf("The run did not end within %s after it was cancelled.", p.grace))
	case r.spec.Deadline != nil && now.Sub(r.spec.Deadline.Time) > p.grace:
		return tracking(r, fmt.Sprintf("The run did not end within %s after its deadline.", p.grace))
	}
	return nil
}

func tracking(r run, message string) *agentv1.Problem {
	return &agentv1.Problem{
		Code: CodeTracking, Message: message, Target: r.object.GetName(), Retryable: true,
		Actions: []string{
			"Check that the pods of the extension run: kubectl -n " + r.object.GetNamespace() + " get pods.",
			"If they cannot be scheduled, add a node; if they were killed for memory, raise resources.limits.memory.",
		},
	}
}
