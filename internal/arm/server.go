package arm

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/resourceid"
)

// Authenticator names the caller of a request. An error that has the method
// Refusal() (code, challenge string) sets the code of the 401 document and its
// WWW-Authenticate header.
type Authenticator interface {
	Authenticate(r *http.Request) (access.Principal, error)
}

// Assignments looks up the role assignments of a principal, its groups'
// included; a superset is allowed.
type Assignments interface {
	Assignments(ctx context.Context, p access.Principal) ([]access.Assignment, error)
}

// Scopes checks that a subscription or resource group exists; the error should
// be NotFound of it.
type Scopes interface {
	CheckScope(ctx context.Context, scope resourceid.ID) error
}

// Config is what a Server is made of. Everything without a default is required.
type Config struct {
	Types         []Type
	Polls         []Poll
	Authenticator Authenticator
	Assignments   Assignments
	Scopes        Scopes        // nil checks nothing
	Store         catalog.Store // for the records of operations
	Clock         clock.Clock
	Log           *slog.Logger
	// BaseURL is how callers reach the service, such as "https://backup.example:8443";
	// when empty, the address each request was sent to.
	BaseURL string
	// RetryAfter is how long callers are asked to wait between polls, in whole
	// seconds; 3 s when zero.
	RetryAfter time.Duration
	// Timeout ends the context of a handler; 60 s when zero.
	Timeout time.Duration
}

// Server answers every path. Do not put it behind an http.ServeMux: that
// redirects doubled slashes, which ARM clients send.
type Server struct {
	config Config
	routes router
}

// New makes a server of the declarations. It refuses paths that do not parse,
// two routes for one address, and polls with unknown parameters.
func New(c Config) (*Server, error) {
	if c.RetryAfter == 0 {
		c.RetryAfter = 3 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	s := &Server{config: c, routes: router{taken: map[string]bool{}}}
	for i := range c.Types {
		if err := s.routes.addType(&c.Types[i]); err != nil {
			return nil, fmt.Errorf("type %s: %w", c.Types[i].Name, err)
		}
	}
	for _, p := range c.Polls {
		if err := s.routes.addPoll(p); err != nil {
			return nil, err
		}
	}
	s.routes.sort()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	started := s.config.Clock.Now()
	r := &Request{Method: in.Method, Header: in.Header, Query: in.URL.Query(), BaseURL: s.baseURL(in), path: in.URL.EscapedPath()}
	r.CorrelationID = commonHeaders(w.Header(), in)
	ctx, cancel := context.WithTimeout(in.Context(), s.config.Timeout)
	defer cancel()
	resp, err := s.safely(ctx, w, in, r)
	var status int
	if e := s.asError(r, err); e != nil {
		status = s.writeError(w, r, e)
	} else {
		status = s.write(w, r, resp)
	}
	s.config.Log.InfoContext(ctx, "request", "method", in.Method, "path", in.URL.Path, "status", status,
		"caller", r.Principal.ObjectID, "correlation", r.CorrelationID, "took", s.config.Clock.Now().Sub(started))
}

// safely turns a panic of a handler into an error, so that the caller gets a
// document and the other requests live on.
func (s *Server) safely(ctx context.Context, w http.ResponseWriter, in *http.Request, r *Request) (resp *Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, fmt.Errorf("panic: %v\n%s", p, stack())
		}
	}()
	return s.answer(ctx, w, in, r)
}

// answer takes a request through every gate to its handler.
func (s *Server) answer(ctx context.Context, w http.ResponseWriter, in *http.Request, r *Request) (*Response, error) {
	var err error
	if r.Principal, err = s.config.Authenticator.Authenticate(in); err != nil {
		return nil, s.unauthenticated(err)
	}
	path, err := splitPath(in.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	m, allow := s.routes.find(in.Method, path)
	if m.route == nil {
		return nil, s.routes.missing(in.Method, path, allow)
	}
	r.Params = m.params
	if err := r.readQuery(m.route); err != nil {
		return nil, err
	}
	if r.grants, err = s.config.Assignments.Assignments(ctx, r.Principal); err != nil {
		return nil, fmt.Errorf("role assignments of %s: %w", r.Principal.ObjectID, err)
	}
	if m.poll != nil {
		return s.servePoll(ctx, r, m)
	}
	if err := s.admit(ctx, r, m); err != nil {
		return nil, err
	}
	if err := r.readBody(w, in); err != nil {
		return nil, err
	}
	return s.handle(ctx, r, m)
}

// admit decides about access, then checks that what surrounds the resource
// exists. In this order: who may not see a group does not learn whether it is
// there.
func (s *Server) admit(ctx context.Context, r *Request, m match) error {
	var err error
	if r.ID, err = m.id(); err != nil {
		return &Error{Status: http.StatusBadRequest, Code: "InvalidRequestUri", Message: err.Error()}
	}
	if err := r.authorise(m.route); err != nil {
		return err
	}
	around := surrounding(r.ID, m.tail > 0)
	if s.config.Scopes == nil || around.IsRoot() {
		return nil
	}
	return s.config.Scopes.CheckScope(ctx, around)
}

// surrounding is the group or subscription that must exist for a request about
// id. A group or subscription that is itself asked for is its handler's
// business, unless the address goes on after it.
func surrounding(id resourceid.ID, within bool) resourceid.ID {
	if !within && (id.HasType(resourceid.TypeResourceGroup) || id.HasType(resourceid.TypeSubscription)) {
		id = id.Parent()
	}
	if id.ResourceGroup() != "" {
		return id.ResourceGroupID()
	}
	return id.SubscriptionID()
}

func (s *Server) handle(ctx context.Context, r *Request, m match) (*Response, error) {
	resp, err := m.handler(ctx, r)
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, fmt.Errorf("handler of %s %s gave no answer", m.method, m.template)
	case r.filter != nil && !r.paged:
		return nil, fmt.Errorf("handler of list %s does not use Page", m.template)
	}
	return resp, nil
}
