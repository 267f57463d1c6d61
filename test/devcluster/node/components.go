package node

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

	"holdfast.dev/holdfast/test/devcluster/kubeapi"
	"holdfast.dev/holdfast/test/devcluster/network"
)

// Component is one process the supervisor keeps running.
type Component struct {
	Name  string
	Args  []string // program first
	After []gate   // all must pass before each start
}

// gate returns nil when something a component needs is there.
type gate func(context.Context) error

// Components lists every process of the node; api is used by the gates only.
func (c Config) components(api *kubeapi.Client) []Component {
	ready := answers(api, "/readyz")
	all := c.controlPlane(ready)
	all = append(all, c.nodeAgents(ready, answers(api, "/api/v1/nodes/"+c.NodeName()))...)
	all = append(all, c.storage(ready, snapshotsServed(api))...)
	return append(all, c.snapshotMetadata(ready, answers(api, metadataAPI)))
}

func (c Config) controlPlane(ready gate) []Component {
	return []Component{
		{Name: "etcd", Args: []string{hyperkube, "etcd", "--name=default", "--data-dir=/var/lib/etcd",
			"--unsafe-no-fsync", "--listen-client-urls=" + localEtcd, "--advertise-client-urls=" + localEtcd,
			"--listen-peer-urls=" + localEtcdTwo, "--initial-advertise-peer-urls=" + localEtcdTwo,
			"--initial-cluster=default=" + localEtcdTwo, "--logger=zap", "--log-level=warn"}},
		{Name: "kube-apiserver", Args: c.apiServer()},
		{Name: "kube-controller-manager", After: []gate{ready}, Args: []string{hyperkube, "kube-controller-manager",
			"--kubeconfig=" + pkiFile("controller-manager.kubeconfig"),
			"--authentication-kubeconfig=" + pkiFile("controller-manager.kubeconfig"),
			"--authorization-kubeconfig=" + pkiFile("controller-manager.kubeconfig"),
			"--service-account-private-key-file=" + pkiFile("sa.key"), "--root-ca-file=" + pkiFile("ca.crt"),
			"--cluster-signing-cert-file=" + pkiFile("ca.crt"), "--cluster-signing-key-file=" + pkiFile("ca.key"),
			"--use-service-account-credentials=true", "--leader-elect=false", "--bind-address=127.0.0.1"}},
		{Name: "kube-scheduler", After: []gate{ready}, Args: []string{hyperkube, "kube-scheduler",
			"--kubeconfig=" + pkiFile("scheduler.kubeconfig"),
			"--authentication-kubeconfig=" + pkiFile("scheduler.kubeconfig"),
			"--authorization-kubeconfig=" + pkiFile("scheduler.kubeconfig"),
			"--leader-elect=false", "--bind-address=127.0.0.1"}},
	}
}

