package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"holdfast.dev/holdfast/test/devcluster/loopdev"
)

// Down ends the cluster and removes everything of it, data included. It may
// be repeated, and repairs what an interrupted up or a killed node left.
func (c *Cluster) Down(ctx context.Context) error {
	unlock, err := c.registry.Lock(c.Name)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.sweep(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(c.Dir); err != nil {
		return err
	}
	return c.registry.Release(c.Name)
}

// sweep ends the node and removes what the kernel does not remove with it.
func (c *Cluster) sweep(ctx context.Context) error {
	if err := c.kill(ctx); err != nil {
		return err
	}
	if err := c.detachLoops(ctx); err != nil {
		return err
	}
	if err := c.removeLink(ctx); err != nil {
		return err
	}
	if err := c.removeCgroups(); err != nil {
		return err
	}
	if err := os.Remove(c.pidFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// detachLoops frees every device that hangs on the pool. Kubelet's devices sit
// on the driver's, which sit on the pool's, and each level goes only when the
// one above is gone.
func (c *Cluster) detachLoops(ctx context.Context) error {
	for {
		devices, err := c.Loops()
		if err != nil {
			return err
		}
		if len(devices) == 0 {
			return nil
		}
		for _, d := range devices {
			if err := loopdev.Detach(d); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("detach %v: %w", devices, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// removeLink removes the veth pair if the namespace has not taken it along yet.
func (c *Cluster) removeLink(ctx context.Context) error {
	for {
		if _, err := os.Stat("/sys/class/net/" + c.Plan.Link()); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		// It may vanish between the question and the command: ask again.
		out, err := exec.CommandContext(ctx, "ip", "link", "del", c.Plan.Link()).CombinedOutput()
		if ctx.Err() != nil {
			return fmt.Errorf("remove link %s: %w: %w: %s", c.Plan.Link(), ctx.Err(), err, out)
		}
	}
}
