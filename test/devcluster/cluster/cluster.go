// Package cluster brings one-node clusters up and down from the machine's
// side. What happens inside a node is package node's.
package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"holdfast.dev/holdfast/test/devcluster/loopdev"
	"holdfast.dev/holdfast/test/devcluster/network"
	"holdfast.dev/holdfast/test/devcluster/node"
	"holdfast.dev/holdfast/test/devcluster/registry"
)

// Cluster is one named cluster of this machine.
type Cluster struct {
	node.Config
	registry registry.Registry
}

// Open finds an existing cluster; fs.ErrNotExist when there is none.
func Open(r registry.Registry, name string) (*Cluster, error) {
	index, err := r.Lookup(name)
	if err != nil {
		return nil, err
	}
	return with(r, name, index)
}

// Claim finds the named cluster or reserves its place.
func Claim(r registry.Registry, name string) (*Cluster, error) {
	index, err := r.Claim(name)
	if err != nil {
		return nil, err
	}
	return with(r, name, index)
}

func with(r registry.Registry, name string, index int) (*Cluster, error) {
	plan, err := network.NewPlan(index)
	if err != nil {
		return nil, err
	}
	return &Cluster{Config: node.Config{Name: name, Dir: r.Dir(name), Plan: plan}, registry: r}, nil
}

// Kubectl is a command running kubectl against this cluster.
func (c *Cluster) Kubectl(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.Dir, "bin", "hyperkube"), append([]string{"kubectl"}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig(), "KUBECACHEDIR="+filepath.Join(c.Dir, "kubectl-cache"))
	return cmd
}

// Loops lists the loop devices that hang on the cluster's pool; needs root.
func (c *Cluster) Loops() ([]string, error) { return loopdev.Tree(c.PoolImage()) }

// inside is a command running in the node's namespaces.
func (c *Cluster) inside(pid int, program string, args ...string) *exec.Cmd {
	all := []string{"--target", strconv.Itoa(pid), "--mount", "--net", "--pid", "--", program}
	return exec.Command("nsenter", append(all, args...)...)
}

// ErrNotRunning is returned by what needs a running node.
type ErrNotRunning struct{ Name string }

func (e ErrNotRunning) Error() string {
	return fmt.Sprintf("cluster %q is not running; start it with: devcluster up --name %s", e.Name, e.Name)
}
