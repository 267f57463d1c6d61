package restore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/order"
	"holdfast.dev/holdfast/internal/agent/restore/transform"
)

// workers is how many objects are worked on at the same time; how many
// requests are under way is the pace's matter.
const workers = 64

// work is one run under way.
type work struct {
	*Restorer
	run     Run
	archive *Archive
	live    Live
	chosen  selection
	rules   transform.Rules
	stages  []Stage
	tally   *tally
	uids    uidMap
	say     *reporter
}

func newWork(r *Restorer, run Run, archive *Archive, report func(agentv1.Progress)) (*work, error) {
	chosen, err := newSelection(run.Spec.Selection, r.deps.OwnNamespace)
	if err != nil {
		return nil, err
	}
	return &work{
		Restorer: r, run: run, archive: archive, chosen: chosen, tally: newTally(),
		rules: transform.Rules{Namespaces: run.Spec.NamespaceMappings},
		say:   &reporter{report: report, clock: r.deps.Clock},
	}, nil
}

func (w *work) plan(ctx context.Context) error {
	w.say.phase("plan")
	leaving, err := w.awaitNamespaces(ctx)
	if err != nil {
		return err
	}
	live, err := w.readLive(ctx, leaving)
	if err != nil {
		return fmt.Errorf("look at the target cluster: %w", err)
	}
	w.live = live
	w.rules.KeepFinalizer = live.keepFinalizer
	w.stages, err = Plan(w.archive, live, w.run.Spec, w.deps.OwnNamespace)
	return err
}

// carryOut applies the plan. It goes on past objects that fail, and stops only
// when the context ends.
func (w *work) carryOut(ctx context.Context) error {
	w.uids.fill(w.stages, w.live)
	w.say.expect(w.stages)
	for _, stage := range w.stages {
		w.say.phase(stage.Order.String())
		if err := w.stage(ctx, stage); err != nil {
			return fmt.Errorf("restore %s: %w", stage.Order, err)
		}
	}
	w.say.phase("finish")
	return errors.Join(w.retryRefused(ctx, w.stages), w.linkOwners(ctx), w.resumeCronJobs(ctx), w.cleanHelpers(ctx, w.run.ID))
}

func (w *work) stage(ctx context.Context, stage Stage) error {
	for _, level := range levels(stage.Items) {
		if err := w.applyAll(ctx, level); err != nil {
			return err
		}
	}
	switch stage.Order {
	case order.Definitions:
		return w.awaitDefinitions(ctx, stage.Items)
	case order.Volumes:
		if err := w.retryRefused(ctx, w.claimsPutOff(stage)); err != nil {
			return err
		}
		return w.awaitVolumes(ctx, stage.Items)
	}
	return nil
}

// levels cuts sorted items where the level changes.
func levels(items []*Item) [][]*Item {
	var all [][]*Item
	start := 0
	for i := range items {
		if i+1 == len(items) || items[i+1].Level != items[i].Level {
			all = append(all, items[start:i+1])
			start = i + 1
		}
	}
	return all
}

func (w *work) applyAll(ctx context.Context, items []*Item) error {
	return w.each(ctx, items, func(ctx context.Context, item *Item) {
		w.tally.set(item, w.apply(ctx, item))
		if item.Fill == nil { // else it is over when its volume is
			w.say.done()
		}
	})
}

// each works on items at the same time and stops early when the context ends.
func (w *work) each(ctx context.Context, items []*Item, do func(context.Context, *Item)) error {
	var group errgroup.Group
	group.SetLimit(workers)
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			do(ctx, item)
			return nil
		})
	}
	return errors.Join(group.Wait(), ctx.Err())
}

func count(stages []Stage) int64 {
	var n int64
	for _, stage := range stages {
		n += int64(len(stage.Items))
	}
	return n
}

// uidMap says which UID in the cluster stands for one in the backup.
type uidMap struct {
	mu  sync.Mutex
	new map[string]string
	// target of an old UID: an owner must be in the namespace of what it owns
	target map[string]Ref
}

func (m *uidMap) fill(stages []Stage, live Live) {
	m.new, m.target = map[string]string{}, map[string]Ref{}
	for _, stage := range stages {
		for _, item := range stage.Items {
			if item.Entry.UID == "" {
				continue
			}
			m.target[item.Entry.UID] = item.Target
			if object, ok := live.Objects[item.Target.key()]; ok {
				m.new[item.Entry.UID] = object.UID
			}
		}
	}
}

func (m *uidMap) set(old, new string) {
	if old == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.new[old] = new
}

func (m *uidMap) get(old string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	uid, ok := m.new[old]
	return uid, ok
}
