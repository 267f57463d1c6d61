package movers

import (
	"context"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// queue knows the movers that work, and lets others wait for their turn.
type queue struct {
	mu      sync.Mutex
	working map[string]worker // by name of the Job; nil until the cluster was asked
	changed chan struct{}     // closed when something in working changed
}

type worker struct {
	place
	operation string
}

// lookAgain is how often who waits counts the nodes anew: some may have come.
const lookAgain = 30 * time.Second

// enter waits for the turn of a work and takes it; say is told what it waits
// for. A work whose Job is there already does not wait.
func (m *Movers) enter(ctx context.Context, work Work, say func(agentv1.Progress)) error {
	want := worker{place{node: work.Node, target: work.Grant().URL}, work.Operation}
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	nodes, err := m.nodes(ctx, want.node)
	for {
		if err != nil {
			return err
		}
		reason, changed, failed := m.try(ctx, work.Name, want, nodes)
		if failed != nil || reason == "" {
			return failed
		}
		say(agentv1.Progress{Phase: reason})
		select {
		case <-changed:
		case <-again.C:
			nodes, err = m.nodes(ctx, want.node)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// try takes the turn, or says what is to be waited for and when to ask again.
func (m *Movers) try(ctx context.Context, name string, want worker, nodes int) (reason string, changed chan struct{}, err error) {
	m.queue.mu.Lock()
	defer m.queue.mu.Unlock()
	if m.queue.working == nil {
		if err := m.recall(ctx); err != nil {
			return "", nil, err
		}
	}
	if _, mine := m.queue.working[name]; mine {
		return "", nil, nil
	}
	running := make([]place, 0, len(m.queue.working))
	for _, w := range m.queue.working {
		running = append(running, w.place)
	}
	if reason := m.Limits.OrDefault().waits(want.place, running, nodes); reason != "" {
		return reason, m.queue.changed, nil
	}
	m.queue.working[name] = want
	return "", nil, nil
}

// leave makes room. A name that is not there makes none.
func (m *Movers) leave(name string) {
	m.queue.change(func() { delete(m.queue.working, name) })
}

// settled remembers the node that the scheduler chose.
func (m *Movers) settled(name, node string) {
	m.queue.mu.Lock()
	w, known := m.queue.working[name]
	m.queue.mu.Unlock()
	if node == "" || !known || w.node == node {
		return
	}
	w.node = node
	m.queue.change(func() { m.queue.working[name] = w })
}

// forget makes the room of an operation whose Jobs are gone, also of those that
// nobody came back for.
func (m *Movers) forget(operation string) {
	m.queue.change(func() {
		for name, w := range m.queue.working {
			if w.operation == operation {
				delete(m.queue.working, name)
			}
		}
	})
}

// change changes what is known, and wakes who waits.
func (q *queue) change(edit func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	edit()
	if q.changed != nil {
		close(q.changed)
	}
	q.changed = make(chan struct{})
}

// recall finds the Jobs that an earlier controller left at work.
func (m *Movers) recall(ctx context.Context) error {
	jobs := &batchv1.JobList{}
	if err := m.Client.List(ctx, jobs, client.InNamespace(m.Namespace), client.HasLabels{v1alpha1.LabelOperation}); err != nil {
		return fmt.Errorf("list the movers at work: %w", err)
	}
	working := map[string]worker{}
	for _, job := range jobs.Items {
		if ended(&job) == nil {
			working[job.Name] = worker{place{node: job.Annotations[nodeAnnotation], target: job.Annotations[targetAnnotation]},
				job.Labels[v1alpha1.LabelOperation]}
		}
	}
	m.queue.working, m.queue.changed = working, make(chan struct{})
	return nil
}

// enoughNodes is how many nodes are counted at most: together they take more
// movers than any store.
const enoughNodes = 100

// nodes counts the nodes that take pods, for a work that may run on any.
func (m *Movers) nodes(ctx context.Context, chosen string) (int, error) {
	if chosen != "" {
		return 0, nil
	}
	list := &corev1.NodeList{}
	if err := m.Client.List(ctx, list, client.Limit(enoughNodes)); err != nil {
		return 0, fmt.Errorf("count the nodes: %w", err)
	}
	ready := 0
	for _, node := range list.Items {
		if !node.Spec.Unschedulable && isReady(node) {
			ready++
		}
	}
	return ready, nil
}

func isReady(node corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
