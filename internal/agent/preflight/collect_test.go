package preflight_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	fakedynamic "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"holdfast.dev/holdfast/internal/agent/preflight"
)

func TestCollect(t *testing.T) {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n"},
		Spec: corev1.NodeSpec{Unschedulable: true, Taints: []corev1.Taint{
			{Key: "CriticalAddonsOnly", Effect: corev1.TaintEffectNoSchedule}, {Key: "soft", Effect: corev1.TaintEffectPreferNoSchedule},
		}},
		Status: corev1.NodeStatus{
			NodeInfo:   corev1.NodeSystemInfo{OperatingSystem: "linux", Architecture: "arm64"},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "d"}}
	deployment.Spec.Template.Spec.Containers = []corev1.Container{{Image: "velero/velero:1"}}
	typed := fake.NewClientset(node, deployment)
	typed.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{Major: "1", Minor: "30+", GitVersion: "v1.30.1-gke"}

	got, err := preflight.Collect(t.Context(), typed, dynamicCluster())
	if err != nil {
		t.Fatal(err)
	}
	want := preflight.Facts{
		Major: 1, Minor: 30, Version: "v1.30.1-gke",
		Nodes:           []preflight.Node{{Name: "n", OS: "linux", Architecture: "arm64", Ready: true, Taints: []string{"CriticalAddonsOnly"}}},
		Definitions:     []string{"volumesnapshots.snapshot.storage.k8s.io"},
		SnapshotDrivers: []string{"disk.csi.azure.com"},
		Deployments:     []preflight.Deployment{{Namespace: "a", Name: "d", Images: []string{"velero/velero:1"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func dynamicCluster() *fakedynamic.FakeDynamicClient {
	object := func(apiVersion, kind, name string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "driver": "disk.csi.azure.com"}}
		u.SetName(name)
		return u
	}
	lists := map[schema.GroupVersionResource]string{
		{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}: "CustomResourceDefinitionList",
		{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"}:  "VolumeSnapshotClassList",
	}
	crd := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "volumesnapshots.snapshot.storage.k8s.io")
	class := object("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass", "disks")
	client := fakedynamic.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, crd)
	// The fake guesses plurals wrongly ("volumesnapshotclasss"), so it is told.
	gvr := schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"}
	_ = client.Tracker().Create(gvr, class, "")
	return client
}
