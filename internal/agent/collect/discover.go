package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	kjson "sigs.k8s.io/json"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// discover finds the kinds that can be listed and created again. Groups that do
// not answer, and groups that another server stores, become warnings.
func discover(ctx context.Context, client rest.Interface) ([]Resource, []agentv1.Warning, error) {
	foreign, err := aggregated(ctx, client)
	if err != nil {
		return nil, nil, err
	}
	lists, err := discovery.NewDiscoveryClient(client).ServerPreferredResourcesWithContext(ctx)
	var broken *discovery.ErrGroupDiscoveryFailed
	if err != nil && !errors.As(err, &broken) {
		return nil, nil, fmt.Errorf("discover kinds: %w", err)
	}
	var warnings []agentv1.Warning
	if broken != nil {
		for version, reason := range broken.Groups {
			if !transientGroup(version.Group) {
				warnings = append(warnings, warning(version.String(), CodeDiscoveryIncomplete,
					"The API group %s does not answer, so nothing of it was backed up: %v", version, reason))
			}
		}
	}
	resources, skipped := storedResources(lists, foreign)
	for _, group := range skipped {
		warnings = append(warnings, warning(group, CodeAggregatedAPI,
			"The API group %s is served by another server and was not backed up.", group))
	}
	slices.SortFunc(warnings, func(a, b agentv1.Warning) int { return strings.Compare(a.Resource, b.Resource) })
	return resources, warnings, nil
}

// storedResources picks the kinds worth collecting out of discovery's answer,
// and names the foreign groups it passed over.
func storedResources(lists []*metav1.APIResourceList, foreign map[schema.GroupVersion]bool) ([]Resource, []string) {
	var found []Resource
	skipped := map[string]bool{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		if foreign[gv] {
			if !transientGroup(gv.Group) {
				skipped[gv.Group] = true
			}
			continue
		}
		for _, r := range list.APIResources {
			resource := Resource{Group: gv.Group, Version: gv.Version, Name: r.Name, Kind: r.Kind, Namespaced: r.Namespaced}
			if storable(r) && !derivedKind(resource) {
				found = append(found, resource)
			}
		}
	}
	found = withoutLegacy(found)
	sortResources(found)
	names := make([]string, 0, len(skipped))
	for group := range skipped {
		names = append(names, group)
	}
	slices.Sort(names)
	return found, names
}

// storable says whether objects of a kind can be listed, and created again.
func storable(r metav1.APIResource) bool {
	return !strings.Contains(r.Name, "/") && slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "create")
}

// withoutLegacy drops kinds of the group "extensions" that a newer group serves
// too: it is the same object under two names.
func withoutLegacy(resources []Resource) []Resource {
	return slices.DeleteFunc(resources, func(r Resource) bool {
		return r.Group == "extensions" && slices.ContainsFunc(resources, func(other Resource) bool {
			return other.Group != r.Group && other.Kind == r.Kind
		})
	})
}

// aggregated finds the API versions that the API server only passes on. A
// server that has no aggregation, or hides it, has none.
func aggregated(ctx context.Context, client rest.Interface) (map[schema.GroupVersion]bool, error) {
	raw, err := client.Get().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices").Do(ctx).Raw()
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list API services: %w", err)
	}
	var list struct {
		Items []struct {
			Spec struct {
				Group   string    `json:"group"`
				Version string    `json:"version"`
				Service *struct{} `json:"service"`
			} `json:"spec"`
		} `json:"items"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &list); err != nil {
		return nil, fmt.Errorf("read API services: %w", err)
	}
	foreign := map[schema.GroupVersion]bool{}
	for _, item := range list.Items {
		if item.Spec.Service != nil {
			foreign[schema.GroupVersion{Group: item.Spec.Group, Version: item.Spec.Version}] = true
		}
	}
	return foreign, nil
}
