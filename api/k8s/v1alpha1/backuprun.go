package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// BackupRun is one backup, or one validation of a backup, in this cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hfb
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Objects",type=integer,JSONPath=`.status.result.objects`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type BackupRun struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec BackupRunSpec `json:"spec"`
	// +optional
	Status BackupRunStatus `json:"status,omitempty"`
}

// BackupRunSpec says what to back up.
type BackupRunSpec struct {
	RunSpec `json:",inline"`
	// Backup is the operation's spec; its repository has no key here.
	Backup agentv1.Backup `json:"backup"`
	// ValidateOnly checks whether the backup could run and writes no recovery point.
	// +optional
	ValidateOnly bool `json:"validateOnly,omitempty"`
}

// BackupRunStatus says how the backup goes.
type BackupRunStatus struct {
	RunStatus `json:",inline"`
	// Result is set when the phase is Succeeded and something was backed up.
	// +optional
	Result *agentv1.BackupResult `json:"result,omitempty"`
}

// BackupRunList is a list of BackupRun.
//
// +kubebuilder:object:root=true
type BackupRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BackupRun `json:"items"`
}
