package cluster

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"holdfast.dev/holdfast/test/devcluster/build"
	"holdfast.dev/holdfast/test/devcluster/kubeapi"
	"holdfast.dev/holdfast/test/devcluster/network"
	"holdfast.dev/holdfast/test/devcluster/pki"
)

//go:embed manifests/*.yaml
var manifests embed.FS

const startLimit = 3 * time.Minute

func (c *Cluster) certificates() pki.Cluster {
	return pki.Cluster{Name: c.Name, Node: c.NodeName(), NodeAddress: c.Plan.NodeAddress().String(),
		APIServer: c.Plan.APIServer(), APIService: network.APIServiceAddress}
}

// errEnded says that the node ended while it was waited for.
var errEnded = errors.New("the node ended")

// populate loads images, applies what every cluster has, and waits until all
// of it is ready. It gives up at once when the node ends.
func (c *Cluster) populate(ctx context.Context, pid int, parts Parts, show *build.Progress) (err error) {
	done := show.Step("waiting for cluster " + c.Name)
	defer func() { done(err) }()
	ctx, stop := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready after %s; see the files in %s", startLimit, c.LogDir()))
	defer stop()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go c.watch(ctx, pid, end)
	err = c.fill(ctx, pid, parts)
	if now, pidErr := c.Pid(); err != nil && pidErr == nil && now != pid {
		return fmt.Errorf("%w; see %s (%w)", errEnded, filepath.Join(c.LogDir(), "node.log"), err)
	}
	return err
}

// watch calls end when process pid is no longer this cluster's node.
func (c *Cluster) watch(ctx context.Context, pid int, end context.CancelCauseFunc) {
	for ctx.Err() == nil {
		if now, err := c.Pid(); err == nil && now != pid {
			end(errEnded)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (c *Cluster) fill(ctx context.Context, pid int, parts Parts) error {
	api, err := kubeapi.New(c.PKI(), c.Plan.APIServer())
	if err != nil {
		return err
	}
	if err := c.loadParts(ctx, pid, parts.Images); err != nil {
		return err
	}
	if err := kubeapi.Wait(ctx, "the API server", func(ctx context.Context) error { return api.Get(ctx, "/readyz", nil) }); err != nil {
		return err
	}
	if err := c.applyAll(ctx, api, parts.CRDs); err != nil {
		return err
	}
	return c.waitReady(ctx, api, pid)
}

func (c *Cluster) loadParts(ctx context.Context, pid int, images []string) error {
	socket := filepath.Join("/proc", fmt.Sprint(pid), "root", c.RuntimeSocket())
	if err := kubeapi.Wait(ctx, "containerd", func(context.Context) error {
		_, err := os.Stat(socket)
		return err
	}); err != nil {
		return err
	}
	for _, path := range images {
		marker := filepath.Join(c.Dir, "loaded", filepath.Base(filepath.Dir(path)))
		if _, err := os.Stat(marker); err == nil {
			continue
		}
		if err := c.LoadImage(ctx, path); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(marker), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(marker, nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// LoadImage imports a docker-archive or OCI archive into containerd.
func (c *Cluster) LoadImage(ctx context.Context, path string) error {
	pid, err := c.Pid()
	if err != nil {
		return err
	}
	if pid == 0 {
		return ErrNotRunning{c.Name}
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	cmd := c.inside(pid, "/run/holdfast/bin/ctr", "--address", c.RuntimeSocket(), "--namespace", "k8s.io", "images", "import", "-")
	cmd.Stdin = in
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load %s: %w: %s", path, err, out)
	}
	return nil
}

// applyAll applies the definitions first; the snapshot class needs them served.
func (c *Cluster) applyAll(ctx context.Context, api *kubeapi.Client, crds string) error {
	definitions, err := os.ReadFile(crds)
	if err != nil {
		return err
	}
	first := [][]byte{definitions}
	for _, name := range []string{"dns.yaml", "storage.yaml", "snapshotmetadata.yaml"} {
		text, err := manifests.ReadFile("manifests/" + name)
		if err != nil {
			return err
		}
		first = append(first, text)
	}
	if err := c.apply(bytes.Join(first, []byte("\n---\n"))); err != nil {
		return err
	}
	served := func(ctx context.Context) error {
		return api.Get(ctx, "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses", nil)
	}
	if err := kubeapi.Wait(ctx, "the snapshot definitions", served); err != nil {
		return err
	}
	class, err := manifests.ReadFile("manifests/snapshotclass.yaml")
	if err != nil {
		return err
	}
	return c.apply(class)
}

func (c *Cluster) apply(text []byte) error {
	cmd := c.Kubectl("apply", "--server-side", "--force-conflicts", "-f", "-")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apply manifests: %w: %s", err, out)
	}
	return nil
}
