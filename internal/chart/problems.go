package chart

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Codes of what keeps a deployment from being ready.
const (
	CodeMissing       = "ExtensionDeploymentMissing"
	CodeUnschedulable = "ExtensionPodUnschedulable"
	CodeImage         = "ExtensionImageNotPulled"
	CodeCrashing      = "ExtensionPodCrashing"
	CodeMemory        = "ExtensionPodOutOfMemory"
	CodeRefused       = "ExtensionPodRefused"
	CodeNotReady      = "ExtensionNotReady"
)

// Problems says what keeps the named deployments from being ready; none means
// that all of them are, in their latest revision.
func Problems(ctx context.Context, client kubernetes.Interface, namespace string, names []string) ([]agentv1.Problem, error) {
	deployments, err := client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list deployments in %s: %w", namespace, err)
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list pods in %s: %w", namespace, err)
	}
	var problems []agentv1.Problem
	for _, name := range names {
		at := slices.IndexFunc(deployments.Items, func(d appsv1.Deployment) bool { return d.Name == name })
		if at < 0 {
			problems = append(problems, agentv1.Problem{
				Code: CodeMissing, Target: name, Message: fmt.Sprintf("The deployment %s/%s does not exist.", namespace, name),
				Actions: []string{"Declare the extension again."},
			})
			continue
		}
		if deployment := &deployments.Items[at]; !ready(deployment) {
			problems = append(problems, explain(deployment, pods.Items))
		}
	}
	return problems, nil
}

func ready(d *appsv1.Deployment) bool {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	return d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas >= want &&
		d.Status.AvailableReplicas >= want && d.Status.Replicas == d.Status.UpdatedReplicas
}

// explain finds the most telling reason why a deployment is not ready.
func explain(d *appsv1.Deployment, pods []corev1.Pod) agentv1.Problem {
	for _, condition := range d.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return problem(CodeRefused, d.Name, "the cluster refuses its pods: "+condition.Message,
				"Check admission policies, quotas and the pod-security labels of the namespace "+d.Namespace+".")
		}
	}
	for i := range pods {
		pod := &pods[i]
		if pod.DeletionTimestamp != nil || !selected(d, pod) {
			continue
		}
		if found := explainPod(pod); found != nil {
			found.Target = d.Name
			return *found
		}
	}
	return problem(CodeNotReady, d.Name, "its pods are not ready yet",
		fmt.Sprintf("Look at the log: kubectl -n %s logs deploy/%s.", d.Namespace, d.Name))
}

func explainPod(pod *corev1.Pod) *agentv1.Problem {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			found := problem(CodeUnschedulable, pod.Name, "no node can take its pod: "+condition.Message,
				"Add a node, or lower resources.requests.cpu and resources.requests.memory.")
			return &found
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		if found := explainContainer(pod.Name, status); found != nil {
			return found
		}
	}
	return nil
}

func explainContainer(pod string, status corev1.ContainerStatus) *agentv1.Problem {
	last := status.LastTerminationState.Terminated
	waiting := status.State.Waiting
	var found agentv1.Problem
	switch {
	case last != nil && last.Reason == "OOMKilled" && !status.Ready:
		found = problem(CodeMemory, pod, "its container was killed for using too much memory", "Raise resources.limits.memory.")
	case waiting == nil:
		return nil
	case strings.Contains(waiting.Reason, "Image") || waiting.Reason == "ErrImagePull":
		found = problem(CodeImage, pod, "its image cannot be had: "+waiting.Message,
			"Make the image "+status.Image+" available to the nodes.")
	case waiting.Reason == "CrashLoopBackOff" && last != nil:
		found = problem(CodeCrashing, pod, fmt.Sprintf("its container ends with exit code %d: %s", last.ExitCode, lastLine(last.Message)),
			"Look at its log for the reason.")
	case waiting.Message != "":
		found = problem(CodeNotReady, pod, "its container does not start: "+waiting.Message, "Remove the cause, or declare the extension again.")
	default:
		return nil
	}
	return &found
}

func problem(code, target, message string, actions ...string) agentv1.Problem {
	return agentv1.Problem{Code: code, Target: target, Message: target + ": " + message, Actions: actions, Retryable: true}
}

func selected(d *appsv1.Deployment, pod *corev1.Pod) bool {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	return err == nil && selector.Matches(labels.Set(pod.Labels))
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
