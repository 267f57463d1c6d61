// Package server runs real servers for tests and demonstrations: a program
// that is told a port of its own, answers, and ends with the test.
package server

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
	"time"
)

// startTimeout bounds the wait for a server's first answer.
const startTimeout = 60 * time.Second

// Program says how to run a server.
type Program struct {
	Name string // for messages and the log's file name
	Dir  string // folder of its log; it must exist
	Host string // address to listen on; empty means 127.0.0.1
	Port int    // 0 means a free one
	// Command returns the command line for an address.
	Command func(host string, port int) []string
	// Ready says whether an answer to GET / is the server's own, and not that
	// of another that took the port first.
	Ready func(*http.Response) bool
}

// Process is a running server.
type Process struct {
	Address string // host:port
	name    string
	cmd     *exec.Cmd
	out     *os.File
	end     chan struct{} // closed when the process has ended
}

// Start starts a server and returns when it answers. It ends with Stop, or
// with ctx.
func Start(ctx context.Context, p Program) (*Process, error) {
	if p.Host == "" {
		p.Host = "127.0.0.1"
	}
	for attempt := 1; ; attempt++ {
		s, err := start(ctx, p)
		// A free port may be taken by another before the server has it.
		if err == nil || p.Port != 0 || attempt == 5 || ctx.Err() != nil {
			return s, err
		}
	}
}

func start(ctx context.Context, p Program) (*Process, error) {
	if p.Port == 0 {
		var err error
		if p.Port, err = freePort(p.Host); err != nil {
			return nil, err
		}
	}
	out, err := os.Create(filepath.Join(p.Dir, p.Name+".log"))
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", p.Name, err)
	}
	line := p.Command(p.Host, p.Port)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		out.Close()
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	s := &Process{Address: net.JoinHostPort(p.Host, strconv.Itoa(p.Port)), name: p.Name, cmd: cmd, out: out, end: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(s.end)
	}()
	if err := s.ready(ctx, p.Ready); err != nil {
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

// ready waits until the server answers as itself.
func (s *Process) ready(ctx context.Context, its func(*http.Response) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address+"/", nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
			if its(answer) {
				return nil
			}
		}
		select {
		case <-s.end:
			return fmt.Errorf("%s ended before it answered, see %s", s.name, s.out.Name())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", s.name, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// PID is the server's process id.
func (s *Process) PID() int { return s.cmd.Process.Pid }

// Wait returns when the server has ended.
func (s *Process) Wait() { <-s.end }

// Stop ends the server and waits for it.
func (s *Process) Stop() error {
	err := s.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	if err == nil {
		<-s.end
	}
	return errors.Join(err, s.out.Close())
}
