package restore

import (
	"strings"

	"holdfast.dev/holdfast/internal/agent/restore/transform"
)

// Facts is what planning must know of an object beyond its name.
type Facts struct {
	// Leave is why the object is never restored; nil when it may be.
	Leave *Reason
	// HasSelector: a Service whose endpoints the cluster fills.
	HasSelector bool
	// Suspended: a CronJob that was suspended when it was backed up.
	Suspended bool
	// Class is a claim's storage class.
	Class string
	// Mounts names the claims that pods of this workload mount; for a
	// StatefulSet's templates the name before "-0".
	Mounts []string
	// Definition is what a custom resource definition defines.
	Definition *Definition
}

// Definition is what a custom resource definition defines.
type Definition struct {
	Group, Kind, Resource string
	Namespaced            bool
	Versions              []string // served
}

// Reason is why something was done or left.
type Reason struct {
	Code    string
	Message string
	Warn    bool // a person should know
}

// Codes of result lines.
const (
	codeExists           = "AlreadyExists"
	codeControllerOwned  = "ControllerOwned"
	codeCompleted        = "Completed"
	codeClusterMade      = "ClusterMade"
	codeBeingDeleted     = "BeingDeleted"
	codeNotStored        = "NotStored"
	codeOwnObject        = "OwnObject"
	codeSnapshotObject   = "SnapshotObject"
	codeDynamicVolume    = "DynamicVolume"
	codeStaticVolume     = "StaticVolumeNotRestored"
	codeDerivedEndpoints = "DerivedEndpoints"
	codeGeneratedToken   = "GeneratedToken"
	codeEphemeralVolume  = "EphemeralVolume"
	codeKindNotServed    = "KindNotServed"
	codeVersionNotServed = "VersionNotServed"
	codeDefinitionExists = "DefinitionExists"
	codeNoData           = "VolumeDataNotRestored"
	codeVolumeFailed     = "VolumeNotFilled"
	codeClassMissing     = "StorageClassMissing"
	codeOwnerMissing     = "OwnerMissing"
	codeRefused          = "Refused"
	codeQuota            = "QuotaExceeded"
	codePruned           = "FieldsPruned"
	codeNodePorts        = "NodePortTaken"
	codeNotReached       = "NotReached"
	codeTargetShared     = "TargetShared"
)

// inspect reads the facts of one object.
func inspect(entry *Entry, body map[string]any) Facts {
	facts := Facts{Leave: leave(entry, body)}
	spec := child(body, "spec")
	switch entry.Group + "/" + entry.Kind {
	case "/Service":
		facts.HasSelector = len(child(spec, "selector")) > 0
	case "batch/CronJob":
		facts.Suspended = spec["suspend"] == true
	case "/PersistentVolumeClaim":
		facts.Class = text(spec, "storageClassName")
	case "apiextensions.k8s.io/CustomResourceDefinition":
		facts.Definition = definition(spec)
	}
	facts.Mounts = mounts(entry.Kind, spec)
	return facts
}

func definition(spec map[string]any) *Definition {
	d := &Definition{
		Group: text(spec, "group"), Kind: text(spec, "names", "kind"),
		Resource: text(spec, "names", "plural"), Namespaced: text(spec, "scope") == "Namespaced",
	}
	for _, item := range list(spec, "versions") {
		version, _ := item.(map[string]any)
		if version["served"] == true {
			d.Versions = append(d.Versions, text(version, "name"))
		}
	}
	return d
}

// podSpec finds the pod spec of a workload; nil when it has none.
func podSpec(kind string, spec map[string]any) map[string]any {
	switch kind {
	case "Pod":
		return spec
	case "CronJob":
		return child(spec, "jobTemplate", "spec", "template", "spec")
	}
	return child(spec, "template", "spec")
}

func mounts(kind string, spec map[string]any) []string {
	var claims []string
	for _, item := range list(podSpec(kind, spec), "volumes") {
		volume, _ := item.(map[string]any)
		if name := text(volume, "persistentVolumeClaim", "claimName"); name != "" {
			claims = append(claims, name)
		}
	}
	for _, item := range list(spec, "volumeClaimTemplates") {
		template, _ := item.(map[string]any)
		if name := text(template, "metadata", "name"); name != "" {
			claims = append(claims, name+"-")
		}
	}
	return claims
}

func (e *Entry) ownedBy(kind string) bool {
	for _, owner := range e.Owners {
		if owner.Kind == kind {
			return true
		}
	}
	return false
}

// generatedToken says whether a Secret is the automatic token of a service account.
func generatedToken(entry *Entry, body map[string]any) bool {
	account := text(body, "metadata", "annotations", "kubernetes.io/service-account.name")
	return text(body, "type") == "kubernetes.io/service-account-token" && transform.IsGeneratedToken(account, entry.Name)
}

func managedEndpoints(body map[string]any) bool {
	labels := child(body, "metadata", "labels")
	by := text(labels, "endpointslice.kubernetes.io/managed-by") + text(labels, "endpoints.kubernetes.io/managed-by")
	return strings.Contains(by, "controller")
}
