package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

var (
	configMap      = Resource{Version: "v1", Name: "configmaps", Kind: "ConfigMap", Namespaced: true}
	claim          = Resource{Version: "v1", Name: "persistentvolumeclaims", Kind: "PersistentVolumeClaim", Namespaced: true}
	volume         = Resource{Version: "v1", Name: "persistentvolumes", Kind: "PersistentVolume"}
	namespace      = Resource{Version: "v1", Name: "namespaces", Kind: "Namespace"}
	class          = Resource{Group: "storage.k8s.io", Version: "v1", Name: "storageclasses", Kind: "StorageClass"}
	definition     = Resource{Group: "apiextensions.k8s.io", Version: "v1", Name: "customresourcedefinitions", Kind: "CustomResourceDefinition"}
	widget         = Resource{Group: "example.com", Version: "v1", Name: "widgets", Kind: "Widget", Namespaced: true}
	clusterRole    = Resource{Group: rbacGroup, Version: "v1", Name: "clusterroles", Kind: "ClusterRole"}
	clusterBinding = Resource{Group: rbacGroup, Version: "v1", Name: "clusterrolebindings", Kind: "ClusterRoleBinding"}
	roleBinding    = Resource{Group: rbacGroup, Version: "v1", Name: "rolebindings", Kind: "RoleBinding", Namespaced: true}
)

// shelf is a sink that insists on order, as an archive does.
type shelf struct {
	keys    []string
	objects map[string]string
	full    error
}

func (s *shelf) Put(_ context.Context, key string, object []byte) error {
	if s.full != nil {
		return s.full
	}
	if len(s.keys) > 0 && s.keys[len(s.keys)-1] >= key {
		return fmt.Errorf("%s after %s", key, s.keys[len(s.keys)-1])
	}
	if s.objects == nil {
		s.objects = map[string]string{}
	}
	s.keys = append(s.keys, key)
	s.objects[key] = string(object)
	return nil
}

