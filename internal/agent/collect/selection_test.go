package collect

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

var (
	secret     = Resource{Version: "v1", Name: "secrets", Kind: "Secret", Namespaced: true}
	deployment = Resource{Group: "apps", Version: "v1", Name: "deployments", Kind: "Deployment", Namespaced: true}
	knative    = Resource{Group: "serving.knative.dev", Version: "v1", Name: "services", Kind: "Service", Namespaced: true}
	service    = Resource{Version: "v1", Name: "services", Kind: "Service", Namespaced: true}
)

func TestTypeFilter(t *testing.T) {
	for _, c := range []struct {
		included, excluded string
		resource           Resource
		want               bool
	}{
		{"", "", secret, true},
		{"", "v1/Secret", secret, false},
		{"", "Secret", secret, false},
		{"", "secrets", secret, false},
		{"", " SECRETS ", secret, false},
		{"", "v1/Secret", deployment, true},
		{"apps/v1/Deployment", "", deployment, true},
		{"apps/v1beta1/deployments", "", deployment, true}, // versions are ignored
		{"deployments.apps", "", deployment, true},
		{"apps/Deployment", "", deployment, true},
		{"apps/Deployment", "", secret, false},
		{"deployments.extensions", "", deployment, false},
		{"Deployment", "deployments.apps", deployment, false}, // exclusion wins
		{"v1/Service", "", knative, false},
		{"services.serving.knative.dev", "", knative, true},
		{"services.serving.knative.dev", "", service, false},
		{"services", "", knative, true}, // no group means any
		{",", "", secret, true},
	} {
		f := NewTypeFilter(agentv1.Selection{
			IncludedResourceTypes: strings.Split(c.included, ","), ExcludedResourceTypes: strings.Split(c.excluded, ",")})
		if got := f.Match(c.resource); got != c.want {
			t.Errorf("+%q -%q %s: %v", c.included, c.excluded, c.resource, got)
		}
	}
}

func TestLabelSelector(t *testing.T) {
	set := labels.Set{"env": "prod", "tier": "db"}
	for _, c := range []struct {
		selectors []string
		want      bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{"env=prod"}, true},
		{[]string{"env:prod"}, true},
		{[]string{" env : prod "}, true},
		{[]string{"env=prod;tier!=web"}, true},
		{[]string{"env=prod", "tier=web"}, false}, // AND
		{[]string{"env!=prod"}, false},
		{[]string{"owner!=me"}, true},
		{[]string{"tier in (db,web)"}, true},
		{[]string{"tier"}, true},
	} {
		selector, err := LabelSelector(agentv1.Selection{LabelSelectors: c.selectors})
		if err != nil {
			t.Errorf("%q: %v", c.selectors, err)
			continue
		}
		if got := selector.Matches(set); got != c.want {
			t.Errorf("%q: %v", c.selectors, got)
		}
	}
	for _, bad := range []string{"=", "a=b c", "é=1", "a in b"} {
		if _, err := LabelSelector(agentv1.Selection{LabelSelectors: []string{bad}}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestNamespaces(t *testing.T) {
	existing := []Namespace{{Name: "a"}, {Name: "a-b"}, {Name: "holdfast"}, {Name: "kube-system"}, {Name: "going", Terminating: true}}
	for _, c := range []struct {
		name               string
		included, excluded []string
		want               []string
		codes              []string
	}{
		{"all", nil, nil, []string{"a-b", "a"}, []string{CodeNamespaceTerminating}},
		{"star", []string{"*"}, []string{"a", "going"}, []string{"a-b"}, nil},
		{"some", []string{"a"}, nil, []string{"a"}, nil},
		{"excluded wins", []string{"a"}, []string{"a"}, nil, nil},
		{"missing", []string{"a", "b"}, nil, []string{"a"}, []string{CodeNamespaceNotFound}},
		{"missing but excluded", []string{"a", "b"}, []string{"b"}, []string{"a"}, nil},
		{"system", []string{"kube-system", "holdfast"}, nil, nil, []string{CodeNamespaceNotSupported, CodeNamespaceNotSupported}},
		{"going", []string{"going"}, nil, nil, []string{CodeNamespaceTerminating}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, warnings := Namespaces(agentv1.Selection{IncludedNamespaces: c.included, ExcludedNamespaces: c.excluded}, existing, "holdfast")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.codes, codesOf(warnings)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func codesOf(warnings []agentv1.Warning) []string {
	var codes []string
	for _, w := range warnings {
		codes = append(codes, w.Problem.Code)
	}
	slices.Sort(codes)
	return codes
}

// The order in which collect walks must be the order of the keys, whatever the
// names: kinds as sortResources has them, namespaces as sortNamespaces has them.
func TestWalkOrderIsKeyOrder(t *testing.T) {
	name := rapid.StringMatching(`[a-z]([a-z0-9-]{0,4}[a-z0-9])?`)
	group := rapid.SampledFrom([]string{"", "apps", "a.example.com", "app", "apps.example.com"})
	kind := rapid.StringMatching(`[A-Z][a-zA-Z]{0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		resources := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Resource {
			return Resource{Group: group.Draw(t, "group"), Kind: kind.Draw(t, "kind"), Namespaced: rapid.Bool().Draw(t, "namespaced")}
		}), 1, 6, func(r Resource) string { return r.prefix() }).Draw(t, "resources")
		namespaces := rapid.SliceOfNDistinct(name, 1, 4, rapid.ID).Draw(t, "namespaces")
		names := rapid.SliceOfNDistinct(name, 1, 4, rapid.ID).Draw(t, "names")
		sortResources(resources)
		sortNamespaces(namespaces)
		slices.Sort(names)
		var keys []string
		for _, r := range resources {
			within := []string{""}
			if r.Namespaced {
				within = namespaces
			}
			for _, ns := range within {
				for _, n := range names {
					keys = append(keys, r.Key(ns, n))
				}
			}
		}
		if !slices.IsSorted(keys) {
			t.Fatalf("out of order: %q", keys)
		}
		if len(slices.Compact(keys)) != len(keys) {
			t.Fatalf("not unique: %q", keys)
		}
	})
}

// A namespace that goes while it is read leaves half of itself in the archive.
func TestVanished(t *testing.T) {
	before := []Namespace{{Name: "stays", UID: "1"}, {Name: "going", UID: "2"}, {Name: "gone", UID: "3"}, {Name: "again", UID: "4"}, {Name: "other", UID: "5"}}
	after := []Namespace{{Name: "stays", UID: "1"}, {Name: "going", UID: "2", Terminating: true}, {Name: "again", UID: "6"}, {Name: "new", UID: "7"}}
	var named []string
	for _, w := range Vanished([]string{"stays", "going", "gone", "again"}, before, after) {
		named = append(named, w.Resource)
	}
	if !slices.Equal(named, []string{"going", "gone", "again"}) {
		t.Errorf("named %v", named)
	}
}
