package catalogtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"holdfast.dev/holdfast/internal/catalog"
)

type key struct{ kind, id string }

// Memory is a catalog in memory, for tests. It keeps every promise of
// catalog.Store and records the jobs it was asked for. And it takes what the
// promises allow: every update is run twice, as after a lost race, so that a
// function which changes more than its transaction is found out.
type Memory struct {
	mu   sync.Mutex
	docs map[key]catalog.Document
	jobs []catalog.Job
}

// NewMemory returns an empty catalog.
func NewMemory() *Memory { return &Memory{docs: map[key]catalog.Document{}} }

// Jobs returns the jobs enqueued and not taken yet, oldest first.
func (m *Memory) Jobs() []catalog.Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.jobs)
}

// TakeJobs returns the waiting jobs and forgets them, as a worker would.
func (m *Memory) TakeJobs() []catalog.Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	jobs := m.jobs
	m.jobs = nil
	return jobs
}

// View runs fn on the catalog, read-only.
func (m *Memory) View(ctx context.Context, fn func(catalog.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	docs := maps.Clone(m.docs)
	m.mu.Unlock()
	return fn(&memoryTx{docs: docs, readOnly: true})
}

// Update runs fn on a copy, which is thrown away, and on another one, which takes
// the catalog's place when fn succeeds.
func (m *Memory) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var t *memoryTx
	for range 2 {
		t = &memoryTx{docs: maps.Clone(m.docs), jobs: slices.Clone(m.jobs)}
		if err := fn(t); err != nil {
			return err
		}
	}
	m.docs, m.jobs = t.docs, t.jobs
	return nil
}

type memoryTx struct {
	docs     map[key]catalog.Document
	jobs     []catalog.Job
	readOnly bool
}

func (t *memoryTx) Get(kind, id string) (catalog.Document, error) {
	doc, ok := t.docs[key{kind, id}]
	if !ok {
		return catalog.Document{}, fmt.Errorf("%s %q: %w", kind, id, catalog.ErrNotFound)
	}
	return clone(doc), nil
}

func (t *memoryTx) List(q catalog.Query) ([]catalog.Document, error) {
	var found []catalog.Document
	for k, doc := range t.docs {
		if k.kind == q.Kind && k.id > q.After && strings.HasPrefix(k.id, q.Prefix) && hasLabels(doc, q.Labels) {
			found = append(found, clone(doc))
		}
	}
	slices.SortFunc(found, func(a, b catalog.Document) int { return strings.Compare(a.ID, b.ID) })
	return found[:min(len(found), q.PageSize())], nil
}

func (t *memoryTx) Put(doc catalog.Document, ifMatch string) (catalog.Document, error) {
	if t.readOnly {
		return catalog.Document{}, catalog.ErrReadOnly
	}
	if err := catalog.Check(doc); err != nil {
		return catalog.Document{}, err
	}
	old, exists := t.docs[key{doc.Kind, doc.ID}]
	if (ifMatch == catalog.IfAbsent && exists) || (ifMatch != "" && ifMatch != catalog.IfAbsent && ifMatch != old.ETag) {
		return catalog.Document{}, fmt.Errorf("%s %q: %w", doc.Kind, doc.ID, catalog.ErrConflict)
	}
	doc.ETag = rand.Text()
	t.docs[key{doc.Kind, doc.ID}] = clone(doc)
	return clone(doc), nil
}

func (t *memoryTx) Delete(kind, id, ifMatch string) error {
	if t.readOnly {
		return catalog.ErrReadOnly
	}
	old, err := t.Get(kind, id)
	if err != nil {
		return err
	}
	if ifMatch != "" && ifMatch != old.ETag {
		return fmt.Errorf("%s %q: %w", kind, id, catalog.ErrConflict)
	}
	delete(t.docs, key{kind, id})
	return nil
}

func (t *memoryTx) Enqueue(job catalog.Job) error {
	if t.readOnly {
		return catalog.ErrReadOnly
	}
	waiting := func(other catalog.Job) bool { return other.Kind == job.Kind && other.UniqueKey == job.UniqueKey }
	if i := slices.IndexFunc(t.jobs, waiting); job.UniqueKey != "" && i >= 0 {
		if job.NotBefore.IsZero() {
			t.jobs[i].NotBefore = job.NotBefore
		}
		return nil
	}
	t.jobs = append(t.jobs, job)
	return nil
}

func hasLabels(doc catalog.Document, labels map[string]string) bool {
	for name, value := range labels {
		if have, ok := doc.Labels[name]; !ok || have != value {
			return false
		}
	}
	return true
}

// clone keeps what is stored apart from what a caller may change.
func clone(doc catalog.Document) catalog.Document {
	doc.Labels = maps.Clone(doc.Labels)
	doc.Body = slices.Clone(doc.Body)
	return doc
}
