package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// renewRetry is how soon a renewal that failed is tried again at most.
const renewRetry = 10 * time.Minute

// ErrNotEnrolled means that there is neither a usable certificate nor a token
// the service accepts: somebody must connect the cluster again.
var ErrNotEnrolled = errors.New("not enrolled and no usable token: connect the cluster again")

// Connect returns a client with an identity: the stored one, or a new one
// enrolled with the token. While the service cannot be reached it tries again
// until ctx ends.
func Connect(ctx context.Context, config Config, facts agentv1.ClusterFacts) (*Client, error) {
	client := &Client{config: config}
	wait := backoff{first: config.FirstWait}
	for {
		err := client.connect(ctx, facts)
		if err == nil {
			return client, nil
		}
		if errors.Is(err, ErrNotEnrolled) {
			return nil, err
		}
		pause := wait.next(retryAfter(err))
		config.Log.WarnContext(ctx, "enrolment failed, will try again", "error", err, "wait", pause)
		if !sleep(ctx, pause) {
			return nil, fmt.Errorf("enrol: %w", errors.Join(err, ctx.Err()))
		}
	}
}

// connect makes one attempt. A token that is not the one the stored identity
// was enrolled with asks for a new enrolment; when the service refuses it, the
// stored identity is still good.
func (c *Client) connect(ctx context.Context, facts agentv1.ClusterFacts) error {
	stored, err := c.config.Store.Load(ctx)
	if err != nil && !errors.Is(err, ErrNoIdentity) {
		return err
	}
	token := c.config.Token
	if stored.Enrolled() && (token == "" || stored.TokenDigest == tokenDigest(token)) {
		return c.use(stored)
	}
	if token == "" {
		return ErrNotEnrolled
	}
	err = c.enrol(ctx, stored, facts)
	if err == nil || !refused(err) {
		return err
	}
	if stored.Enrolled() {
		c.config.Log.WarnContext(ctx, "token refused, going on with the stored certificate", "error", err)
		return c.use(stored)
	}
	return fmt.Errorf("%w: %w", ErrNotEnrolled, err)
}

// enrol exchanges the token for a certificate. The key is saved before the
// token is spent: killed in between, the same key is offered again, and the
// service answers the same client the same way.
func (c *Client) enrol(ctx context.Context, stored Identity, facts agentv1.ClusterFacts) error {
	identity := stored
	if stored.Enrolled() || stored.TokenDigest != tokenDigest(c.config.Token) {
		fresh, err := newIdentity(c.config.Token)
		if err != nil {
			return err
		}
		identity = fresh
		// An enrolled identity is kept until the new one is complete.
		if err := c.savePending(ctx, stored, fresh); err != nil {
			return err
		}
	}
	csr, err := identity.request()
	if err != nil {
		return err
	}
	wire, err := newTransport(c.config.Address, Identity{}, c.config.ServiceCA)
	if err != nil {
		return err
	}
	defer wire.close()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request := agentv1.EnrolRequest{Token: c.config.Token, CSR: csr, Capability: agentv1.Capability, Facts: facts}
	return c.take(ctx, wire, agentv1.PathEnrol, request, identity)
}

func (c *Client) savePending(ctx context.Context, stored, fresh Identity) error {
	if stored.Enrolled() {
		return nil
	}
	return c.config.Store.Save(ctx, fresh)
}

// Rotate renews the certificate with a new key whenever it is due, until ctx
// ends. It fails when the certificate can no longer be renewed.
func (c *Client) Rotate(ctx context.Context) error {
	wait := backoff{first: c.config.FirstWait}
	for {
		if !sleep(ctx, c.untilRenewal()) {
			return nil
		}
		err := c.renew(ctx)
		if err == nil {
			wait.reset()
			c.config.Log.InfoContext(ctx, "certificate renewed")
			continue
		}
		pause := min(wait.next(retryAfter(err)), renewRetry)
		c.config.Log.WarnContext(ctx, "certificate renewal failed, will try again", "error", err, "wait", pause)
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

func (c *Client) untilRenewal() time.Duration {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.identity.RenewAfter.Sub(c.config.Clock.Now())
}

// renew asks for the next certificate with a new key. Killed before it is
// saved, the old certificate is still good.
func (c *Client) renew(ctx context.Context) error {
	c.mu.RLock()
	next := c.identity
	c.mu.RUnlock()
	key, err := newKey()
	if err != nil {
		return err
	}
	next.Key, next.Certificate = key, nil
	csr, err := next.request()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.take(ctx, c.current(), agentv1.PathRenew, agentv1.RenewRequest{CSR: csr}, next)
}

// take asks for a certificate, saves it and makes it the current one.
func (c *Client) take(ctx context.Context, wire *transport, path string, request any, identity Identity) error {
	var answer agentv1.EnrolResponse
	if _, err := wire.post(ctx, path, request, &answer); err != nil {
		return err
	}
	identity, err := identity.accept(answer)
	if err != nil {
		return err
	}
	if err := c.config.Store.Save(ctx, identity); err != nil {
		return err
	}
	return c.use(identity)
}

// refused reports whether the service said no, as against not answering.
func refused(err error) bool {
	code := status(err)
	return code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusBadRequest
}
