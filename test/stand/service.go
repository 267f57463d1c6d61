package stand

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// DataDir is the service's data directory.
func (s *Stand) DataDir() string { return filepath.Join(s.Dir, "service") }

// URL is the service's address from this machine and from pods.
func (s *Stand) URL() string { return fmt.Sprintf("https://%s:%d", s.Host, s.Port) }

// AgentURL is the address agents call.
func (s *Stand) AgentURL() string { return fmt.Sprintf("https://%s:%d", s.Host, s.Port+1) }

func (s *Stand) pidFile() string { return filepath.Join(s.Dir, "holdfastd.pid") }

// StartService starts holdfastd in the background, unless it runs already, and
// waits until it is ready. It outlives this process.
func (s *Stand) StartService(ctx context.Context) error {
	if _, ok := s.ServicePID(); !ok {
		if err := s.launch(); err != nil {
			return err
		}
	}
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		// Only readiness is asked here; the command line checks the certificate.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // see above
	return Eventually(ctx, "service ready", 3*time.Minute, func() (bool, error) {
		resp, err := client.Get(s.URL() + "/readyz")
		if err != nil {
			return false, err
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, fmt.Errorf("readyz answers %s", resp.Status)
	})
}

func (s *Stand) launch() error {
	log, err := os.OpenFile(filepath.Join(s.Dir, "holdfastd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.Binary(cmp.Or(s.Program, "holdfastd")), "serve", "--data-dir", s.DataDir(),
		"--listen", fmt.Sprintf("0.0.0.0:%d", s.Port), "--agent-listen", fmt.Sprintf("0.0.0.0:%d", s.Port+1),
		"--advertise", s.Host+",localhost,127.0.0.1")
	cmd.Args = append(cmd.Args, s.Serve...)
	cmd.Env = append(os.Environ(), s.Environment...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	// Reaped here, so that a killed service does not stay as a zombie.
	go cmd.Wait() // how it ended is seen by who asks it next
	return os.WriteFile(s.pidFile(), []byte(strconv.Itoa(pid)), 0o600)
}

// ServicePID is the process id of the running service.
func (s *Stand) ServicePID() (int, bool) {
	data, err := os.ReadFile(s.pidFile())
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		return 0, false
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return pid, err == nil && strings.HasPrefix(filepath.Base(exe), "holdfastd")
}

// KillService ends the service with SIGKILL, as a crash would.
func (s *Stand) KillService(ctx context.Context) error { return s.endService(ctx, syscall.SIGKILL) }

// StopService asks the service to end and waits for it.
func (s *Stand) StopService(ctx context.Context) error { return s.endService(ctx, syscall.SIGTERM) }

func (s *Stand) endService(ctx context.Context, sig syscall.Signal) error {
	pid, ok := s.ServicePID()
	if !ok {
		return nil
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return err
	}
	return Eventually(ctx, "service ended", 2*time.Minute, func() (bool, error) {
		_, alive := s.ServicePID()
		return !alive, nil
	})
}
