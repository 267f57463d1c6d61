package collect

import (
	"slices"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// transientGroups are served by other servers and never stored, so that leaving
// them out needs no word.
var transientGroups = []string{"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"}

func transientGroup(group string) bool { return slices.Contains(transientGroups, group) }

// derivedKinds are kinds that a cluster makes by itself, that describe this one
// cluster, or that belong to a backup product: "*" stands for a whole group.
var derivedKinds = map[string][]string{
	"":                          {"Event", "Node", "ComponentStatus"},
	"events.k8s.io":             {"Event"},
	"storage.k8s.io":            {"CSINode", "VolumeAttachment", "CSIStorageCapacity"},
	"coordination.k8s.io":       {"Lease", "LeaseCandidate"},
	"certificates.k8s.io":       {"CertificateSigningRequest"},
	"resource.k8s.io":           {"ResourceSlice"},
	"internal.apiserver.k8s.io": {"*"},
	"apiserverinternal.k8s.io":  {"*"},
	"storagemigration.k8s.io":   {"*"},
	"metrics.k8s.io":            {"*"},
	"custom.metrics.k8s.io":     {"*"},
	"external.metrics.k8s.io":   {"*"},
	"holdfast.dev":              {"*"},
	"clusterbackup.dataprotection.microsoft.com": {
		"Backup", "Restore", "DeleteBackup", "ValidateForBackup", "ValidateForRestore"},
	"velero.io": {"Backup", "Restore", "DeleteBackupRequest", "DownloadRequest", "BackupRepository",
		"ResticRepository", "PodVolumeBackup", "PodVolumeRestore", "DataUpload", "DataDownload", "ServerStatusRequest"},
}

func derivedKind(r Resource) bool {
	kinds := derivedKinds[r.Group]
	return slices.Contains(kinds, "*") || slices.Contains(kinds, r.Kind)
}

// Names, labels and annotations that mark what controllers make.
const (
	mirrorAnnotation   = "kubernetes.io/config.mirror"
	leaderAnnotation   = "control-plane.alpha.kubernetes.io/leader"
	sliceManagedBy     = "endpointslice.kubernetes.io/managed-by"
	endpointsManagedBy = "endpoints.kubernetes.io/managed-by"
	automanaged        = "kube-aggregator.kubernetes.io/automanaged"
)

// sliceControllers manage the EndpointSlices of services with a selector and
// the mirrors of hand-made Endpoints.
var sliceControllers = []string{
	"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"}

// clusterConfigMaps are put into every namespace by the cluster and hold what
// is true for this cluster only.
var clusterConfigMaps = []string{"kube-root-ca.crt", "openshift-service-ca.crt"}

// derived says whether an object is left out because a controller will make it
// again, or because it is on its way out. hasSelector knows the services whose
// endpoints a controller fills.
func derived(o object, hasSelector func(namespace, name string) bool) bool {
	m := o.meta.Metadata
	if m.DeletionTimestamp != "" || m.Labels[v1alpha1.LabelOperation] != "" {
		return true
	}
	manager, managed := m.controller()
	if managed && manager.Kind == "Pod" { // claims of ephemeral volumes, records about pods
		return true
	}
	switch o.meta.Kind {
	case "Pod":
		return managed || m.Annotations[mirrorAnnotation] != ""
	case "ReplicaSet":
		return managed && manager.Kind == "Deployment"
	case "Endpoints":
		return m.Labels[endpointsManagedBy] != "" || m.Annotations[leaderAnnotation] != "" || hasSelector(m.Namespace, m.Name)
	case "EndpointSlice":
		return slices.Contains(sliceControllers, m.Labels[sliceManagedBy])
	case "ConfigMap":
		return slices.Contains(clusterConfigMaps, m.Name)
	case "APIService":
		return m.Labels[automanaged] != ""
	}
	return false
}
