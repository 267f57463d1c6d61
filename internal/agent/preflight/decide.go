package preflight

import (
	"fmt"
	"slices"
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Codes of problems, which refuse an install, and of warnings, which do not.
const (
	CodeKubernetesVersion = "UserErrorKubernetesVersionNotSupported"
	CodeNoNode            = "UserErrorNoSuitableNode"
	CodeNoSnapshotCRDs    = "UserErrorSnapshotDefinitionsMissing"
	CodeOtherBackup       = "UserErrorOtherBackupProductPresent"
	CodeNoSnapshotClass   = "VolumeSnapshotClassMissing"
	CodeNoAddonPool       = "CriticalAddonsPoolMissing"
)

// minMinor is the oldest Kubernetes minor version of major 1 that is supported:
// server-side apply and snapshot.storage.k8s.io/v1 are taken for granted.
const minMinor = 26

// Facts is what a decision rests on.
type Facts struct {
	Major, Minor int    // of the Kubernetes version
	Version      string // as the cluster spells it
	Nodes        []Node
	Definitions  []string // names of custom resource definitions
	// SnapshotDrivers are the drivers that have a VolumeSnapshotClass.
	SnapshotDrivers []string
	Deployments     []Deployment
}

// Node is one node of the cluster.
type Node struct {
	Name, OS, Architecture string
	Ready, Schedulable     bool
	Taints                 []string // keys of taints that keep pods away
}

// Deployment is a deployment anywhere in the cluster, with its images.
type Deployment struct {
	Namespace, Name string
	Images          []string
}

// Decision is what follows from the facts.
type Decision struct {
	Problems []agentv1.Problem // any of them refuses the install
	Warnings []agentv1.Warning
}

// addonTaint marks a pool for add-ons; the extension tolerates it.
const addonTaint = "CriticalAddonsOnly"

// snapshotDefinitions are what volume snapshots need.
var snapshotDefinitions = []string{
	"volumesnapshotclasses.snapshot.storage.k8s.io",
	"volumesnapshotcontents.snapshot.storage.k8s.io",
	"volumesnapshots.snapshot.storage.k8s.io",
}

// Decide returns every reason to refuse, not only the first.
func Decide(facts Facts) Decision {
	var decision Decision
	for _, check := range []func(Facts) *agentv1.Problem{version, nodes, snapshots, otherBackup} {
		if problem := check(facts); problem != nil {
			decision.Problems = append(decision.Problems, *problem)
		}
	}
	for _, hint := range []func(Facts) *agentv1.Warning{snapshotClass, addonPool} {
		if warning := hint(facts); warning != nil {
			decision.Warnings = append(decision.Warnings, *warning)
		}
	}
	return decision
}

func version(facts Facts) *agentv1.Problem {
	if facts.Major > 1 || (facts.Major == 1 && facts.Minor >= minMinor) {
		return nil
	}
	return &agentv1.Problem{
		Code:    CodeKubernetesVersion,
		Message: fmt.Sprintf("The cluster runs Kubernetes %s; 1.%d or newer is needed.", facts.Version, minMinor),
		Actions: []string{"Upgrade the cluster."},
	}
}

// nodes wants one ready Linux node of a known architecture that takes pods.
func nodes(facts Facts) *agentv1.Problem {
	if slices.ContainsFunc(facts.Nodes, suitable) {
		return nil
	}
	var reasons []string
	for _, node := range facts.Nodes {
		reasons = append(reasons, node.Name+": "+unsuitable(node))
	}
	slices.Sort(reasons)
	if len(reasons) > 10 {
		reasons = append(reasons[:10:10], fmt.Sprintf("and %d more", len(reasons)-10))
	}
	return &agentv1.Problem{
		Code:      CodeNoNode,
		Message:   "No node can run the extension (Linux, x86-64 or arm64, ready, schedulable). " + strings.Join(reasons, "; "),
		Actions:   []string{"Add a Linux node pool with x86-64 or arm64 nodes."},
		Retryable: true,
	}
}

func suitable(node Node) bool { return unsuitable(node) == "" }

func unsuitable(node Node) string {
	switch {
	case node.OS != "linux":
		return "runs " + node.OS
	case node.Architecture != "amd64" && node.Architecture != "arm64":
		return "is " + node.Architecture
	case !node.Ready:
		return "is not ready"
	case !node.Schedulable:
		return "is cordoned"
	}
	for _, taint := range node.Taints {
		if taint != addonTaint {
			return "is tainted " + taint
		}
	}
	return ""
}

func snapshots(facts Facts) *agentv1.Problem {
	var missing []string
	for _, name := range snapshotDefinitions {
		if !slices.Contains(facts.Definitions, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &agentv1.Problem{
		Code:    CodeNoSnapshotCRDs,
		Message: "The cluster cannot take volume snapshots; it lacks the definitions " + strings.Join(missing, ", ") + ".",
		Actions: []string{"Install the snapshot controller and its definitions (external-snapshotter), or enable the snapshot add-on of the platform."},
	}
}

// azureNamespace is where Azure's own backup extension lives.
const azureNamespace = "dataprotection-microsoft"

// otherBackup refuses to work beside Velero, alone or inside Azure's extension:
// both would snapshot the same volumes and claim the same objects.
func otherBackup(facts Facts) *agentv1.Problem {
	for _, d := range facts.Deployments {
		if d.Namespace == azureNamespace {
			return other("Azure Backup for AKS", d, "Delete the extension azure-aks-backup of this cluster, then install again.")
		}
		if slices.ContainsFunc(d.Images, isVelero) {
			return other("Velero", d, "Uninstall Velero, then install again. Its backups are not touched by that.")
		}
	}
	if slices.Contains(facts.Definitions, "backups.velero.io") {
		return &agentv1.Problem{
			Code: CodeOtherBackup, Target: "backups.velero.io",
			Message: "Velero's definitions (velero.io) are in the cluster, so Velero or a product built on it is, or was, installed.",
			Actions: []string{"Uninstall it and delete the definitions of the group velero.io, then install again."},
		}
	}
	return nil
}

func other(product string, d Deployment, action string) *agentv1.Problem {
	return &agentv1.Problem{
		Code: CodeOtherBackup, Target: d.Namespace + "/" + d.Name, Actions: []string{action},
		Message: fmt.Sprintf("%s is installed in this cluster (deployment %s/%s). Two backup products would interfere with each other.", product, d.Namespace, d.Name),
	}
}

// isVelero looks at an image such as docker.io/velero/velero:v1.16.
func isVelero(image string) bool {
	name, _, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	name, _, _ = strings.Cut(name, "@")
	return name == "velero"
}

func snapshotClass(facts Facts) *agentv1.Warning {
	if len(facts.SnapshotDrivers) > 0 {
		return nil
	}
	return &agentv1.Warning{Resource: "snapshot.storage.k8s.io/VolumeSnapshotClass", Problem: agentv1.Problem{
		Code:    CodeNoSnapshotClass,
		Message: "The cluster has no VolumeSnapshotClass: volumes will be skipped until there is one for their driver.",
		Actions: []string{"Create a VolumeSnapshotClass for the storage driver of your volumes."},
	}}
}

func addonPool(facts Facts) *agentv1.Warning {
	for _, node := range facts.Nodes {
		if slices.Contains(node.Taints, addonTaint) {
			return nil
		}
	}
	return &agentv1.Warning{Resource: "v1/Node", Problem: agentv1.Problem{
		Code:    CodeNoAddonPool,
		Message: "No node has the taint " + addonTaint + ", so backups share their nodes with applications.",
		Actions: []string{"Taint a node pool with " + addonTaint + "=true:NoSchedule to keep backups apart from applications."},
	}}
}
