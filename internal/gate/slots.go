package gate

import (
	"sync"

	"golang.org/x/time/rate"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate/grants"
)

// burst is how many bytes may pass before a limit of the rate is felt.
const burst = 1 << 20

// slots bounds the requests under way, in all and for each grant. Who finds no
// slot is turned away at once: to let callers wait would cost memory.
type slots struct {
	limits Limits

	mu    sync.Mutex
	taken int
	by    map[grants.Grant]*slot
}

// slot is what requests under one grant share.
type slot struct {
	grant   grants.Grant
	taken   int
	in, out *rate.Limiter // nil without a limit
}

func newSlots(limits Limits) *slots { return &slots{limits: limits, by: map[grants.Grant]*slot{}} }

func (s *slots) take(grant grants.Grant) (*slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.limits.Requests {
		return nil, refusal(agentv1.CodeGateStoreUnavailable, "the gate is busy; try again")
	}
	of, ok := s.by[grant]
	if !ok {
		of = &slot{grant: grant}
		if bps := s.limits.BytesPerSecond; bps > 0 {
			of.in, of.out = rate.NewLimiter(rate.Limit(bps), burst), rate.NewLimiter(rate.Limit(bps), burst)
		}
	}
	if of.taken >= s.limits.PerGrant {
		return nil, refusal(agentv1.CodeGateTooMany, "too many requests at the same time under this grant; try again")
	}
	s.by[grant] = of
	of.taken++
	s.taken++
	return of, nil
}

func (s *slots) give(of *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if of.taken--; of.taken == 0 {
		delete(s.by, of.grant)
	}
}
