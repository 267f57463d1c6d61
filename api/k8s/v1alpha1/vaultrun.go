package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// VaultRun copies one recovery point from the operational tier into the vault.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hfv
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type VaultRun struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec VaultRunSpec `json:"spec"`
	// +optional
	Status VaultRunStatus `json:"status,omitempty"`
}

// VaultRunSpec says what to copy.
type VaultRunSpec struct {
	RunSpec `json:",inline"`
	// Vault is the operation's spec; its repositories have no key here.
	Vault agentv1.Vault `json:"vault"`
}

// VaultRunStatus says how the copying goes.
type VaultRunStatus struct {
	RunStatus `json:",inline"`
	// Result is set when the phase is Succeeded.
	// +optional
	Result *agentv1.BackupResult `json:"result,omitempty"`
}

// VaultRunList is a list of VaultRun.
//
// +kubebuilder:object:root=true
type VaultRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []VaultRun `json:"items"`
}
