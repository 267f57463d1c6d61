package collect

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func mustObject(t *testing.T, raw string) object {
	t.Helper()
	o, err := newObject(Resource{Version: "v1", Kind: "Thing"}, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDerivedObjects(t *testing.T) {
	by := func(kind string) string {
		return `"ownerReferences":[{"apiVersion":"apps/v1","kind":"` + kind + `","name":"o","controller":true}]`
	}
	for _, c := range []struct {
		name, kind, meta string
		want             bool
	}{
		{"config map", "ConfigMap", ``, false},
		{"the cluster's CA", "ConfigMap", `"name":"kube-root-ca.crt"`, true},
		{"on its way out", "ConfigMap", `"deletionTimestamp":"2026-01-01T00:00:00Z"`, true},
		{"our own helper", "VolumeSnapshot", `"labels":{"holdfast.dev/operation":"op-1"}`, true},
		{"the user's snapshot", "VolumeSnapshot", ``, false},
		{"bare pod", "Pod", ``, false},
		{"controlled pod", "Pod", by("ReplicaSet"), true},
		{"pod of an operator", "Pod", by("Cluster"), true},
		{"mirror pod", "Pod", `"annotations":{"kubernetes.io/config.mirror":"x"}`, true},
		{"pod owned but not controlled", "Pod", `"ownerReferences":[{"kind":"Thing","name":"o"}]`, false},
		{"replica set of a deployment", "ReplicaSet", by("Deployment"), true},
		{"replica set by hand", "ReplicaSet", ``, false},
		{"replica set of a rollout", "ReplicaSet", by("Rollout"), false},
		{"job of a cron job", "Job", by("CronJob"), false},
		{"history of a stateful set", "ControllerRevision", by("StatefulSet"), false},
		{"endpoints of a service with a selector", "Endpoints", `"name":"web"`, true},
		{"endpoints by hand", "Endpoints", `"name":"outside"`, false},
		{"endpoints of a new cluster", "Endpoints", `"labels":{"endpoints.kubernetes.io/managed-by":"endpoint-controller"}`, true},
		{"endpoints as a lock", "Endpoints", `"annotations":{"control-plane.alpha.kubernetes.io/leader":"{}"}`, true},
		{"slice of a service", "EndpointSlice", `"labels":{"endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"}`, true},
		{"mirrored slice", "EndpointSlice", `"labels":{"endpointslice.kubernetes.io/managed-by":"endpointslicemirroring-controller.k8s.io"}`, true},
		{"slice by hand", "EndpointSlice", `"labels":{"endpointslice.kubernetes.io/managed-by":"staff"}`, false},
		{"claim of an ephemeral volume", "PersistentVolumeClaim", by("Pod"), true},
		{"claim of a stateful set", "PersistentVolumeClaim", by("StatefulSet"), false},
		{"managed API service", "APIService", `"labels":{"kube-aggregator.kubernetes.io/automanaged":"onstart"}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			meta := `"namespace":"ns"`
			if c.meta != "" {
				meta += "," + c.meta
			}
			if !strings.Contains(c.meta, `"name":"`) || strings.Contains(c.meta, `ownerReferences`) {
				meta += `,"name":"x"`
			}
			o := mustObject(t, `{"apiVersion":"v1","kind":"`+c.kind+`","metadata":{`+meta+`}}`)
			if got := derived(o, func(_, name string) bool { return name == "web" }); got != c.want {
				t.Errorf("derived = %v", got)
			}
		})
	}
}