func (c Config) apiServer() []string {
	return []string{hyperkube, "kube-apiserver", "--etcd-servers=" + localEtcd, "--secure-port=6443",
		"--advertise-address=" + c.Plan.NodeAddress().String(), "--service-cluster-ip-range=" + network.ServiceCIDR,
		"--tls-cert-file=" + pkiFile("apiserver.crt"), "--tls-private-key-file=" + pkiFile("apiserver.key"),
		"--client-ca-file=" + pkiFile("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + pkiFile("sa.pub"), "--service-account-signing-key-file=" + pkiFile("sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--kubelet-client-certificate=" + pkiFile("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + pkiFile("apiserver-kubelet-client.key"),
		"--kubelet-certificate-authority=" + pkiFile("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + pkiFile("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group", "--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + pkiFile("front-proxy-client.crt"),
		"--proxy-client-key-file=" + pkiFile("front-proxy-client.key")}
}

func (c Config) nodeAgents(ready, registered gate) []Component {
	return []Component{
		{Name: "containerd", Args: []string{home + "/bin/containerd", "--config=" + home + "/etc/containerd.toml"}},
		{Name: "kubelet", After: []gate{ready, listening(runtimeSock)}, Args: []string{hyperkube, "kubelet",
			"--config=" + home + "/etc/kubelet.yaml", "--kubeconfig=" + pkiFile("kubelet.kubeconfig"),
			"--node-ip=" + c.Plan.NodeAddress().String(), "--hostname-override=" + c.NodeName()}},
		// Started earlier, kube-proxy would sleep for up to half a minute.
		{Name: "kube-proxy", After: []gate{ready, registered}, Args: []string{hyperkube, "kube-proxy",
			"--config=" + home + "/etc/kube-proxy.yaml"}},
	}
}

// Group snapshots have no definitions here; the controllers would wait for them.
const noGroups = "--feature-gates=CSIVolumeGroupSnapshot=false"

// storage lists the drivers and what serves claims and snapshots from them.
func (c Config) storage(ready, snapshots gate) []Component {
	all := []Component{
		{Name: "snapshot-controller", After: []gate{ready, snapshots}, Args: sidecar("snapshot-controller", noGroups)},
		{Name: "csi-snapshotter", After: []gate{ready, snapshots, listening(driverSocket(Driver))},
			Args: sidecar("csi-snapshotter", "--csi-address=unix://"+driverSocket(Driver), noGroups)},
		{Name: "csi-resizer", After: []gate{ready, listening(driverSocket(Driver))},
			Args: sidecar("csi-resizer", "--csi-address="+driverSocket(Driver))},
	}
	for driver, short := range map[string]string{Driver: "loop", PlainDriver: "nosnap"} {
		socket := driverSocket(driver)
		all = append(all,
			Component{Name: "csi-driver-" + short, Args: []string{home + "/bin/loop-csi", "--name=" + driver,
				"--node=" + c.NodeName(), "--pool=" + filepath.Join(poolFolder, short), "--endpoint=" + socket,
				"--registration=" + filepath.Join(kubeletDir, "plugins_registry", driver+"-reg.sock"),
				fmt.Sprintf("--snapshots=%t", driver == Driver)}},
			Component{Name: "csi-provisioner-" + short, After: []gate{ready, listening(socket)},
				Args: sidecar("csi-provisioner", "--csi-address="+socket, "--default-fstype=ext4", "--extra-create-metadata")})
	}
	return all
}

// snapshotMetadata tells pods which blocks of the driver's snapshots are
// allocated or changed. Pods reach the node's address.
func (c Config) snapshotMetadata(ready, defined gate) Component {
	return Component{Name: "csi-snapshot-metadata", After: []gate{ready, defined, listening(driverSocket(Driver))},
		Args: []string{home + "/bin/snapshot-metadata", "--driver=" + Driver, "--csi-address=" + driverSocket(Driver),
			"--pki=" + filepath.Join(home, "pki"), "--api=" + c.Plan.APIServer(),
			fmt.Sprintf("--listen=%s:%d", c.Plan.NodeAddress(), metadataPort)}}
}

// sidecar is the command of a storage controller. The stock ones wait up to
// five minutes between tries and send five requests a second, fit for large
// clusters; here people and tests are waiting.
func sidecar(program string, args ...string) []string {
	return append([]string{home + "/bin/" + program, "--kubeconfig=" + adminAccess, "--leader-election=false",
		"--retry-interval-start=500ms", "--retry-interval-max=5s", "--kube-api-qps=50", "--kube-api-burst=100"}, args...)
}

func pkiFile(name string) string { return filepath.Join(home, "pki", name) }

func driverSocket(driver string) string {
	return filepath.Join(kubeletDir, "plugins", driver, "csi.sock")
}

func answers(api *kubeapi.Client, path string) gate {
	return func(ctx context.Context) error { return api.Get(ctx, path, nil) }
}

// snapshotsServed passes when every snapshot resource is there: the controllers
// start badly when one is not.
func snapshotsServed(api *kubeapi.Client) gate {
	return func(ctx context.Context) error {
		for _, resource := range []string{"volumesnapshotclasses", "volumesnapshotcontents", "volumesnapshots"} {
			if err := api.Get(ctx, snapshotAPI+"/"+resource, nil); err != nil {
				return err
			}
		}
		return nil
	}
}

func listening(socket string) gate {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
