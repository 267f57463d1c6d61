package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/wrap"
	"holdfast.dev/holdfast/internal/workflow"
)

// stagingFresh is how long an opened container is used before its account is looked
// at again, whose key may have changed.
const stagingFresh = 5 * time.Minute

// stagingStores adds to the stores behind the gate the containers that restores are
// hydrated into. They can only be read.
type stagingStores struct {
	others gate.Stores
	open   func(ctx context.Context, containerID string) (objstore.Store, error)
	clock  clock.Clock

	mu     sync.Mutex
	opened map[string]openedStore
}

// newFlow returns the workflow, and lets the gate open what it hydrates into.
func newFlow(door *gate.Gate, c workflow.Config) *workflow.Workflow {
	flow := workflow.New(c)
	door.Stores = &stagingStores{others: door.Stores, open: flow.OpenStaging, clock: c.Clock}
	return flow
}

type openedStore struct {
	objstore.Store
	at time.Time
}

// Open finds a store.
func (s *stagingStores) Open(ctx context.Context, ref string) (objstore.Store, error) {
	container, ok := workflow.StagingContainerOf(ref)
	if !ok {
		return s.others.Open(ctx, ref)
	}
	now := s.clock.Now()
	s.mu.Lock()
	known, ok := s.opened[ref]
	s.mu.Unlock()
	if ok && now.Sub(known.at) < stagingFresh {
		return known.Store, nil
	}
	store, err := s.open(ctx, container)
	if problem, unknown := backup.AsProblem(err); unknown {
		return nil, errors.Join(objstore.ErrNoBucket, problem)
	}
	if err != nil {
		return nil, err
	}
	return s.keep(ref, openedStore{wrap.ReadOnly(store), now}), nil
}

// keep remembers a store, and forgets those that are old.
func (s *stagingStores) keep(ref string, opened openedStore) objstore.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		s.opened = map[string]openedStore{}
	}
	for other, o := range s.opened {
		if opened.at.Sub(o.at) >= stagingFresh {
			delete(s.opened, other)
		}
	}
	s.opened[ref] = opened
	return opened.Store
}