func TestStoredResources(t *testing.T) {
	all := metav1.Verbs{"list", "create", "get"}
	lists := []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "secrets", Kind: "Secret", Namespaced: true, Verbs: all},
			{Name: "pods/log", Kind: "Pod", Namespaced: true, Verbs: all},
			{Name: "events", Kind: "Event", Namespaced: true, Verbs: all},
			{Name: "nodes", Kind: "Node", Verbs: all},
			{Name: "componentstatuses", Kind: "ComponentStatus", Verbs: metav1.Verbs{"list"}},
			{Name: "bindings", Kind: "Binding", Namespaced: true, Verbs: metav1.Verbs{"create"}},
		}},
		{GroupVersion: "extensions/v1beta1", APIResources: []metav1.APIResource{{Name: "ingresses", Kind: "Ingress", Namespaced: true, Verbs: all}}},
		{GroupVersion: "networking.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "ingresses", Kind: "Ingress", Namespaced: true, Verbs: all}}},
		{GroupVersion: "metrics.k8s.io/v1beta1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: all}}},
		{GroupVersion: "wardle.example.com/v1", APIResources: []metav1.APIResource{{Name: "flunders", Kind: "Flunder", Namespaced: true, Verbs: all}}},
		{GroupVersion: "holdfast.dev/v1alpha1", APIResources: []metav1.APIResource{{Name: "backupruns", Kind: "BackupRun", Namespaced: true, Verbs: all}}},
		{GroupVersion: "clusterbackup.dataprotection.microsoft.com/v1alpha1", APIResources: []metav1.APIResource{
			{Name: "backuphooks", Kind: "BackupHook", Namespaced: true, Verbs: all}, {Name: "backups", Kind: "Backup", Namespaced: true, Verbs: all}}},
	}
	foreign := map[schema.GroupVersion]bool{
		{Group: "metrics.k8s.io", Version: "v1beta1"}: true, {Group: "wardle.example.com", Version: "v1"}: true}
	found, skipped := storedResources(lists, foreign)
	var names []string
	for _, r := range found {
		names = append(names, r.String())
	}
	want := []string{"clusterbackup.dataprotection.microsoft.com/BackupHook", "Secret", "networking.k8s.io/Ingress"}
	if !slices.Equal(names, want) {
		t.Errorf("found %v, want %v", names, want)
	}
	if !slices.Equal(skipped, []string{"wardle.example.com"}) { // of metrics nobody wants to hear
		t.Errorf("skipped %v", skipped)
	}
}

func TestPodVolumes(t *testing.T) {
	volumes := `"spec":{"volumes":[
		{"name":"tmp","emptyDir":{}},{"name":"host","hostPath":{"path":"/x"}},{"name":"eph","ephemeral":{}},{"name":"share","nfs":{}},
		{"name":"data","persistentVolumeClaim":{"claimName":"data"}},{"name":"conf","configMap":{}},{"name":"token","projected":{}}]}`
	p := newPodVolumes()
	for _, name := range []string{"web-7d9f-a", "web-7d9f-b"} { // two pods of one deployment
		o := mustObject(t, `{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"ns","name":"`+name+`","labels":{"pod-template-hash":"7d9f"},
			"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-7d9f","controller":true}]},`+volumes+`}`)
		if err := p.see(o); err != nil {
			t.Fatal(err)
		}
	}
	warnings := p.warnings()
	if len(warnings) != 2 {
		t.Fatalf("got %+v", warnings)
	}
	for i, source := range []string{"hostPath", "nfs"} {
		if w := warnings[i]; w.Resource != "apps/Deployment ns/web" || w.Problem.Code != CodePodVolume || !strings.Contains(w.Problem.Message, source) {
			t.Errorf("got %+v, want one about %s", w, source)
		}
	}
}

func TestWorkloadOf(t *testing.T) {
	for want, m := range map[string]objectMeta{
		"Pod bare":              {Name: "bare"},
		"batch/Job j":           {OwnerReferences: []owner{{APIVersion: "batch/v1", Kind: "Job", Name: "j", Controller: true}}},
		"apps/ReplicaSet x-1":   {OwnerReferences: []owner{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "x-1", Controller: true}}},
		"ReplicationController": {OwnerReferences: []owner{{APIVersion: "v1", Kind: "ReplicationController", Controller: true}}},
	} {
		kind, name := workloadOf(m)
		if got := strings.TrimSpace(kind + " " + name); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
