package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// LabelOperation marks every helper object with the operation it serves, by
// which leftovers are found. Its value is RunName of the operation's id.
const LabelOperation = "holdfast.dev/operation"

// GrantKey is the key of a Grant, as JSON, in the Secret that a run's
// grantSecret names.
const GrantKey = "grant.json"

// Grant is the secret part of an operation: {"prefix":…,"key":…,"location":{…}}.
type Grant struct {
	agentv1.RepositoryGrant `json:",inline"`
	// Location is set when the repository lies in another storage location
	// than the extension's own.
	Location *agentv1.StorageLocation `json:"location,omitempty"`
	// Target is the vault's repository when a recovery point is copied there.
	Target *agentv1.RepositoryGrant `json:"target,omitempty"`
}

// RunSpec is what the specs of all run objects share.
type RunSpec struct {
	// OperationID is the id of the agent protocol's operation.
	OperationID string `json:"operationId"`
	// GrantSecret names a Secret in the run's namespace that holds GrantKey.
	GrantSecret string `json:"grantSecret"`
	// Cancel asks for the run to end early, as Cancelled, with nothing left over.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
	// Deadline is when the run gives up; none means the controller's default.
	// +optional
	Deadline *metav1.Time `json:"deadline,omitempty"`
}

// Phase is where a run stands.
// +kubebuilder:validation:Enum=Pending;Running;Succeeded;Failed;Cancelled
type Phase string

// Phases. The last three are final. Warnings do not change Succeeded.
const (
	PhasePending   Phase = "Pending"
	PhaseRunning   Phase = "Running"
	PhaseSucceeded Phase = "Succeeded"
	PhaseFailed    Phase = "Failed"
	PhaseCancelled Phase = "Cancelled"
)

// Final says whether a run in this phase is over.
func (p Phase) Final() bool {
	return p == PhaseSucceeded || p == PhaseFailed || p == PhaseCancelled
}

// ConditionCompleted is the condition that is True once a run is over; its
// reason is the phase.
const ConditionCompleted = "Completed"

// RunStatus is what the statuses of all run objects share.
type RunStatus struct {
	// Phase is empty until a controller has seen the run.
	// +optional
	Phase Phase `json:"phase,omitempty"`
	// Step names the step that runs, or that ended the run.
	// +optional
	Step string `json:"step,omitempty"`
	// Message is one sentence for people about where the run stands.
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	Progress *agentv1.Progress `json:"progress,omitempty"`
	// Problem is why the run failed.
	// +optional
	Problem *agentv1.Problem `json:"problem,omitempty"`
	// Warnings is what was not protected or not restored, at most 1,000 lines;
	// the last one counts the rest.
	// +kubebuilder:validation:MaxItems=1000
	// +optional
	Warnings []agentv1.Warning `json:"warnings,omitempty"`
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
