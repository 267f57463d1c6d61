// Package vault runs HashiCorp Vault's own transit engine, in memory, behind a
// thin front of tokens, namespaces and sealing, as a real key server for tests.
// Its program is compiled from the Go module in server/.
package vault

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"holdfast.dev/holdfast/test/server"
)

// What lets a client in.
const (
	Token    = "root"
	RoleID   = "holdfast-role"     // by AppRole
	SecretID = "holdfast-secret"   //nolint:gosec // for the length of a test
	Role     = "holdfast"          // by Kubernetes
	JWT      = "a.service.account" // by Kubernetes
)

// Server is a running key server.
type Server struct {
	Address string // host:port, without TLS
	t       testing.TB
}

// Start runs a server for the length of a test.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := server.Build(t.Context(), "vault")
	if err != nil {
		t.Fatal(err)
	}
	p, err := server.Start(context.WithoutCancel(t.Context()), server.Program{
		Name: "vault", Dir: t.TempDir(),
		Command: func(host string, port int) []string {
			return []string{program, "-listen", net.JoinHostPort(host, strconv.Itoa(port))}
		},
		Ready: func(r *http.Response) bool { return r.Header.Get("Server") == "holdfast test vault" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &Server{p.Address, t}
}

// Do makes a request with the root token, such as POST /v1/transit/keys/NAME or
// POST /test/seal, and returns what came back.
func (s *Server) Do(method, path, body string) string {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.Address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", Token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %s, %v", method, path, answer.StatusCode, text, err)
	}
	return string(text)
}
