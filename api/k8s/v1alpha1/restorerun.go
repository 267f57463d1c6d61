package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// RestoreRun is one restore, or one plan of a restore, into this cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hfr
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Created",type=integer,JSONPath=`.status.result.created`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RestoreRun struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec RestoreRunSpec `json:"spec"`
	// +optional
	Status RestoreRunStatus `json:"status,omitempty"`
}

// RestoreRunSpec says what to restore.
type RestoreRunSpec struct {
	RunSpec `json:",inline"`
	// Restore is the operation's spec; neither its repository nor its location
	// has a key here.
	Restore agentv1.Restore `json:"restore"`
	// DryRun makes the plan and changes nothing; the plan is the result.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
}

// RestoreRunStatus says how the restore goes.
type RestoreRunStatus struct {
	RunStatus `json:",inline"`
	// Result is set when the phase is Succeeded; as far as known, else too.
	// +optional
	Result *agentv1.RestoreResult `json:"result,omitempty"`
}

// RestoreRunList is a list of RestoreRun.
//
// +kubebuilder:object:root=true
type RestoreRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RestoreRun `json:"items"`
}
