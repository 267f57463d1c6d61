// Package azurite runs Azurite, the emulator of Azure Blob Storage, as a real
// server for tests and demonstrations. It comes from npm, is installed once
// into a cache outside the tree, and listens on loopback only.
package azurite

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The emulator's well-known account.
const (
	Account = "devstoreaccount1"
	Key     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// startTimeout bounds the wait for the server's first answer.
const startTimeout = 60 * time.Second

// Server is a running Azurite.
type Server struct {
	URL string // http://host:port/account, without a slash at the end
	cmd *exec.Cmd
	out *os.File
	end chan struct{} // closed when the process has ended
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
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	for attempt := 1; ; attempt++ {
		s, err := run(ctx, main, o)
		// A free port may be taken by another before the server has it.
		if err == nil || o.Port != 0 || attempt == 5 || ctx.Err() != nil {
			return s, err
		}
	}
}

func run(ctx context.Context, main string, o Options) (*Server, error) {
	port := o.Port
	if port == 0 {
		var err error
		if port, err = freePort(o.Host); err != nil {
			return nil, err
		}
	}
	out, err := os.Create(filepath.Join(o.Dir, "azurite.log"))
	if err != nil {
		return nil, fmt.Errorf("azurite's log: %w", err)
	}
	cmd := exec.CommandContext(ctx, "node", main, "--disableTelemetry", "--skipApiVersionCheck", "--silent",
		"--location", o.Dir, "--blobHost", o.Host, "--blobPort", strconv.Itoa(port))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		out.Close()
		return nil, fmt.Errorf("start azurite: %w", err)
	}
	s := &Server{URL: fmt.Sprintf("http://%s/%s", net.JoinHostPort(o.Host, strconv.Itoa(port)), Account),
		cmd: cmd, out: out, end: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(s.end)
	}()
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func freePort(host string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// ready waits until the server answers as Azurite does.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"?comp=list", nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
			if answer.Header.Get("x-ms-request-id") != "" {
				return nil
			}
		}
		select {
		case <-s.end:
			return fmt.Errorf("azurite ended before it answered, see %s", s.out.Name())
		case <-ctx.Done():
			return fmt.Errorf("azurite does not answer: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// PID is the server's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Wait returns when the server has ended.
func (s *Server) Wait() { <-s.end }

// Stop ends the server and waits for it.
func (s *Server) Stop() error {
	err := s.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	if err == nil {
		<-s.end
	}
	return errors.Join(err, s.out.Close())
}

// Container returns the URL of a container.
func (s *Server) Container(name string) string { return s.URL + "/" + name }
