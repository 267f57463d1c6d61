package chart_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"holdfast.dev/holdfast/internal/chart"
)

func deployment(available int32) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "holdfast", Name: "d", Generation: 2}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "d"}}
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: available}
	return d
}

func pod(change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "holdfast", Name: "d-1", Labels: map[string]string{"app": "d"}}}
	change(p)
	return p
}

func container(status corev1.ContainerStatus) *corev1.Pod {
	return pod(func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{status} })
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func ended(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: 1, Message: message}}
}

func TestProblems(t *testing.T) {
	stale := deployment(1)
	stale.Generation = 3
	refused := deployment(0)
	refused.Status.Conditions = []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota",
	}}
	unschedulable := pod(func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "Insufficient cpu"}}
	})
	cases := map[string]struct {
		objects    []runtime.Object
		want, says string
	}{
		"ready":         {[]runtime.Object{deployment(1)}, "", ""},
		"missing":       {nil, chart.CodeMissing, "does not exist"},
		"old revision":  {[]runtime.Object{stale}, chart.CodeNotReady, "not ready"},
		"starting":      {[]runtime.Object{deployment(0)}, chart.CodeNotReady, "not ready"},
		"admission":     {[]runtime.Object{refused}, chart.CodeRefused, "exceeded quota"},
		"no room":       {[]runtime.Object{deployment(0), unschedulable}, chart.CodeUnschedulable, "Insufficient cpu"},
		"no image":      {[]runtime.Object{deployment(0), container(corev1.ContainerStatus{State: waiting("ImagePullBackOff", "not found"), Image: "x:1"})}, chart.CodeImage, "not found"},
		"crash":         {[]runtime.Object{deployment(0), container(corev1.ContainerStatus{State: waiting("CrashLoopBackOff", ""), LastTerminationState: ended("Error", "line\nno token\n")})}, chart.CodeCrashing, "code 1: no token"},
		"memory":        {[]runtime.Object{deployment(0), container(corev1.ContainerStatus{State: waiting("CrashLoopBackOff", ""), LastTerminationState: ended("OOMKilled", "")})}, chart.CodeMemory, "memory"},
		"mount":         {[]runtime.Object{deployment(0), container(corev1.ContainerStatus{State: waiting("CreateContainerError", "no such directory")})}, chart.CodeNotReady, "no such directory"},
		"another's pod": {[]runtime.Object{deployment(0), pod(func(p *corev1.Pod) { p.Labels = nil; p.Status = unschedulable.Status })}, chart.CodeNotReady, "not ready"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := chart.Problems(t.Context(), fake.NewClientset(c.objects...), "holdfast", []string{"d"})
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if len(got) != 0 {
					t.Errorf("problems %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Code != c.want || !strings.Contains(got[0].Message, c.says) || len(got[0].Actions) == 0 {
				t.Errorf("problems %+v, want %s saying %q", got, c.want, c.says)
			}
		})
	}
}
