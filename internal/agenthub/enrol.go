package agenthub

import (
	"context"
	"fmt"
	"net/http"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/catalog"
)

// enrol is the only call without a certificate.
func (h *Hub) enrol(ctx context.Context, _ *http.Request, in agentv1.EnrolRequest) (any, error) {
	if err := checkCapability(in.Capability); err != nil {
		return nil, err
	}
	credential, err := h.Registrar.Enrol(ctx, in.Token, in.CSR)
	if err != nil {
		return nil, err
	}
	err = h.Store.Update(ctx, func(tx catalog.Tx) error {
		return h.enrolled(tx, credential.Agent, in.Facts)
	})
	if err != nil {
		return nil, fmt.Errorf("enrol %s of %s: %w", credential.Role, credential.ClusterID, err)
	}
	h.Log.Info("agent enrolled", "cluster", credential.ClusterID, "role", credential.Role)
	return credential.response(), nil
}

// renew issues the next certificate.
func (h *Hub) renew(ctx context.Context, agent Agent, _ *http.Request, in agentv1.RenewRequest) (any, error) {
	credential, err := h.Registrar.Renew(ctx, agent, in.CSR)
	if err != nil {
		return nil, err
	}
	return credential.response(), nil
}

func (c Credential) response() agentv1.EnrolResponse {
	return agentv1.EnrolResponse{Certificate: c.Certificate, CA: c.CA, ClusterID: c.ClusterID, Role: c.Role, RenewAfter: c.RenewAfter}
}

func checkCapability(capability int) error {
	if capability >= minCapability {
		return nil
	}
	return &agentv1.Problem{
		Code:    codeCapability,
		Message: fmt.Sprintf("the agent speaks version %d of the protocol, the service needs at least %d", capability, minCapability),
		Actions: []string{"Upgrade the programs in the cluster."},
	}
}

// knownCall is a call of an enrolled agent.
type knownCall[In any] func(ctx context.Context, agent Agent, r *http.Request, in In) (any, error)

// known lets only agents with a valid certificate through.
func known[In any](h *Hub, do knownCall[In]) call[In] {
	return func(ctx context.Context, r *http.Request, in In) (any, error) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			return nil, &agentv1.Problem{Code: codeUnauthorized, Message: "a client certificate is required; enrol first"}
		}
		agent, err := h.Registrar.Identify(ctx, r.TLS.PeerCertificates[0])
		if err != nil {
			return nil, unauthorized(err)
		}
		return do(ctx, agent, r, in)
	}
}
