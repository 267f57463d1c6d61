// Package node is the inside of a cluster: what runs in the node's own network,
// mount and process namespaces. Process 1 there reaps; its child, the
// supervisor, lays out mounts and network and keeps every component running.
// When process 1 ends, the kernel ends all processes, mounts and links of the
// node with it.
package node

import (
	"path/filepath"

	"holdfast.dev/holdfast/test/devcluster/network"
)

// Inside the node the cluster's state directory is always at this path, so no
// configuration file depends on where the machine keeps it.
const home = "/run/holdfast"

// Drivers of the node: the second one knows no snapshots, for tests that need
// a volume which cannot be protected.
const (
	Driver       = "loop.csi.holdfast.dev"
	PlainDriver  = "nosnap.csi.holdfast.dev"
	kubeletDir   = "/var/lib/kubelet"
	runtimeSock  = "/run/containerd/containerd.sock"
	poolImage    = "pool.img"
	poolFolder   = "/run/pool"
	snapshotAPI  = "/apis/snapshot.storage.k8s.io/v1"
	metadataAPI  = "/apis/cbt.storage.k8s.io/v1beta1/snapshotmetadataservices"
	metadataPort = 6500 // on the node's address
	adminAccess  = home + "/pki/admin.kubeconfig"
	hyperkube    = home + "/bin/hyperkube"
	localEtcd    = "http://127.0.0.1:2379"
	localEtcdTwo = "http://127.0.0.1:2380"
)

// Config describes one node.
type Config struct {
	Name string // of the cluster
	Dir  string // state directory, as the machine sees it
	Plan network.Plan
}

// NodeName is the Kubernetes name of the node.
func (c Config) NodeName() string { return c.Name + "-node" }

// CgroupRoot is the control group all pods live under, in every hierarchy.
func (c Config) CgroupRoot() string { return "hf-" + c.Name }

// PoolImage is the file that holds every volume of the cluster.
func (c Config) PoolImage() string { return filepath.Join(c.Dir, poolImage) }

// PKI is the directory of certificates and kubeconfigs.
func (c Config) PKI() string { return filepath.Join(c.Dir, "pki") }

// Kubeconfig is the administrator's.
func (c Config) Kubeconfig() string { return filepath.Join(c.PKI(), "admin.kubeconfig") }

// LogDir holds one file per component.
func (c Config) LogDir() string { return filepath.Join(c.Dir, "log") }

// RuntimeSocket is containerd's socket, for use inside the node.
func (c Config) RuntimeSocket() string { return runtimeSock }
