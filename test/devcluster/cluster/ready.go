package cluster

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"holdfast.dev/holdfast/test/devcluster/kubeapi"
	"holdfast.dev/holdfast/test/devcluster/network"
	"holdfast.dev/holdfast/test/devcluster/node"
)

// waitReady waits until everything works. What the API says may be from before
// the node was killed, so facts older than this run of the node do not count.
func (c *Cluster) waitReady(ctx context.Context, api *kubeapi.Client, pid int) error {
	info, err := os.Stat(c.pidFile())
	if err != nil {
		return err
	}
	booted := info.ModTime().Truncate(time.Second) // the API's times are whole seconds
	steps := []struct {
		what  string
		check func(context.Context) error
	}{
		{"the components", func(context.Context) error { return c.allRunning() }},
		{"node " + c.NodeName(), func(ctx context.Context) error { return c.nodeReady(ctx, api, booted) }},
		{"the storage drivers", func(ctx context.Context) error { return c.driversReady(ctx, api) }},
		{"service accounts", func(ctx context.Context) error {
			return api.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil)
		}},
		{"DNS", func(context.Context) error { return c.resolves(pid) }},
		{"pods to be started again", func(ctx context.Context) error { return podsFresh(ctx, api, booted) }},
	}
	for _, s := range steps {
		if err := kubeapi.Wait(ctx, s.what, s.check); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) allRunning() error {
	running, err := c.Running()
	if err != nil {
		return err
	}
	for name, pid := range running {
		if pid == 0 {
			return fmt.Errorf("%w: %s", kubeapi.ErrNotYet, name)
		}
	}
	return nil
}

func (c *Cluster) nodeReady(ctx context.Context, api *kubeapi.Client, booted time.Time) error {
	var n struct {
		Status struct {
			Conditions []struct {
				Type, Status      string
				LastHeartbeatTime time.Time
			}
		}
	}
	if err := api.Get(ctx, "/api/v1/nodes/"+c.NodeName(), &n); err != nil {
		return err
	}
	for _, condition := range n.Status.Conditions {
		if condition.Type == "Ready" && condition.Status == "True" && !condition.LastHeartbeatTime.Before(booted) {
			return nil
		}
	}
	return kubeapi.ErrNotYet
}

func (c *Cluster) driversReady(ctx context.Context, api *kubeapi.Client) error {
	var n struct {
		Spec struct{ Drivers []struct{ Name string } }
	}
	if err := api.Get(ctx, "/apis/storage.k8s.io/v1/csinodes/"+c.NodeName(), &n); err != nil {
		return err
	}
	var names []string
	for _, d := range n.Spec.Drivers {
		names = append(names, d.Name)
	}
	if !slices.Contains(names, node.Driver) || !slices.Contains(names, node.PlainDriver) {
		return fmt.Errorf("%w: only [%s]", kubeapi.ErrNotYet, strings.Join(names, " "))
	}
	return nil
}

// resolves asks the DNS service itself, which takes a running pod, service
// routing and access to the API server.
func (c *Cluster) resolves(pid int) error {
	out, err := c.inside(pid, "busybox", "timeout", "2", "busybox", "nslookup", "kubernetes.default.svc.cluster.local", network.DNSAddress).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func podsFresh(ctx context.Context, api *kubeapi.Client, booted time.Time) error {
	var pods struct {
		Items []struct {
			Metadata struct{ Namespace, Name string }
			Status   struct {
				ContainerStatuses []struct {
					State struct {
						Running *struct{ StartedAt time.Time }
					}
				}
			}
		}
	}
	if err := api.Get(ctx, "/api/v1/pods", &pods); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		for _, container := range pod.Status.ContainerStatuses {
			if running := container.State.Running; running != nil && running.StartedAt.Before(booted) {
				return fmt.Errorf("%w: pod %s/%s", kubeapi.ErrNotYet, pod.Metadata.Namespace, pod.Metadata.Name)
			}
		}
	}
	return nil
}
