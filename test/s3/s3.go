// Package s3 runs VersityGW, an S3 server over a directory that honours
// conditional writes, as a real server for tests and demonstrations. Its
// program is compiled from the Go module in server/.
package s3

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"holdfast.dev/holdfast/test/server"
)

// The server's only user, and the region it says to be in.
const (
	AccessKey = "holdfast"
	SecretKey = "holdfast-test-secret" //nolint:gosec // for the length of a test
	Region    = "eu-test-1"
)

// Server is a running S3 server.
type Server struct {
	URL string // http://host:port
	dir string
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

// Run compiles the server where that was not done yet, starts it, and returns
// when it answers. It ends with Stop, or with ctx.
func Run(ctx context.Context, o Options) (*Server, error) {
	program, err := server.Build(ctx, "s3")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(o.Dir, "buckets")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the buckets: %w", err)
	}
	p, err := server.Start(ctx, server.Program{
		Name: "versitygw", Dir: o.Dir, Host: o.Host, Port: o.Port,
		Command: func(host string, port int) []string {
			return []string{program, "--access", AccessKey, "--secret", SecretKey, "--region", Region,
				"--port", net.JoinHostPort(host, strconv.Itoa(port)), "--keep-alive", "--quiet", "posix", data}
		},
		Ready: func(r *http.Response) bool { return strings.Contains(r.Header.Get("Server"), "VERSITY") },
	})
	if err != nil {
		return nil, err
	}
	return &Server{URL: "http://" + p.Address, dir: data, Process: p}, nil
}

// Bucket makes a bucket, whatever the server is doing, and returns its URL as
// a storage location has it.
func (s *Server) Bucket(name string) (string, error) {
	return fmt.Sprintf("s3://%s?endpoint=%s&region=%s", name, s.URL, Region), os.Mkdir(filepath.Join(s.dir, name), 0o700)
}
