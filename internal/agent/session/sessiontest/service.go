// Package sessiontest is a service that speaks the agent protocol for tests:
// it enrols, leases and re-delivers as the real one does, and can be told to
// misbehave as networks and servers do.
package sessiontest

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Faults says how the service misbehaves. Each counter is used up by the
// requests that come, in any order.
type Faults struct {
	Drop    int           // connections closed without an answer
	Lose    int           // requests carried out whose answer is lost
	Refuse  int           // answers 500
	Busy    int           // answers 503 with Retry-After: 1
	Latency time.Duration // before every answer
}

// Operation is one operation and what became of it.
type Operation struct {
	agentv1.Operation
	Deliveries int
	Progress   []agentv1.Progress
	Finished   *agentv1.FinishRequest
	Finishes   int
	Cancel     bool

	leaseUntil time.Time
}

// Service is the faithful fake. Its methods are safe for concurrent use.
type Service struct {
	LeaseSeconds int           // of every lease given out; default 3
	RenewAfter   time.Duration // after the issue of a certificate; default an hour
	ClusterID    string

	server *httptest.Server
	ca     *authority

	mu         sync.Mutex
	faults     Faults
	tokens     map[string]*token
	operations []*Operation
	claims     []agentv1.ClaimRequest
	renewals   int
	serials    map[string]agentv1.Role // of certificates that are good
	changed    chan struct{}           // closed and replaced when there is new work
	closed     chan struct{}           // by Close
}

type token struct {
	role agentv1.Role
	key  string // the public key it was used with; empty before
}

// Start serves on listener; nil listens on a free port of 127.0.0.1.
func Start(listener net.Listener) *Service {
	s := &Service{
		LeaseSeconds: 3, RenewAfter: time.Hour,
		ClusterID: "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c",
		tokens:    map[string]*token{}, serials: map[string]agentv1.Role{}, changed: make(chan struct{}), closed: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+agentv1.PathEnrol, s.enrol)
	mux.HandleFunc("POST "+agentv1.PathRenew, s.renew)
	mux.HandleFunc("POST "+agentv1.PathClaim, s.claim)
	mux.HandleFunc("POST "+agentv1.PathExtend, s.extend)
	mux.HandleFunc("POST "+agentv1.PathFinish, s.finish)
	s.server = httptest.NewUnstartedServer(s.misbehave(mux))
	if listener != nil {
		_ = s.server.Listener.Close()
		s.server.Listener = listener
	}
	s.ca = newAuthority(s.server.Listener.Addr().(*net.TCPAddr).IP)
	s.server.TLS = s.ca.serverConfig()
	s.server.StartTLS()
	return s
}

// Close ends the service and every connection, once.
func (s *Service) Close() {
	close(s.closed)
	s.server.CloseClientConnections()
	s.server.Close()
}

// Address is what an agent calls.
func (s *Service) Address() string { return s.server.URL }

// CA is the PEM to trust the service by.
func (s *Service) CA() []byte { return s.ca.pem }

// NewToken makes a one-time token valid.
func (s *Service) NewToken(value string, role agentv1.Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[value] = &token{role: role}
}

// Misbehave replaces the faults.
func (s *Service) Misbehave(faults Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
}

// Offer queues an operation; its spec is marshalled to JSON.
func (s *Service) Offer(id string, kind agentv1.Kind, spec any, deadline time.Time) {
	raw, err := json.Marshal(spec)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.operations = append(s.operations, &Operation{Operation: agentv1.Operation{ID: id, Kind: kind, Spec: raw, Deadline: deadline}})
	s.wake()
}

// Cancel asks for an operation to be cancelled.
func (s *Service) Cancel(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.find(id); o != nil {
		o.Cancel = true
	}
}

// Steal takes the lease away, as a rescuer does.
func (s *Service) Steal(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.find(id); o != nil {
		o.Lease.Token, o.leaseUntil = "stolen", time.Now()
		s.wake()
	}
}

// Operation returns a copy of what is known of an operation.
func (s *Service) Operation(id string) Operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.find(id); o != nil {
		return *o
	}
	return Operation{}
}

// Claims returns every claim received.
func (s *Service) Claims() []agentv1.ClaimRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]agentv1.ClaimRequest(nil), s.claims...)
}

// Renewals counts the certificates renewed.
func (s *Service) Renewals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewals
}

func (s *Service) find(id string) *Operation {
	for _, o := range s.operations {
		if o.ID == id {
			return o
		}
	}
	return nil
}

func (s *Service) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
