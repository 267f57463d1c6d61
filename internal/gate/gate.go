// Package gate lets the programs of protected clusters write to and read from
// stores whose credentials they do not have: an append-only HTTPS service over
// any object store. Every request carries a grant (package grants) that names
// one repository; nothing is ever overwritten or deleted, whatever the store
// would let the service do. Content is passed on as it comes and never held.
//
//	grant -> certificate -> operation lives? -> slot -> name -> store
//
// See spec/gate.md.
package gate

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"strings"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/objstore"
)

// Stores opens the store that a grant's reference names. It is asked at every
// request, so it should keep what it has opened.
type Stores interface {
	Open(ctx context.Context, ref string) (objstore.Store, error)
}

// Operations tells whether an operation may still go on: it has not ended and
// was not called off. One that is not known may not.
type Operations interface {
	Alive(ctx context.Context, operationID string) (bool, error)
}

// Certificates names the cluster of a client certificate, which has not been
// verified before.
type Certificates interface {
	Cluster(ctx context.Context, certificate *x509.Certificate) (clusterID string, err error)
}

// Names says whether a grant reaches an object name, which is relative to its
// prefix and well formed. See RepositoryNames.
type Names func(grant grants.Grant, name string, write bool) bool

// Limits bound what callers can take. The zero value of each means its default.
type Limits struct {
	Requests       int           // at the same time, of all callers: 256
	PerGrant       int           // at the same time, for one repository of one operation: 64
	BytesPerSecond int           // in each direction, for one repository of one operation: no limit
	Idle           time.Duration // longest wait for the next byte: 30 s
	ListTime       time.Duration // after which a page of a listing ends: 20 s
}

func (l Limits) filled() Limits {
	if l.Requests == 0 {
		l.Requests = 256
	}
	if l.PerGrant == 0 {
		l.PerGrant = 64
	}
	if l.Idle == 0 {
		l.Idle = 30 * time.Second
	}
	if l.ListTime == 0 {
		l.ListTime = 20 * time.Second
	}
	return l
}

// Config is what the gate needs. Everything but Limits is required.
type Config struct {
	Issuer       *grants.Issuer
	Stores       Stores
	Operations   Operations
	Certificates Certificates
	Names        Names
	Clock        clock.Clock
	Log          *slog.Logger
	Limits       Limits
}

// Gate answers movers and extensions.
type Gate struct {
	Config
	lives *lives
	slots *slots
}

// New returns the gate.
func New(c Config) *Gate {
	c.Limits = c.Limits.filled()
	return &Gate{Config: c, lives: newLives(c.Operations, c.Clock), slots: newSlots(c.Limits)}
}

// pathPrefix is what all paths of the gate start with.
const pathPrefix = "/gate/"

// Front answers what belongs to the gate, and hands everything else on. It is no
// ServeMux, which would clean paths before we see them.
func (g *Gate) Front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, pathPrefix) {
			g.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP answers one request. The listener should ask for client
// certificates, and need not demand or verify them.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Gate: g, w: w, r: r, wire: http.NewResponseController(w)}
	if err := c.serve(); err != nil {
		c.refuse(err)
	}
}

// call is one request.
type call struct {
	*Gate
	w     http.ResponseWriter
	r     *http.Request
	wire  *http.ResponseController
	grant grants.Grant
	slot  *slot
	begun bool // the answer has begun: a failure can only break it off
}

func (c *call) serve() error {
	do, err := c.route()
	if err != nil {
		return err
	}
	if err := c.admit(); err != nil {
		return err
	}
	if c.slot, err = c.slots.take(c.grant); err != nil {
		return err
	}
	defer c.slots.give(c.slot)
	return do()
}

// route finds what is asked for. The path is taken as it was sent: what is
// escaped in it is no object name.
func (c *call) route() (func() error, error) {
	path, method := c.r.URL.EscapedPath(), c.r.Method
	name, isObject := strings.CutPrefix(path, agentv1.PathGateObjects+"/")
	switch {
	case method != http.MethodPut && c.r.ContentLength != 0:
		return nil, refusal(agentv1.CodeGateBadRequest, "this request takes no content")
	case isObject && c.r.URL.RawQuery != "":
		return nil, refusal(agentv1.CodeGateBadRequest, "an object takes no query")
	case isObject && method == http.MethodPut:
		return func() error { return c.put(name) }, nil
	case isObject && method == http.MethodGet:
		return func() error { return c.get(name) }, nil
	case isObject && method == http.MethodHead:
		return func() error { return c.head(name) }, nil
	case isObject:
		return nil, c.wrongMethod("GET, HEAD, PUT")
	case path == agentv1.PathGateObjects && method == http.MethodGet:
		return c.list, nil
	case path == agentv1.PathGateObjects:
		return nil, c.wrongMethod("GET")
	case path == agentv1.PathGateRenew && method == http.MethodPost:
		return c.renew, nil
	case path == agentv1.PathGateRenew:
		return nil, c.wrongMethod("POST")
	}
	return nil, refusal(agentv1.CodeGateNotFound, "there is no such path")
}

// open checks a name, and opens the repository it lies in. Names are relative
// to the grant's prefix, so that no name can leave it.
func (c *call) open(name string, write bool) (objstore.Store, error) {
	if write && c.grant.Rights != grants.Append {
		return nil, refusal(agentv1.CodeGateNotAllowed, "the grant is for reading only")
	}
	if err := objstore.CheckName(name); err != nil {
		return nil, err
	}
	if !c.Names(c.grant, name, write) {
		return nil, refusal(agentv1.CodeGateNameNotAllowed, "the grant does not reach the object "+name)
	}
	return c.store()
}

func (c *call) store() (objstore.Store, error) {
	store, err := c.Stores.Open(c.r.Context(), c.grant.Store)
	if err != nil {
		return nil, err
	}
	return objstore.Sub(store, c.grant.Prefix), nil
}
