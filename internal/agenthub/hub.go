// Package agenthub is the service's side of the agent protocol (api/agent/v1):
// programs in clusters enrol with a one-time token, then claim operations over
// mutual TLS, extend their lease while they work, and finish them. It hands
// out what agentops holds and wakes the workflow when an operation ends; what
// an operation means it does not know.
package agenthub

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
)

// Agent is one enrolled program.
type Agent struct {
	ClusterID string // full ARM id of the connected cluster
	Role      agentv1.Role
}

// Credential is what an agent is given to be recognised by.
type Credential struct {
	Agent
	Certificate string // PEM chain
	CA          string // PEM, what to trust the service by
	RenewAfter  time.Time
}

// Registrar decides who is an agent. Refusals are *agentv1.Problem.
type Registrar interface {
	// Enrol exchanges a one-time token for a certificate over the key of csr
	// (PEM). A repetition with the same key, after a lost answer, is answered again.
	Enrol(ctx context.Context, token, csr string) (Credential, error)
	// Renew issues the next certificate of an agent.
	Renew(ctx context.Context, agent Agent, csr string) (Credential, error)
	// Identify names the agent a client certificate belongs to. The
	// certificate has not been verified before.
	Identify(ctx context.Context, certificate *x509.Certificate) (Agent, error)
}

// Completer puts the secrets into an operation's spec when it is handed out.
// A *agentv1.Problem means that the operation cannot be carried out and ends
// it; any other error leaves it in line.
type Completer interface {
	Complete(ctx context.Context, operation agentops.Operation) (json.RawMessage, error)
}

// Config is what the hub needs. Everything is required.
type Config struct {
	Store     catalog.Store
	Clock     clock.Clock
	Log       *slog.Logger
	Bell      *agentops.Bell
	Registrar Registrar
	Completer Completer
}

// Hub answers the agents.
type Hub struct {
	Config
	mux *http.ServeMux
}

// minCapability is the oldest protocol version the hub can work with.
const minCapability = 1

// New returns the hub.
func New(c Config) *Hub {
	h := &Hub{Config: c, mux: http.NewServeMux()}
	h.mux.Handle("POST "+agentv1.PathEnrol, answer(h, enrolLimit, h.enrol))
	h.mux.Handle("POST "+agentv1.PathRenew, answer(h, callLimit, known(h, h.renew)))
	h.mux.Handle("POST "+agentv1.PathClaim, answer(h, callLimit, known(h, h.claim)))
	h.mux.Handle("POST "+agentv1.PathExtend, answer(h, callLimit, known(h, h.extend)))
	h.mux.Handle("POST "+agentv1.PathFinish, answer(h, finishLimit, known(h, h.finish)))
	h.mux.HandleFunc("/", h.unknown)
	return h
}

// ServeHTTP answers one request. The listener must ask for client
// certificates; see TLS.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }
