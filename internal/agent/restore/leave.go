package restore

import "strings"

// notStored are kinds that are answers, not state, or that the cluster's own
// parts write.
var notStored = map[string]bool{
	"/Event": true, "events.k8s.io/Event": true, "/Node": true, "/ComponentStatus": true, "/Binding": true,
	"coordination.k8s.io/Lease": true, "coordination.k8s.io/LeaseCandidate": true,
	"storage.k8s.io/CSINode": true, "storage.k8s.io/VolumeAttachment": true, "storage.k8s.io/CSIStorageCapacity": true,
	"certificates.k8s.io/CertificateSigningRequest": true, "resource.k8s.io/ResourceSlice": true,
	"networking.k8s.io/IPAddress": true, "networking.k8s.io/ServiceCIDR": true,
	"metrics.k8s.io/PodMetrics": true, "metrics.k8s.io/NodeMetrics": true,
	"internal.apiserver.k8s.io/StorageVersion": true,
}

// leave says why an object, whatever else is restored, is left out; nil when
// it is not.
func leave(entry *Entry, body map[string]any) *Reason {
	switch {
	case text(body, "metadata", "deletionTimestamp") != "":
		return &Reason{Code: codeBeingDeleted, Message: "it was being deleted when the backup was made"}
	case entry.Group == "holdfast.dev" || strings.HasSuffix(entry.Group, ".holdfast.dev"):
		return &Reason{Code: codeOwnObject, Message: "it belongs to the backup system"}
	case notStored[entry.Group+"/"+entry.Kind]:
		return &Reason{Code: codeNotStored, Message: "the cluster writes objects of this kind itself"}
	case clusterMade(entry, body):
		return &Reason{Code: codeClusterMade, Message: "the cluster makes it itself"}
	}
	switch entry.Group {
	case "":
		return leaveCore(entry, body)
	case "apps", "batch", "discovery.k8s.io", "resource.k8s.io":
		return leaveOwned(entry, body)
	case "snapshot.storage.k8s.io", "groupsnapshot.storage.k8s.io":
		if !strings.HasSuffix(entry.Kind, "Class") {
			return &Reason{Code: codeSnapshotObject, Message: "a snapshot cannot be made again; the data of its volume is restored"}
		}
	}
	return nil
}

func leaveCore(entry *Entry, body map[string]any) *Reason {
	switch entry.Kind {
	case "Pod":
		if text(body, "metadata", "annotations", "kubernetes.io/config.mirror") != "" {
			return &Reason{Code: codeClusterMade, Message: "it is a static pod of a node"}
		}
		if phase := text(body, "status", "phase"); phase == "Succeeded" || phase == "Failed" {
			return &Reason{Code: codeCompleted, Message: "it had ended"}
		}
		return leaveControlled(entry)
	case "ReplicationController":
		return leaveControlled(entry)
	case "PersistentVolumeClaim":
		if entry.ownedBy("Pod") {
			return &Reason{Code: codeEphemeralVolume, Message: "its pod makes it"}
		}
	case "PersistentVolume":
		return leaveVolume(body)
	case "Endpoints":
		if managedEndpoints(body) {
			return &Reason{Code: codeDerivedEndpoints, Message: "the cluster fills it from the Service's selector"}
		}
	case "Secret":
		if generatedToken(entry, body) {
			return &Reason{Code: codeGeneratedToken, Message: "it is the automatic token of a service account that is gone"}
		}
	}
	return nil
}

// leaveVolume: a volume object is never restored. One that the driver made is
// made again for its claim; one that a person made points at storage whose
// content no snapshot holds.
func leaveVolume(body map[string]any) *Reason {
	if text(body, "metadata", "annotations", "pv.kubernetes.io/provisioned-by") != "" {
		return &Reason{Code: codeDynamicVolume, Message: "its claim gets a new volume"}
	}
	return &Reason{Code: codeStaticVolume, Warn: true,
		Message: "it was made by hand and points at storage that no snapshot holds; create it and rebind its claim by hand"}
}

func leaveOwned(entry *Entry, body map[string]any) *Reason {
	switch entry.Kind {
	case "ReplicaSet":
		return leaveControlled(entry)
	case "Job":
		if jobEnded(body) {
			return &Reason{Code: codeCompleted, Message: "it had ended"}
		}
		return leaveControlled(entry)
	case "EndpointSlice":
		if managedEndpoints(body) {
			return &Reason{Code: codeDerivedEndpoints, Message: "the cluster fills it from the Service's selector"}
		}
	case "ResourceClaim":
		if entry.ownedBy("Pod") {
			return &Reason{Code: codeControllerOwned, Message: "its pod makes it"}
		}
	}
	return nil
}

func leaveControlled(entry *Entry) *Reason {
	for _, owner := range entry.Owners {
		if owner.Controller {
			return &Reason{Code: codeControllerOwned, Message: owner.Kind + " " + owner.Name + " makes it"}
		}
	}
	return nil
}

func jobEnded(body map[string]any) bool {
	if text(body, "status", "completionTime") != "" {
		return true
	}
	for _, item := range list(body, "status", "conditions") {
		condition, _ := item.(map[string]any)
		if kind := text(condition, "type"); (kind == "Complete" || kind == "Failed") && condition["status"] == "True" {
			return true
		}
	}
	return false
}

// clusterMade are single objects that every cluster brings along.
func clusterMade(entry *Entry, body map[string]any) bool {
	meta := child(body, "metadata")
	switch entry.Group + "/" + entry.Kind {
	case "/ConfigMap":
		return entry.Name == "kube-root-ca.crt" || entry.Name == "openshift-service-ca.crt"
	case "/Service", "/Endpoints", "discovery.k8s.io/EndpointSlice":
		return entry.Namespace == "default" && entry.Name == "kubernetes"
	case "rbac.authorization.k8s.io/ClusterRole", "rbac.authorization.k8s.io/ClusterRoleBinding":
		return text(meta, "labels", "kubernetes.io/bootstrapping") != ""
	case "scheduling.k8s.io/PriorityClass":
		return strings.HasPrefix(entry.Name, "system-")
	case "apiregistration.k8s.io/APIService":
		return text(meta, "labels", "kube-aggregator.kubernetes.io/automanaged") != ""
	case "certificates.k8s.io/ClusterTrustBundle": // of the cluster's own authorities, which another cluster has not
		return strings.HasPrefix(text(body, "spec", "signerName"), "kubernetes.io/")
	case "flowcontrol.apiserver.k8s.io/FlowSchema", "flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration":
		return text(meta, "annotations", "apf.kubernetes.io/autoupdate-spec") == "true"
	}
	return false
}
