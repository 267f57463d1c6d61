package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
)

// callTimeout bounds every call but the long poll.
const callTimeout = 30 * time.Second

// Config says whom to call and as whom.
type Config struct {
	Address   string // https://host:port of the service's agent address
	ServiceCA []byte // PEM to trust it by
	Token     string // one-time enrolment token; may be empty when an identity is stored
	Store     Store
	Clock     clock.Clock
	Log       *slog.Logger
	// FirstWait is the first wait of a back-off; 0 means one second.
	FirstWait time.Duration
}

// Client speaks the agent protocol with the service as one enrolled client.
// It is safe for concurrent use.
type Client struct {
	config Config

	mu       sync.RWMutex
	identity Identity
	wire     *transport
}

// Role says which operations the client may claim.
func (c *Client) Role() agentv1.Role {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.identity.Role
}

// ClusterID is the full ARM id of the cluster the client enrolled for.
func (c *Client) ClusterID() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.identity.ClusterID
}

// Claim asks for one operation and waits up to wait (at most 55 seconds) for
// it. It returns nil when there was none.
func (c *Client) Claim(ctx context.Context, request agentv1.ClaimRequest) (*agentv1.Operation, error) {
	poll := time.Duration(request.WaitSeconds)*time.Second + callTimeout
	ctx, cancel := context.WithTimeout(ctx, poll)
	defer cancel()
	request.Capability = agentv1.Capability
	operation := &agentv1.Operation{}
	found, err := c.current().post(ctx, agentv1.PathClaim, request, operation)
	if err != nil || !found || operation.ID == "" {
		return nil, err
	}
	return operation, nil
}

// Extend renews the lease of an operation and reports progress.
func (c *Client) Extend(ctx context.Context, id string, request agentv1.ExtendRequest) (agentv1.ExtendResponse, error) {
	var answer agentv1.ExtendResponse
	err := c.call(ctx, operationPath(agentv1.PathExtend, id), request, &answer)
	return answer, err
}

// Finish ends an operation. Repeating it is harmless.
func (c *Client) Finish(ctx context.Context, id string, request agentv1.FinishRequest) error {
	return c.call(ctx, operationPath(agentv1.PathFinish, id), request, nil)
}

func (c *Client) call(ctx context.Context, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := c.current().post(ctx, path, in, out)
	return err
}

func (c *Client) current() *transport {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.wire
}

// use makes identity the one that new calls are made with; calls under way go
// on with the old one.
func (c *Client) use(identity Identity) error {
	wire, err := newTransport(c.config.Address, identity, c.config.ServiceCA, identity.CA)
	if err != nil {
		return err
	}
	c.mu.Lock()
	old := c.wire
	c.identity, c.wire = identity, wire
	c.mu.Unlock()
	if old != nil {
		old.close()
	}
	return nil
}

func operationPath(pattern, id string) string {
	return strings.Replace(pattern, "{id}", url.PathEscape(id), 1)
}

// lost reports whether err says that the operation is no longer ours to work on.
func lost(err error) bool {
	code := status(err)
	return code == http.StatusConflict || code == http.StatusNotFound || code == http.StatusGone ||
		errors.Is(err, ErrLeaseLost)
}

// ErrLeaseLost is the cause with which a handler's context ends when another
// worker holds the operation, or may hold it.
var ErrLeaseLost = fmt.Errorf("lease of the operation lost")
