package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/service"
)

// startTime bounds the wait for the service, on a busy machine.
const startTime = 2 * time.Minute

// replicas are the processes of the service on one database and data directory.
// Clients of the API talk to the first; agents to the one that installed them.
type replicas []*process

func newReplicas(n int, program, dir, database string, window time.Duration) (all replicas, err error) {
	for k := range n {
		p, err := newProcess(program, dir, database, fmt.Sprintf("holdfastd-%d", k), window)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// start starts all, the first first: it makes the administrator.
func (r replicas) start(ctx context.Context) error {
	for _, p := range r {
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r replicas) kill() {
	for _, p := range r {
		p.kill()
	}
}

// forget forgets what was measured of those that were killed.
func (r replicas) forget() {
	for _, p := range r {
		p.cpu, p.peak = 0, 0
	}
}

// spent is the processor time of all, and the most memory that one has held.
func (r replicas) spent() (cpu float64, peak int64) {
	for _, p := range r {
		cpu, peak = cpu+p.cpu, max(peak, p.peak)
	}
	return cpu, peak
}

func (r replicas) logEnds() (all string) {
	for _, p := range r {
		all += fmt.Sprintf("\nthe end of the log of %s:\n%s", p.name, p.logEnd())
	}
	return all
}

// process is holdfastd, which is killed and started again.
type process struct {
	program, dir, database string
	name                   string
	window                 time.Duration
	listen, agents         string // kept, so that agents find it again
	cmd                    *exec.Cmd
	peak                   int64   // bytes, the most that one of them held
	cpu                    float64 // seconds, of those that have ended
}

func newProcess(program, dir, database, name string, window time.Duration) (*process, error) {
	p := &process{program: program, dir: dir, database: database, name: name, window: window}
	for _, address := range []*string{&p.listen, &p.agents} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		*address = l.Addr().String()
	}
	return p, nil
}

func (p *process) data() string { return filepath.Join(p.dir, "data") }
func (p *process) log() string  { return filepath.Join(p.dir, p.name+".log") }

// start starts the service and waits until it is ready.
func (p *process) start(ctx context.Context) error {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(p.program, "serve", "--data-dir", p.data(), "--listen", p.listen, "--agent-listen", p.agents, "--advertise", "127.0.0.1",
		"--backup-window", p.window.String())
	p.cmd.Env = append(os.Environ(), "HOLDFAST_DATABASE="+p.database)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	asker := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		// Only readiness is asked here; the client of the API checks the certificate.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer asker.CloseIdleConnections()
	for end := time.Now().Add(startTime); ; {
		answer, err := asker.Get("https://" + p.listen + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(answer.Status)
		}
		if time.Now().After(end) {
			return fmt.Errorf("the service is not ready: %w; see %s", err, log.Name())
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// logEnd is the end of what the service said.
func (p *process) logEnd() []byte {
	said, _ := os.ReadFile(p.log()) // nothing when it is not there
	return said[max(0, len(said)-4000):]
}

// kill ends the service as a crash would.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	p.measure()
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()         // killed
	if p.cmd.ProcessState != nil {
		p.cpu += (p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()).Seconds()
	}
	p.cmd = nil
}

// measure looks at the most memory that the service has held.
func (p *process) measure() {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return // it has ended
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
			p.peak = max(p.peak, kilobytes<<10)
		}
	}
}

// signIn returns a client of the API, and the subscription.
func (p *process) signIn() (*client.Client, string, error) {
	raw, err := os.ReadFile(filepath.Join(p.data(), "admin.json"))
	if err != nil {
		return nil, "", err
	}
	var admin service.Admin
	if err := json.Unmarshal(raw, &admin); err != nil {
		return nil, "", err
	}
	ca, err := os.ReadFile(admin.CAFile)
	if err != nil {
		return nil, "", err
	}
	token, err := client.ClientCredentials(client.Credentials{
		Address: admin.URL, Tenant: admin.Tenant, ClientID: admin.ClientID, Secret: admin.ClientSecret, CA: ca})
	if err != nil {
		return nil, "", err
	}
	api, err := client.New(client.Config{Address: admin.URL, CA: ca, Token: token})
	return api, "/subscriptions/" + admin.Subscription, err
}

// pause waits, and returns the error of a context that ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
