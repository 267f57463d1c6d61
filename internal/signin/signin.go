// Package signin says who is calling. It issues access tokens to service
// principals by OAuth 2 client credentials, in the way ARM clients ask for
// them, and turns a token back into a principal.
//
//	POST /{tenant}/oauth2/v2.0/token    token.go
//	GET  discovery documents, keys      discovery.go
//	GET  /metadata/endpoints            metadata.go
//	Authorization: Bearer ...           verify.go
//
// Certificates are next door: agentcert for programs in clusters, servercert
// for the service's own address.
package signin

import (
	"crypto/rsa"
	"log/slog"
	"net/http"
	"strings"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
)

// Config is what a Service is made of. Everything is required but Audiences.
type Config struct {
	Store    catalog.Store
	Clock    clock.Clock
	Log      *slog.Logger
	Key      *rsa.PrivateKey // signs tokens, see LoadKey
	TenantID string          // see EnsureTenant
	// BaseURL is how callers reach the service, such as "https://backup.example:8443".
	// It is the issuer and the first audience of tokens.
	BaseURL string
	// Audiences are accepted besides BaseURL.
	Audiences []string
}

// Service signs callers in.
type Service struct {
	Config
	keyID    string
	refusals *refusals
	mux      *http.ServeMux
}

// New returns a service over c.
func New(c Config) *Service {
	c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	s := &Service{Config: c, keyID: keyID(&c.Key.PublicKey), refusals: newRefusals(c.Clock), mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.token)
	s.mux.HandleFunc("POST /{tenant}/oauth2/token", s.token)
	s.mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.openID)
	s.mux.HandleFunc("GET /{tenant}/.well-known/openid-configuration", s.openID)
	s.mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.keys)
	s.mux.HandleFunc("GET /{tenant}/discovery/keys", s.keys)
	s.mux.HandleFunc("GET /{tenant}/discovery/instance", s.instance)
	s.mux.HandleFunc("GET /metadata/endpoints", s.metadata)
	return s
}

// Front answers the addresses of signing in and hands everything else on.
func (s *Service) Front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := s.mux.Handler(r); pattern != "" {
			s.mux.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// audience finds the accepted audience that text means; a trailing slash and
// case do not matter.
func (s *Service) audience(text string) (string, bool) {
	bare := func(a string) string { return strings.ToLower(strings.TrimRight(a, "/")) }
	for _, a := range append([]string{s.BaseURL}, s.Audiences...) {
		if bare(a) == bare(text) {
			return a, true
		}
	}
	return "", false
}

func (s *Service) issuer() string { return s.BaseURL + "/" + s.TenantID + "/v2.0" }
