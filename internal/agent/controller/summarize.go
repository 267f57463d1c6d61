package controller

import (
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// summarize writes what a task says of itself into its run's status, and says
// whether the run is over.
func (r *reconciler[R]) summarize(object R, t *task[R]) bool {
	_, status := object.Common()
	now := metav1.NewTime(r.clock.Now())
	if status.StartedAt == nil {
		status.StartedAt = &now
	}
	step, message, progress := t.journal.now()
	status.Step, status.Message, status.Progress = step, message, &progress
	status.Phase = v1alpha1.PhaseRunning
	select {
	case <-t.done:
	default:
		return false
	}
	status.Phase, status.Message, status.Problem = ending(t.err, t.cause)
	status.Warnings = t.journal.listWarnings()
	status.FinishedAt = &now
	if t.finish != nil {
		t.finish(object)
	}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionCompleted, Status: metav1.ConditionTrue,
		Reason: string(status.Phase), Message: status.Message, ObservedGeneration: object.GetGeneration(),
	})
	return true
}

// ending is how a run ended: an error after a request to cancel is what was
// asked for.
func ending(err, cause error) (v1alpha1.Phase, string, *agentv1.Problem) {
	if err == nil {
		return v1alpha1.PhaseSucceeded, "Done.", nil
	}
	if errors.Is(cause, errCancelled) {
		return v1alpha1.PhaseCancelled, "Cancelled on request.", nil
	}
	var problem *agentv1.Problem
	if !errors.As(err, &problem) {
		problem = &agentv1.Problem{Code: CodeGeneric, Message: err.Error(), Retryable: true}
	}
	return v1alpha1.PhaseFailed, problem.Message, problem
}
