package v1

// Extension is a Microsoft.KubernetesConfiguration/extensions document.
type Extension struct {
	Resource
	Plan       map[string]any       `json:"plan,omitempty"`
	Properties *ExtensionProperties `json:"properties,omitempty"`
}

// ExtensionProperties are the properties of an extension. What the service
// sets stands last.
type ExtensionProperties struct {
	ExtensionType           string            `json:"extensionType,omitempty"`
	AutoUpgradeMinorVersion *bool             `json:"autoUpgradeMinorVersion,omitempty"`
	ReleaseTrain            string            `json:"releaseTrain,omitempty"`
	Version                 string            `json:"version,omitempty"`
	Scope                   *ExtensionScope   `json:"scope,omitempty"`
	ConfigurationSettings   map[string]string `json:"configurationSettings,omitzero"`
	// ConfigurationProtectedSettings are written and never shown.
	ConfigurationProtectedSettings map[string]string `json:"configurationProtectedSettings,omitzero"`

	CurrentVersion      string            `json:"currentVersion,omitempty"`
	ProvisioningState   string            `json:"provisioningState,omitempty"`
	Statuses            []ExtensionStatus `json:"statuses,omitzero"`
	ErrorInfo           *ErrorBody        `json:"errorInfo,omitempty"`
	IsSystemExtension   *bool             `json:"isSystemExtension,omitempty"`
	AKSAssignedIdentity *Identity         `json:"aksAssignedIdentity,omitempty"`
}

// ExtensionScope is where an extension runs.
type ExtensionScope struct {
	Cluster   *ClusterScope   `json:"cluster,omitempty"`
	Namespace *NamespaceScope `json:"namespace,omitempty"`
}

// ClusterScope is an extension for the whole cluster.
type ClusterScope struct {
	ReleaseNamespace string `json:"releaseNamespace,omitempty"`
}

// NamespaceScope is an extension for one namespace.
type NamespaceScope struct {
	TargetNamespace string `json:"targetNamespace,omitempty"`
}

// ExtensionStatus is one line about an extension. Level is Error, Warning or
// Information.
type ExtensionStatus struct {
	Code          string `json:"code,omitempty"`
	DisplayStatus string `json:"displayStatus,omitempty"`
	Level         string `json:"level,omitempty"`
	Message       string `json:"message,omitempty"`
	Time          string `json:"time,omitempty"`
}

// ExtensionPatch is the body of PATCH on an extension.
type ExtensionPatch struct {
	Properties *ExtensionProperties `json:"properties,omitempty"`
}
