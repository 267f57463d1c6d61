package restore

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/collect"
)

var systemNamespaces = []string{"kube-system", "kube-public", "kube-node-lease"}

// selection decides which objects of a recovery point a restore is about.
// Namespaces in it are those of the backup, before mapping.
type selection struct {
	asked  agentv1.Selection
	own    string
	types  collect.TypeFilter
	labels labels.Selector
}

func newSelection(asked agentv1.Selection, own string) (selection, error) {
	selector, err := collect.LabelSelector(asked)
	if err != nil {
		return selection{}, fmt.Errorf("restore: %w", err)
	}
	return selection{asked: asked, own: own, types: collect.NewTypeFilter(asked), labels: selector}, nil
}

// namespace says whether objects of a namespace are meant.
func (s selection) namespace(name string) bool {
	if name == s.own || slices.Contains(systemNamespaces, name) || slices.Contains(s.asked.ExcludedNamespaces, name) {
		return false
	}
	included := s.asked.IncludedNamespaces
	return len(included) == 0 || slices.Contains(included, "*") || slices.Contains(included, name)
}

// match says whether an object is meant by name, type and labels. Namespaces
// are not asked here: they come along with what is in them.
func (s selection) match(entry *Entry, kind kind) bool {
	if !s.types.Match(kind.resource(entry)) || !s.labels.Matches(labels.Set(entry.Labels)) {
		return false
	}
	if entry.Namespace == "" {
		return s.asked.IncludeClusterScopeResources
	}
	return s.namespace(entry.Namespace)
}

// resource is a kind as type filters know it; the plural of a kind that
// nothing serves is guessed.
func (k kind) resource(entry *Entry) collect.Resource {
	plural := k.Resource
	if plural == "" {
		guess, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Group: entry.Group, Version: entry.Version, Kind: entry.Kind})
		plural = guess.Resource
	}
	return collect.Resource{Group: entry.Group, Version: entry.Version, Name: strings.ToLower(plural), Kind: entry.Kind}
}
