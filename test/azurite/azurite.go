// Package azurite runs Azurite, the emulator of Azure Blob Storage, as a real
// server for tests and demonstrations. It comes from npm, is installed once
// into a cache outside the tree, and listens on loopback only.
package azurite

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"holdfast.dev/holdfast/test/server"
)

// The emulator's well-known account.
const (
	Account = "devstoreaccount1"
	Key     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Server is a running Azurite.
type Server struct {
	URL string // http://host:port/account, without a slash at the end
	*server.Process
}

// Options say where a server runs.
type Options struct {
	Dir  string // folder of its data and log; it must exist
	Host string // address to listen on; empty means 127.0.0.1
	Port int    // 0 means a free one
}

// Start runs a server for the length of a test, with its data in a temporary
// folder.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := Run(context.WithoutCancel(t.Context()), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Run installs Azurite where that was not done yet, starts it, and returns when
// it answers. It ends with Stop, or with ctx.
func Run(ctx context.Context, o Options) (*Server, error) {
	main, err := install(ctx)
	if err != nil {
		return nil, fmt.Errorf("install azurite: %w", err)
	}
	p, err := server.Start(ctx, server.Program{
		Name: "azurite", Dir: o.Dir, Host: o.Host, Port: o.Port,
		Command: func(host string, port int) []string {
			return []string{"node", main, "--disableTelemetry", "--skipApiVersionCheck", "--silent",
				"--location", o.Dir, "--blobHost", host, "--blobPort", strconv.Itoa(port)}
		},
		Ready: func(r *http.Response) bool { return r.Header.Get("x-ms-request-id") != "" },
	})
	if err != nil {
		return nil, err
	}
	return &Server{URL: "http://" + p.Address + "/" + Account, Process: p}, nil
}

// Container returns the URL of a container.
func (s *Server) Container(name string) string { return s.URL + "/" + name }
