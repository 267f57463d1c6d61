package restore

import (
	"sync"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/progress"
	"holdfast.dev/holdfast/internal/clock"
)

// reportEvery is how often progress inside a stage is told at most.
const reportEvery = time.Second

// reporter tells how far the restore is.
type reporter struct {
	report func(agentv1.Progress)
	clock  clock.Clock

	mu      sync.Mutex
	name    string
	items   int64
	total   int64
	told    time.Time
	volumes progress.Sum[*Item] // that claims are to get
}

// expect says what is to be done.
func (r *reporter) expect(stages []Stage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total = count(stages)
	for _, stage := range stages {
		for _, item := range stage.Items {
			switch fill := item.Fill; {
			case fill == nil:
			case fill.Stream != "":
				r.volumes.Move(item, max(fill.SizeBytes, fill.RestoreSizeBytes))
			default:
				r.volumes.Make(item)
			}
		}
	}
}

// loaded tells how far the data of one volume is.
func (r *reporter) loaded(item *Item, p agentv1.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.volumes.Tell(item, p)
	r.tellSoon()
}

func (r *reporter) phase(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name = name
	r.tell()
}

// done counts an item that is over.
func (r *reporter) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items++
	r.tellSoon()
}

// settled counts a claim that has its volume, or will not get it. It may be repeated.
func (r *reporter) settled(item *Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.volumes.End(item) {
		r.items++
		r.tellSoon()
	}
}

func (r *reporter) tellSoon() {
	if r.clock.Now().Sub(r.told) >= reportEvery {
		r.tell()
	}
}

func (r *reporter) tell() {
	r.told = r.clock.Now()
	if r.report == nil {
		return
	}
	p := r.volumes.Of(r.items, r.total)
	if p.Phase != "" {
		p.Phase = "; " + p.Phase
	}
	p.Phase = r.name + p.Phase
	r.report(p)
}
