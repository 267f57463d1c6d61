// Package build compiles what a cluster runs and keeps the results outside the
// tree, one file per program, under a name that holds the hash of everything
// the program is made from. Compiling Kubernetes takes many minutes, so a
// program is compiled again only when its own inputs changed.
package build

const (
	kubernetesVersion  = "v1.37.2"
	containerdVersion  = "v2.4.2"
	snapshotterVersion = "v8.7.0"
	provisionerVersion = "v6.3.0"
	resizerVersion     = "v2.3.0"
)

// Program is one binary to compile.
type Program struct {
	Name    string   // file name of the binary
	Module  string   // folder of its Go module, relative to the source root
	Package string   // what to build: an import path or ./folder
	Sources []string // folders of that module the program is made from, besides modules
	Tags    string
	LDFlags string
}

const (
	kubernetesModule = "modules/kubernetes"
	containerdRoot   = "github.com/containerd/containerd/v2"
	pluginsRoot      = "github.com/containernetworking/plugins/plugins"
	snapshotterRoot  = "github.com/kubernetes-csi/external-snapshotter/v8/cmd"
)

// Programs lists every binary of a cluster, the longest compilation first.
func Programs() []Program {
	containerd := func(name string) Program {
		return Program{Name: name, Module: kubernetesModule, Package: containerdRoot + "/cmd/" + name,
			Tags:    "no_btrfs no_devmapper no_zfs",
			LDFlags: "-X " + containerdRoot + "/version.Version=" + containerdVersion}
	}
	cni := func(kind, name string) Program {
		return Program{Name: name, Module: kubernetesModule, Package: pluginsRoot + "/" + kind + "/" + name}
	}
	versioned := func(name, module, root, version string) Program {
		return Program{Name: name, Module: module, Package: root + "/" + name, LDFlags: "-X main.version=" + version}
	}
	return []Program{
		{Name: "hyperkube", Module: kubernetesModule, Package: "./hyperkube", Sources: []string{"hyperkube"}, LDFlags: kubernetesStamp()},
		containerd("containerd"),
		containerd("containerd-shim-runc-v2"),
		containerd("ctr"),
		cni("main", "bridge"),
		cni("main", "loopback"),
		cni("ipam", "host-local"),
		versioned("csi-snapshotter", kubernetesModule, snapshotterRoot, snapshotterVersion),
		versioned("snapshot-controller", kubernetesModule, snapshotterRoot, snapshotterVersion),
		{Name: "coredns", Module: "modules/coredns", Package: ".", Sources: []string{"."}},
		versioned("csi-resizer", "modules/resizer", "github.com/kubernetes-csi/external-resizer/v2/cmd", resizerVersion),
		versioned("csi-provisioner", "modules/provisioner", "github.com/kubernetes-csi/external-provisioner/v6/cmd", provisionerVersion),
		{Name: "loop-csi", Module: ".", Package: "./cmd/loop-csi", Sources: []string{"cmd/loop-csi", "csi", "loopdev"}},
		{Name: "snapshot-metadata", Module: ".", Package: "./cmd/snapshot-metadata", Sources: []string{"cmd/snapshot-metadata", "sidecar", "sidecar/schema", "kubeapi"}},
		{Name: "pause", Module: ".", Package: "./cmd/pause", Sources: []string{"cmd/pause"}},
	}
}

// kubernetesStamp gives the binaries the version they would have had from a
// release; without it nodes call themselves v0.0.0 and clients misjudge skew.
func kubernetesStamp() string {
	const at = "-X k8s.io/component-base/version."
	return at + "gitVersion=" + kubernetesVersion + " " + at + "gitMajor=1 " + at + "gitMinor=37 " +
		at + "gitTreeState=clean " + at + "gitCommit=0000000000000000000000000000000000000000 " +
		at + "buildDate=2026-01-01T00:00:00Z"
}
