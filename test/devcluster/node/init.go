package node

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// Init is process 1 of the node. It waits until the machine has connected the
// network, which it is told by one byte on file descriptor 3, starts the
// supervisor, and reaps every process that loses its parent (containerd's shims
// do). It returns when the supervisor ended, which ends the node.
func Init(supervisor []string) error {
	if os.Getpid() != 1 {
		return fmt.Errorf("this must be process 1 of a node, not process %d", os.Getpid())
	}
	start := os.NewFile(3, "start")
	if _, err := io.ReadFull(start, make([]byte, 1)); err != nil {
		return fmt.Errorf("the machine gave up on this node: %w", err)
	}
	start.Close()
	// Not os/exec: its Wait would compete with the loop below for exit codes.
	pid, err := syscall.ForkExec("/proc/self/exe", supervisor, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	for {
		var status syscall.WaitStatus
		switch ended, err := syscall.Wait4(-1, &status, 0, nil); {
		case err == syscall.EINTR:
		case err != nil:
			return fmt.Errorf("wait for children: %w", err)
		case ended == pid:
			return fmt.Errorf("the supervisor ended: exit %d, signal %d", status.ExitStatus(), status.Signal())
		}
	}
}
