// Package gcs runs a server of the Google Cloud Storage API, with its objects
// in memory, for tests and demonstrations. Its program is compiled from the Go
// module in server/.
package gcs

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"holdfast.dev/holdfast/test/server"
)

// Server is a running server.
type Server struct {
	URL string // http://host:port
	*server.Process
}

// Options say where a server runs.
type Options struct {
	Dir  string // folder of its data and log; it must exist
	Host string // address to listen on; empty means 127.0.0.1
	Port int    // 0 means a free one
}

// Start runs a server for the length of a test.
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

// Run compiles the server where that was not done yet, starts it, and returns
// when it answers. It ends with Stop, or with ctx.
func Run(ctx context.Context, o Options) (*Server, error) {
	program, err := server.Build(ctx, "gcs")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(o.Dir, "seed") // it insists on a folder to begin with
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the buckets: %w", err)
	}
	p, err := server.Start(ctx, server.Program{
		Name: "fake-gcs-server", Dir: o.Dir, Host: o.Host, Port: o.Port,
		Command: func(host string, port int) []string {
			return []string{program, "-scheme", "http", "-host", host, "-port", strconv.Itoa(port),
				"-public-host", host, "-backend", "memory", "-data", data, "-log-level", "error"}
		},
		Ready: func(r *http.Response) bool { return r.StatusCode == http.StatusNotFound },
	})
	if err != nil {
		return nil, err
	}
	return &Server{URL: "http://" + p.Address, Process: p}, nil
}

// Bucket makes a bucket and returns its URL as a storage location has it.
func (s *Server) Bucket(name string) (string, error) {
	answer, err := http.Post(s.URL+"/storage/v1/b?project=test", "application/json", bytes.NewBufferString(fmt.Sprintf(`{"name":%q}`, name)))
	if err != nil {
		return "", fmt.Errorf("make bucket %s: %w", name, err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("make bucket %s: %s", name, answer.Status)
	}
	return fmt.Sprintf("gs://%s?endpoint=%s", name, s.URL), nil
}
