package restore

import (
	"sync"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
)

// reportEvery is how often progress inside a stage is told at most.
const reportEvery = time.Second

// reporter tells how far the restore is.
type reporter struct {
	report func(agentv1.Progress)
	clock  clock.Clock

	mu    sync.Mutex
	name  string
	items int64
	total int64
	told  time.Time
	loads map[*Item]agentv1.Progress
}

// loaded tells how far the data of one volume is.
func (r *reporter) loaded(item *Item, p agentv1.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loads == nil {
		r.loads = map[*Item]agentv1.Progress{}
	}
	r.loads[item] = p
	if r.clock.Now().Sub(r.told) >= reportEvery {
		r.tell()
	}
}

func (r *reporter) phase(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name = name
	r.tell()
}

func (r *reporter) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items++
	if r.clock.Now().Sub(r.told) >= reportEvery {
		r.tell()
	}
}

func (r *reporter) tell() {
	r.told = r.clock.Now()
	if r.report != nil {
		p := agentv1.Progress{Phase: r.name, ItemsDone: r.items, ItemsTotal: r.total}
		waits := ""
		for _, one := range r.loads {
			p.BytesDone += one.BytesDone
			p.BytesTotal += one.BytesTotal
			if one.Phase != "" && (waits == "" || one.Phase < waits) { // the same every time
				waits = one.Phase
			}
		}
		if waits != "" {
			p.Phase += "; " + waits
		}
		r.report(p)
	}
}
