package collect

import (
	"fmt"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Codes of what was not collected, spelled as Azure Backup does where it has one.
const (
	CodeNamespaceNotFound     = "UserErrorNamespaceNotFound"
	CodeNamespaceTerminating  = "UserErrorNamespaceTerminating"
	CodeNamespaceNotSupported = "UserErrorNamespaceNotSupported"
	CodeDiscoveryIncomplete   = "UserErrorAPIGroupNotReachable"
	CodeAggregatedAPI         = "UserErrorAggregatedAPINotSupported"
	CodeForbidden             = "UserErrorExtensionMissingPermissionsOnResource"
	CodePodVolume             = "UserErrorPodVolumeNotSupported"
	CodeGeneric               = "KubernetesBackupGenericWarning"
)

var actions = map[string]string{
	CodeNamespaceNotFound:     "Correct the list of namespaces of the backup configuration.",
	CodeNamespaceTerminating:  "Wait until the namespace is gone or mend what keeps it from going.",
	CodeNamespaceNotSupported: "Leave the namespace out of the backup configuration; system namespaces are never backed up.",
	CodeDiscoveryIncomplete:   "Mend or remove the APIService whose backend does not answer, then back up again.",
	CodeAggregatedAPI:         "Back up what stands behind the aggregated API by its own means.",
	CodeForbidden:             "Allow the extension's service account to list the resource.",
	CodePodVolume:             "Keep data that must survive in a persistent volume claim.",
	CodeGeneric:               "Read the reason, mend it, and back up again.",
}

func warning(resource, code, format string, args ...any) agentv1.Warning {
	return agentv1.Warning{Resource: resource, Problem: agentv1.Problem{
		Code:    code,
		Message: fmt.Sprintf(format, args...),
		Target:  resource,
		Actions: []string{actions[code]},
	}}
}
