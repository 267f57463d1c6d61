package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"holdfast.dev/holdfast/test/azurite"
)

// startStore runs Azurite for a cluster whose nodes do not see this machine's
// folders. It outlives this process.
func (d *demo) startStore(ctx context.Context) error {
	dir := filepath.Join(d.Dir, "azurite")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := d.stopStore(); err != nil {
		return err
	}
	s, err := azurite.Run(context.WithoutCancel(ctx), azurite.Options{Dir: dir, Host: d.Host, Port: d.Port + 2})
	if err != nil {
		return err
	}
	d.Store = " --store-url " + s.URL + " --store-account " + azurite.Account + " --store-key " + azurite.Key
	return os.WriteFile(d.storePID(), []byte(strconv.Itoa(s.PID())), 0o600)
}

func (d *demo) storePID() string { return filepath.Join(d.Dir, "azurite.pid") }

// stopStore ends an Azurite that an earlier run left.
func (d *demo) stopStore() error {
	data, err := os.ReadFile(d.storePID())
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if pid, err := strconv.Atoi(string(data)); err == nil {
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may have ended by itself
	}
	return os.Remove(d.storePID())
}

// leaveCluster removes our own cluster, or takes what the demo brought out of a
// cluster that was given.
func (d *demo) leaveCluster(ctx context.Context) error {
	if !d.External {
		for _, name := range []string{"demo", second} {
			d.Name = name
			if err := d.StopCluster(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	if err := d.stopStore(); err != nil {
		return err
	}
	if _, err := d.Holdfast(ctx, "cluster", "disconnect", "--kubeconfig", d.Kubeconfig, "--yes"); err != nil {
		return err
	}
	if _, err := d.Kubectl(ctx, "delete", "namespace", "shop", "--ignore-not-found", "--timeout=120s"); err != nil {
		return err
	}
	_, err := d.Kubectl(ctx, "delete", "crd", "widgets.shop.example.org", "--ignore-not-found", "--timeout=60s")
	return err
}
