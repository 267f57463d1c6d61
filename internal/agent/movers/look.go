package movers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/mover"
)

// look reads how a Job stands, and says whether it is over.
func (m *Movers) look(ctx context.Context, work Work, report func(agentv1.Progress)) (mover.Report, bool, error) {
	job := &batchv1.Job{}
	err := m.Client.Get(ctx, m.key(work), job)
	if apierrors.IsNotFound(err) || err == nil && job.DeletionTimestamp != nil {
		return mover.Report{}, true, fmt.Errorf("mover %s was deleted: %w", work.Name, errAgain)
	}
	if err != nil {
		return mover.Report{}, false, err
	}
	pods := &corev1.PodList{}
	if err := m.Client.List(ctx, pods, client.InNamespace(m.Namespace), client.MatchingLabels{batchv1.JobNameLabel: work.Name}); err != nil {
		return mover.Report{}, false, err
	}
	telling := telling(pods.Items)
	condition := ended(job)
	switch {
	case condition == nil:
		m.observe(ctx, work, telling, report)
		return mover.Report{}, false, nil
	case telling == nil && condition.Type == batchv1.JobComplete: // its pod went before it was asked
		if err := m.drop(ctx, job); err != nil {
			return mover.Report{}, false, err
		}
		return mover.Report{}, true, fmt.Errorf("the report of mover %s is gone: %w", work.Name, errAgain)
	case telling == nil:
		return mover.Report{}, true, fmt.Errorf("mover %s: %s %s: %w", work.Name, condition.Reason, condition.Message, ErrLost)
	}
	result, err := reportOf(telling)
	if err != nil {
		err = fmt.Errorf("mover %s: %s %s: %w", work.Name, condition.Reason, condition.Message, err)
	}
	return result, true, err
}

// observe tells how far a Job is that still runs, or why it does not run yet.
func (m *Movers) observe(ctx context.Context, work Work, pod *corev1.Pod, report func(agentv1.Progress)) {
	if pod == nil {
		return
	}
	m.settled(work.Name, pod.Spec.NodeName)
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Message != "" {
			report(agentv1.Progress{Phase: "waiting for a node: " + c.Message})
		}
	}
	m.progress(ctx, pod, report)
}

func ended(job *batchv1.Job) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

// telling is the pod whose word counts: the one that succeeded, or the newest.
func telling(pods []corev1.Pod) *corev1.Pod {
	var newest *corev1.Pod
	for i := range pods {
		if pods[i].Status.Phase == corev1.PodSucceeded {
			return &pods[i]
		}
		if newest == nil || newest.CreationTimestamp.Before(&pods[i].CreationTimestamp) {
			newest = &pods[i]
		}
	}
	return newest
}

// reportOf reads the termination message of a mover's pod.
func reportOf(pod *corev1.Pod) (mover.Report, error) {
	for _, status := range pod.Status.ContainerStatuses {
		end := status.State.Terminated
		if end == nil {
			continue
		}
		var result mover.Report
		err := json.Unmarshal([]byte(end.Message), &result)
		if err == nil && result.Problem != nil {
			return result, result.Problem
		}
		if err != nil || end.ExitCode != 0 { // killed, or its last words are not a report
			return mover.Report{}, fmt.Errorf("%s (exit code %d): %s: %w", end.Reason, end.ExitCode, strings.TrimSpace(end.Message), ErrLost)
		}
		return result, nil
	}
	return mover.Report{}, fmt.Errorf("pod %s is %s: %s: %w", pod.Name, pod.Status.Phase, pod.Status.Message, ErrLost)
}