func gather(t *testing.T, s *apiServer, selection agentv1.Selection, namespaces ...string) (*shelf, Summary) {
	t.Helper()
	sink := &shelf{}
	summary, err := Collect(context.Background(), Request{
		Client: s.client(), Selection: selection, Namespaces: namespaces, Existing: 100, Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	if summary.Objects != int64(len(sink.keys)) {
		t.Errorf("summary counts %d objects, the archive has %d", summary.Objects, len(sink.keys))
	}
	return sink, summary
}

func TestCollectTakesTheNeededClusterScope(t *testing.T) {
	s := newAPIServer(t, configMap, claim, volume, namespace, class, definition, widget, clusterRole, clusterBinding, roleBinding)
	for _, ns := range []string{"shop", "other"} {
		s.put(namespace, "", ns, "", "")
		s.put(configMap, ns, "c", "", `,"data":{"n":9007199254740993}`)
		s.put(claim, ns, "data", "", fmt.Sprintf(`,"spec":{"volumeName":"pv-%s","storageClassName":"fast-%s"}`, ns, ns))
		s.put(volume, "", "pv-"+ns, "", "")
		s.put(class, "", "fast-"+ns, "", "")
		s.put(clusterRole, "", "role-"+ns, "", "")
		s.put(clusterRole, "", "named-"+ns, "", "")
		s.put(roleBinding, ns, "b", "", fmt.Sprintf(`,"roleRef":{"kind":"ClusterRole","name":"named-%s"}`, ns))
		s.put(clusterBinding, "", "bind-"+ns, "", fmt.Sprintf(`,"roleRef":{"kind":"ClusterRole","name":"role-%s"},"subjects":[{"kind":"ServiceAccount","name":"x","namespace":%q}]`, ns, ns))
	}
	s.put(widget, "shop", "w", "", "")
	s.put(definition, "", "widgets.example.com", "", "")
	s.put(definition, "", "gadgets.example.com", "", "")
	s.put(definition, "", "backupruns.holdfast.dev", "", "")

	needed := []string{
		"namespaced/core/ConfigMap/shop/c",
		"namespaced/core/PersistentVolumeClaim/shop/data",
		"namespaced/example.com/Widget/shop/w",
		"namespaced/rbac.authorization.k8s.io/RoleBinding/shop/b",
		"wide/apiextensions.k8s.io/CustomResourceDefinition/widgets.example.com",
		"wide/core/Namespace/shop",
		"wide/core/PersistentVolume/pv-shop",
		"wide/rbac.authorization.k8s.io/ClusterRole/named-shop",
		"wide/rbac.authorization.k8s.io/ClusterRole/role-shop",
		"wide/rbac.authorization.k8s.io/ClusterRoleBinding/bind-shop",
		"wide/storage.k8s.io/StorageClass/fast-shop",
	}
	sink, summary := gather(t, s, agentv1.Selection{}, "shop")
	if !slices.Equal(sink.keys, needed) {
		t.Errorf("got\n%s", strings.Join(sink.keys, "\n"))
	}
	if len(summary.Warnings) > 0 {
		t.Errorf("warnings %+v", summary.Warnings)
	}
	const want = `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","namespace":"shop","uid":"configmaps-shop-c"},"data":{"n":9007199254740993}}`
	if got := sink.objects[needed[0]]; got != want {
		t.Errorf("bytes changed:\n%s", got)
	}

	sink, _ = gather(t, s, agentv1.Selection{IncludeClusterScopeResources: true}, "shop")
	for key, want := range map[string]bool{
		"wide/core/Namespace/other": false, "wide/core/PersistentVolume/pv-other": true, "wide/storage.k8s.io/StorageClass/fast-other": true,
		"wide/apiextensions.k8s.io/CustomResourceDefinition/backupruns.holdfast.dev": false,
		"wide/apiextensions.k8s.io/CustomResourceDefinition/gadgets.example.com":     true,
	} {
		if _, got := sink.objects[key]; got != want {
			t.Errorf("%s: %v", key, got)
		}
	}

	sink, _ = gather(t, s, agentv1.Selection{ExcludedResourceTypes: []string{"storageclasses", "v1/ConfigMap"}}, "shop")
	for key := range sink.objects {
		if strings.Contains(key, "StorageClass") || strings.Contains(key, "ConfigMap") {
			t.Errorf("%s was excluded", key)
		}
	}
}

func TestCollectPagesAndOrder(t *testing.T) {
	s := newAPIServer(t, configMap, secret, namespace)
	for _, ns := range []string{"a", "a-b", "b"} {
		for i := range 120 {
			s.put(configMap, ns, fmt.Sprintf("c%03d", i), "", "")
			s.put(secret, ns, fmt.Sprintf("s%03d", i), "", `,"data":"`+strings.Repeat("x", 64<<10)+`"`)
		}
	}
	for _, namespaces := range [][]string{{"a-b", "a"}, {"a-b", "a", "b"}} {
		sink, summary := gather(t, s, agentv1.Selection{}, namespaces...)
		if want := 240 * len(namespaces); len(sink.keys) != want {
			t.Errorf("%d objects, want %d", len(sink.keys), want)
		}
		if len(summary.Kinds) != 2 || summary.Kinds[0].Objects != int64(120*len(namespaces)) || !slices.Equal(summary.Kinds[0].Revisions, []string{"100"}) {
			t.Errorf("kinds %+v", summary.Kinds)
		}
	}
}

func TestCollectSurvivesExpiredTokens(t *testing.T) {
	for _, resume := range []bool{true, false} {
		t.Run(fmt.Sprintf("resume=%v", resume), func(t *testing.T) {
			s := newAPIServer(t, configMap)
			for i := range 120 {
				s.put(configMap, "a", fmt.Sprintf("c%03d", i), "", "")
			}
			s.expire, s.resume = true, resume
			sink, summary := gather(t, s, agentv1.Selection{}, "a")
			if len(sink.keys) != 120 {
				t.Errorf("%d objects", len(sink.keys))
			}
			if len(summary.Kinds) != 1 || !slices.Equal(summary.Kinds[0].Revisions, []string{"100", "101"}) {
				t.Errorf("the kind is not marked as of two revisions: %+v", summary.Kinds)
			}
		})
	}
}

func TestCollectNamesWhatItCannotRead(t *testing.T) {
	metrics := Resource{Group: "metrics.k8s.io", Version: "v1beta1", Name: "podmetrics", Kind: "PodMetrics", Namespaced: true}
	things := Resource{Group: "stored.example.com", Version: "v1", Name: "things", Kind: "Thing", Namespaced: true}
	s := newAPIServer(t, configMap, secret, widget, metrics, things)
	s.put(configMap, "a", "c", "", "")
	s.put(secret, "a", "s", "", "")
	s.put(things, "a", "t", "", "")
	s.forbidden = map[string]bool{"secrets": true}
	s.broken = map[string]bool{"example.com": true}
	s.foreign = map[string]bool{"metrics.k8s.io": true, "stored.example.com": true}
	sink, summary := gather(t, s, agentv1.Selection{}, "a")
	if !slices.Equal(sink.keys, []string{"namespaced/core/ConfigMap/a/c"}) {
		t.Errorf("got %v", sink.keys)
	}
	want := []string{CodeDiscoveryIncomplete, CodeAggregatedAPI, CodeForbidden}
	slices.Sort(want)
	if got := codesOf(summary.Warnings); !slices.Equal(got, want) {
		t.Errorf("got %+v", summary.Warnings)
	}
}

func TestCollectRepeatsAfterHiccups(t *testing.T) {
	s := newAPIServer(t, configMap)
	s.put(configMap, "a", "c", "", "")
	s.stumbles = 3
	if sink, summary := gather(t, s, agentv1.Selection{}, "a"); len(sink.keys) != 1 || len(summary.Warnings) > 0 {
		t.Errorf("%v %+v", sink.keys, summary.Warnings)
	}
	s.stumbles = 100 // more than its patience
	if sink, summary := gather(t, s, agentv1.Selection{}, "a"); len(sink.keys) != 0 || !slices.Equal(codesOf(summary.Warnings), []string{CodeGeneric}) {
		t.Errorf("%v %+v", sink.keys, summary.Warnings)
	}
}

// An operator that is upgraded stops serving a version. Its objects are there,
// but not where discovery said.
func TestCollectTellsOfAKindThatVanished(t *testing.T) {
	s := newAPIServer(t, configMap, widget)
	s.put(configMap, "a", "c", "", "")
	s.put(widget, "a", "w", "", "")
	s.vanished = map[string]bool{"widgets": true}
	sink, summary := gather(t, s, agentv1.Selection{}, "a")
	if len(sink.keys) != 1 || len(summary.Warnings) != 1 || summary.Warnings[0].Resource != widget.String() {
		t.Errorf("%v %+v", sink.keys, summary.Warnings)
	}
}

// Bindings are read ahead of their turn, to know which are needed. What cannot
// be read then is left out, so it must be told though it can be read later.
func TestCollectTellsWhatItCouldNotReadAhead(t *testing.T) {
	s := newAPIServer(t, clusterBinding, clusterRole)
	s.put(clusterRole, "", "role-a", "", "")
	s.put(clusterBinding, "", "bind-a", "", `,"roleRef":{"kind":"ClusterRole","name":"role-a"},"subjects":[{"kind":"ServiceAccount","name":"x","namespace":"a"}]`)
	s.stumbles = pageAttempts
	sink, summary := gather(t, s, agentv1.Selection{}, "a")
	if len(sink.keys) != 0 || !slices.Equal(codesOf(summary.Warnings), []string{CodeGeneric}) {
		t.Errorf("%v %+v", sink.keys, summary.Warnings)
	}
}

func TestCollectTakesAnObjectOfTwoGroupsOnce(t *testing.T) {
	old := Resource{Group: "old.example.com", Version: "v1", Name: "widgets", Kind: "Widget", Namespaced: true}
	s := newAPIServer(t, widget, old) // both plurals are the same, so the objects and UIDs are too
	s.put(widget, "a", "w", "", "")
	if sink, _ := gather(t, s, agentv1.Selection{}, "a"); len(sink.keys) != 1 {
		t.Errorf("got %v", sink.keys)
	}
}

func TestCollectAsksTheServerToSelect(t *testing.T) {
	s := newAPIServer(t, configMap, namespace)
	s.put(namespace, "", "a", "", "")
	gather(t, s, agentv1.Selection{LabelSelectors: []string{"env:prod"}}, "a")
	want := []string{"/api/v1/namespaces/a/configmaps?env=prod", "/api/v1/namespaces?"}
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked %v", s.asked)
	}
}

func TestCollectStopsWhenItMust(t *testing.T) {
	s := newAPIServer(t, configMap, secret)
	for i := range 300 {
		s.put(configMap, "a", fmt.Sprintf("c%03d", i), "", "")
		s.put(secret, "a", fmt.Sprintf("c%03d", i), "", "")
	}
	full := errors.New("disk full")
	_, err := Collect(context.Background(), Request{Client: s.client(), Namespaces: []string{"a"}, Sink: &shelf{full: full}})
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = Collect(ctx, Request{Client: s.client(), Namespaces: []string{"a"}, Sink: &shelf{},
		Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
