package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// RecoveryPointDeletion removes one recovery point: its snapshots, then its
// manifest.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hfd
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RecoveryPointDeletion struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec RecoveryPointDeletionSpec `json:"spec"`
	// +optional
	Status RecoveryPointDeletionStatus `json:"status,omitempty"`
}

// RecoveryPointDeletionSpec says which recovery point to remove.
type RecoveryPointDeletionSpec struct {
	RunSpec `json:",inline"`
	// Deletion is the operation's spec; its repository has no key here.
	Deletion agentv1.DeleteRecoveryPoint `json:"deletion"`
}

// RecoveryPointDeletionStatus says how the removal goes.
type RecoveryPointDeletionStatus struct {
	RunStatus `json:",inline"`
}

// RecoveryPointDeletionList is a list of RecoveryPointDeletion.
//
// +kubebuilder:object:root=true
type RecoveryPointDeletionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RecoveryPointDeletion `json:"items"`
}
