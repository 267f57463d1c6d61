package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Pid returns process 1 of the running node, as the machine numbers it, or 0.
// A number that meanwhile belongs to another process does not count.
func (c *Cluster) Pid() (int, error) {
	data, err := os.ReadFile(c.pidFile())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	number, started, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	pid, err := strconv.Atoi(number)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.pidFile(), err)
	}
	if now, alive := startTime(pid); !alive || now != started {
		return 0, nil
	}
	return pid, nil
}

func (c *Cluster) pidFile() string { return filepath.Join(c.Dir, "node.pid") }

// start creates the node's namespaces and its process 1, connects the network
// and lets it go on.
func (c *Cluster) start(ctx context.Context) (int, error) {
	output, err := os.OpenFile(filepath.Join(c.LogDir(), "node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer output.Close()
	wait, goAhead, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer goAhead.Close()
	cmd := exec.Command(filepath.Join(c.Dir, "bin", "devcluster"), "node-init", "--dir", c.Dir, "--name", c.Name, "--index", strconv.Itoa(c.Plan.Index))
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{wait}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	}
	err = cmd.Start()
	wait.Close()
	if err != nil {
		return 0, fmt.Errorf("start the node: %w", err)
	}
	go cmd.Wait() // so that a node that dies while we watch is not left a zombie
	pid := cmd.Process.Pid
	if err := c.release(ctx, pid, goAhead); err != nil {
		return 0, errors.Join(err, cmd.Process.Kill())
	}
	return pid, nil
}

func (c *Cluster) release(ctx context.Context, pid int, goAhead *os.File) error {
	started, _ := startTime(pid)
	if err := os.WriteFile(c.pidFile(), fmt.Appendf(nil, "%d %s\n", pid, started), 0o644); err != nil {
		return err
	}
	if err := c.Plan.Connect(ctx, pid); err != nil {
		return err
	}
	_, err := goAhead.Write([]byte{1})
	return err
}

// kill ends process 1 and waits until the kernel has ended the whole node.
func (c *Cluster) kill(ctx context.Context) error {
	pid, err := c.Pid()
	if err != nil || pid == 0 {
		return err
	}
	started, _ := startTime(pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end the node: %w", err)
	}
	for {
		if now, alive := startTime(pid); !alive || now != started {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for process %d to end: %w", pid, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// startTime is field 22 of /proc/PID/stat, which with the pid names a process
// for as long as the machine runs. A zombie counts as ended.
func startTime(pid int) (string, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	// The name, field 2, may hold spaces and brackets; fields go on after the last one.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	const state, start = 3 - 3, 22 - 3
	if len(fields) <= start || fields[state] == "Z" {
		return "", false
	}
	return fields[start], true
}
