package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Extension is an extension that the connector keeps installed. It lives in
// kube-system beside the connector.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.extensionType`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Extension struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ExtensionSpec `json:"spec"`
	// +optional
	Status ExtensionStatus `json:"status,omitempty"`
}

// ExtensionSpec says what to install.
type ExtensionSpec struct {
	// OperationID is the id of the operation that last asked for a change.
	OperationID string `json:"operationId"`
	// Name is the name of the extension resource at the service.
	Name string `json:"name"`
	// ExtensionType is Microsoft.DataProtection.Kubernetes.
	ExtensionType string `json:"extensionType"`
	// Version is the chart's version; empty means the one the connector carries.
	// +optional
	Version string `json:"version,omitempty"`
	// AgentAddress is https://host:port, which the extension's agent calls.
	AgentAddress string `json:"agentAddress"`
	// ValuesSecret names a Secret in this namespace with what is secret or
	// large: the enrolment token, the service's CA, the storage location, and
	// the settings.
	ValuesSecret string `json:"valuesSecret"`
	// Remove asks for the extension to be uninstalled.
	// +optional
	Remove bool `json:"remove,omitempty"`
	// Force removes even what does not answer.
	// +optional
	Force bool `json:"force,omitempty"`
	// Deadline is when the connector gives up.
	// +optional
	Deadline *metav1.Time `json:"deadline,omitempty"`
}

// ExtensionPhase is where an extension stands.
// +kubebuilder:validation:Enum=Pending;Installing;Installed;Failed;Removing;Removed
type ExtensionPhase string

// Extension phases. Installed, Failed and Removed are final for the operation
// that status.operationId names.
const (
	ExtensionPending    ExtensionPhase = "Pending"
	ExtensionInstalling ExtensionPhase = "Installing"
	ExtensionInstalled  ExtensionPhase = "Installed"
	ExtensionFailed     ExtensionPhase = "Failed"
	ExtensionRemoving   ExtensionPhase = "Removing"
	ExtensionRemoved    ExtensionPhase = "Removed"
)

// ExtensionStatus says how far the installation is.
type ExtensionStatus struct {
	// OperationID is the operation that the rest of the status speaks of.
	// +optional
	OperationID string `json:"operationId,omitempty"`
	// +optional
	Phase ExtensionPhase `json:"phase,omitempty"`
	// Version is the version that is installed.
	// +optional
	Version string `json:"version,omitempty"`
	// Message is one sentence for people.
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	Problem *agentv1.Problem `json:"problem,omitempty"`
	// +optional
	Statuses []agentv1.Health `json:"statuses,omitempty"`
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ExtensionList is a list of Extension.
//
// +kubebuilder:object:root=true
type ExtensionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Extension `json:"items"`
}
