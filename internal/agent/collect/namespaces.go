package collect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// systemNamespaces are never backed up: the cluster makes them itself.
var systemNamespaces = []string{"kube-system", "kube-public", "kube-node-lease"}

// Namespace is what a selection needs to know of a namespace.
type Namespace struct {
	Name        string
	UID         types.UID
	Terminating bool
}

// ListNamespaces reads all namespaces of the cluster.
func ListNamespaces(ctx context.Context, client kubernetes.Interface) ([]Namespace, error) {
	var found []Namespace
	options := metav1.ListOptions{Limit: maxPage}
	for {
		list, err := client.CoreV1().Namespaces().List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("list namespaces: %w", err)
		}
		for _, ns := range list.Items {
			terminating := ns.DeletionTimestamp != nil || ns.Status.Phase == corev1.NamespaceTerminating
			found = append(found, Namespace{Name: ns.Name, UID: ns.UID, Terminating: terminating})
		}
		if options.Continue = list.Continue; options.Continue == "" {
			return found, nil
		}
	}
}

// Namespaces resolves a selection against the namespaces that exist. own is the
// extension's namespace, which is never selected. What was asked for by name
// and is not selected, and what is being deleted, is named in a warning.
func Namespaces(selection agentv1.Selection, existing []Namespace, own string) ([]string, []agentv1.Warning) {
	asked := selection.IncludedNamespaces
	everything := len(asked) == 0 || slices.Contains(asked, "*")
	var selected []string
	var warnings []agentv1.Warning
	for _, ns := range existing {
		switch {
		case slices.Contains(selection.ExcludedNamespaces, ns.Name), !everything && !slices.Contains(asked, ns.Name):
		case ns.Name == own, slices.Contains(systemNamespaces, ns.Name):
			if !everything {
				warnings = append(warnings, warning(ns.Name, CodeNamespaceNotSupported,
					"The namespace %s belongs to the system and was not backed up.", ns.Name))
			}
		case ns.Terminating:
			warnings = append(warnings, warning(ns.Name, CodeNamespaceTerminating,
				"The namespace %s is being deleted and was not backed up.", ns.Name))
		default:
			selected = append(selected, ns.Name)
		}
	}
	if !everything {
		warnings = append(warnings, missing(selection, existing)...)
	}
	sortNamespaces(selected)
	return selected, warnings
}

func missing(selection agentv1.Selection, existing []Namespace) []agentv1.Warning {
	var warnings []agentv1.Warning
	for _, name := range selection.IncludedNamespaces {
		there := slices.ContainsFunc(existing, func(ns Namespace) bool { return ns.Name == name })
		if !there && !slices.Contains(selection.ExcludedNamespaces, name) {
			warnings = append(warnings, warning(name, CodeNamespaceNotFound,
				"The namespace %s was not found in the cluster.", name))
		}
	}
	return warnings
}

// Vanished warns of selected namespaces that were deleted, or deleted and made
// again, while their objects were read: what was read of them is not all. before
// and after are the namespaces as ListNamespaces found them.
func Vanished(selected []string, before, after []Namespace) []agentv1.Warning {
	var warnings []agentv1.Warning
	for _, name := range selected {
		named := func(ns Namespace) bool { return ns.Name == name }
		was, is := slices.IndexFunc(before, named), slices.IndexFunc(after, named)
		if was >= 0 && is >= 0 && before[was].UID == after[is].UID && !after[is].Terminating {
			continue
		}
		warnings = append(warnings, warning(name, CodeNamespaceTerminating,
			"The namespace %s was deleted while it was backed up; what was read of it is not all.", name))
	}
	return warnings
}

// sortNamespaces orders names as the keys of the objects in them sort: "a-b/"
// comes before "a/".
func sortNamespaces(names []string) {
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(a+"/", b+"/") })
}
