package gate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate/grants"
)

// admit lets a request through that has a grant, by the right cluster, of an
// operation that lives.
func (c *call) admit() error {
	sent := c.r.Header.Values("Authorization")
	if len(sent) != 1 {
		return refusal(agentv1.CodeGateGrantInvalid, "one grant is required, as a bearer token")
	}
	scheme, token, _ := strings.Cut(sent[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return refusal(agentv1.CodeGateGrantInvalid, "the grant must be a bearer token")
	}
	var err error
	if c.grant, err = c.Issuer.Verify(token); errors.Is(err, grants.ErrExpired) {
		return refusal(agentv1.CodeGateGrantExpired, "the grant has expired; a new one comes with the operation")
	} else if err != nil {
		return refusal(agentv1.CodeGateGrantInvalid, "this is no grant of this service")
	}
	if err := c.checkCluster(); err != nil {
		return err
	}
	return c.checkAlive(c.r.Context())
}

// checkCluster holds a caller that shows a certificate to the grants of its own
// cluster. Movers have none: see spec/gate.md.
func (c *call) checkCluster() error {
	if c.r.TLS == nil || len(c.r.TLS.PeerCertificates) == 0 {
		return nil
	}
	cluster, err := c.Certificates.Cluster(c.r.Context(), c.r.TLS.PeerCertificates[0])
	if err != nil || !strings.EqualFold(cluster, c.grant.Cluster) {
		c.Log.Warn("grant used with the certificate of another cluster", "operation", c.grant.Operation, "cluster", cluster, "error", err)
		return refusal(agentv1.CodeGateWrongCluster, "the grant is not for the cluster of the client certificate")
	}
	return nil
}

func (c *call) checkAlive(ctx context.Context) error {
	alive, err := c.lives.alive(ctx, c.grant.Operation)
	if err != nil {
		return err
	}
	if !alive {
		return refusal(agentv1.CodeGateGrantEnded, "the operation of the grant has ended or was called off")
	}
	return nil
}

// renew answers a grant with the same one for another while. It was good when
// it came in, and its operation lives.
func (c *call) renew() error {
	renewed, err := c.Issuer.Grant(c.grant)
	if err != nil {
		return err
	}
	c.begun = true
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusOK)
	return json.NewEncoder(c.w).Encode(renewed)
}
