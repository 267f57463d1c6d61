package workflow

import (
	"context"
	"sync"
)

// slots are how many repositories are worked on at a time in this process, which
// bounds memory, and each by one: who verifies must not be deceived by one who
// collects garbage, and nobody replicates twice.
type slots struct {
	mu   sync.Mutex
	held map[string]bool
}

// take takes a slot for a repository, or reports that it is to wait.
func (s *slots) take(name string, most int) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[string]bool{}
	}
	if s.held[name] || len(s.held) >= max(1, most) {
		return nil, false
	}
	s.held[name] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.held, name)
	}, true
}

// Claims are what one replica of the service has for itself among all that work on
// one catalog.
type Claims interface {
	// Claim takes a name, unless another replica has it. It is free again when it is
	// released, or when the process ends. No process claims a name that it has.
	Claim(ctx context.Context, name string) (release func(), ok bool, err error)
}

// claim takes a slot for a repository, and the repository among all replicas.
func (w *Workflow) claim(ctx context.Context, in *slots, name string, most int) (release func(), ok bool) {
	leave, ok := in.take(name, most)
	if !ok || w.Claims == nil {
		return leave, ok
	}
	free, ok, err := w.Claims.Claim(ctx, name)
	if err != nil {
		w.Log.Warn("a repository could not be claimed, and waits", "repository", name, "error", err)
	}
	if err != nil || !ok {
		leave()
		return nil, false
	}
	return func() { free(); leave() }, true
}
