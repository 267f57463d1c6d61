package arm

import (
	"context"
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
	// RetryAfter is how long callers are asked to wait between polls; 3 s when zero.
	RetryAfter time.Duration
	// Timeout ends the context of a handler; 60 s when zero.
	Timeout time.Duration
}

// Server answers every path; combine it with a mux for what is not ARM.
type Server struct {
	config Config
	routes router
}

// New makes a server of the declarations. It refuses paths that do not parse,
// two routes for one address, and a poll with an unknown parameter.
func New(c Config) (*Server, error) { panic("being written") }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("being written") }

type router struct{}

type route struct {
	action string
	list   bool
	open   bool
}
