// Package equality compares every object of a namespace before and after a
// restore. It is written apart from the product on purpose: what proves a
// restore must not share the code that made it.
package equality

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Snapshot maps "group/Kind/name" to the canonical JSON of an object.
type Snapshot map[string]string

// derived kinds are made by controllers from others; the cluster makes them
// again, under other names.
var derived = map[string]bool{
	"Event": true, "Pod": true, "ReplicaSet": true, "ControllerRevision": true, "EndpointSlice": true,
	"Endpoints": true, "Lease": true, "PodMetrics": true, "VolumeSnapshot": true, "Job": true,
}

// Take reads all objects of a namespace. Objects of derived kinds are left out
// when a controller owns them.
func Take(ctx context.Context, config *rest.Config, namespace string) (Snapshot, error) {
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	lists, err := disco.ServerPreferredNamespacedResources()
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	out := Snapshot{}
	own, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if err := add(own, "", out); err != nil {
		return nil, err
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			if err := take(ctx, client, gv.WithResource(r.Name), r, namespace, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func take(ctx context.Context, client dynamic.Interface, gvr schema.GroupVersionResource, r metav1.APIResource, namespace string, out Snapshot) error {
	if !strings.Contains(" "+strings.Join(r.Verbs, " ")+" ", " list ") || derived[r.Kind] || gvr.Group == "metrics.k8s.io" {
		return nil
	}
	list, err := client.Resource(gvr).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list %s: %w", gvr, err)
	}
	for i := range list.Items {
		item := &list.Items[i]
		if ours(item) {
			continue
		}
		if err := add(item, gvr.Group, out); err != nil {
			return err
		}
	}
	return nil
}

func add(u *unstructured.Unstructured, group string, out Snapshot) error {
	data, err := Canonical(u.Object)
	if err != nil {
		return err
	}
	out[group+"/"+u.GetKind()+"/"+u.GetName()] = data
	return nil
}

// ours reports objects that every namespace gets by itself.
func ours(u *unstructured.Unstructured) bool {
	switch u.GetKind() + "/" + u.GetName() {
	case "ConfigMap/kube-root-ca.crt", "ServiceAccount/default":
		return true
	}
	return false
}

// Canonical strips what the server writes and what must differ after a
// restore, and nothing else.
func Canonical(obj map[string]any) (string, error) {
	u := (&unstructured.Unstructured{Object: obj}).DeepCopy().Object
	delete(u, "status")
	if meta, ok := u["metadata"].(map[string]any); ok {
		for _, k := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "namespace"} {
			delete(meta, k)
		}
		dropKeys(meta, "annotations", "pv.kubernetes.io/", "volume.kubernetes.io/", "volume.beta.kubernetes.io/", "deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration")
		dropUIDs(meta)
	}
	switch u["kind"] {
	case "Service":
		drop(u, "spec", "clusterIP", "clusterIPs", "healthCheckNodePort")
	case "PersistentVolumeClaim":
		// The source's volume must not be named again; the new source is the snapshot.
		drop(u, "spec", "volumeName", "dataSource", "dataSourceRef")
	}
	data, err := json.Marshal(u)
	return string(data), err
}

func drop(u map[string]any, field string, keys ...string) {
	if m, ok := u[field].(map[string]any); ok {
		for _, k := range keys {
			delete(m, k)
		}
	}
}

func dropKeys(meta map[string]any, field string, prefixes ...string) {
	m, ok := meta[field].(map[string]any)
	if !ok {
		return
	}
	for k := range m {
		for _, p := range prefixes {
			if strings.HasPrefix(k, p) {
				delete(m, k)
			}
		}
	}
	if len(m) == 0 {
		delete(meta, field)
	}
}

// dropUIDs keeps who owns an object and forgets the number.
func dropUIDs(meta map[string]any) {
	refs, _ := meta["ownerReferences"].([]any)
	for _, r := range refs {
		if m, ok := r.(map[string]any); ok {
			delete(m, "uid")
		}
	}
}

// Differences lists what is missing, new or changed, in order of names.
func Differences(before, after Snapshot) []string {
	var out []string
	for k, b := range before {
		a, ok := after[k]
		switch {
		case !ok:
			out = append(out, "missing: "+k)
		case a != b:
			out = append(out, fmt.Sprintf("changed: %s\n    before %s\n    after  %s", k, b, a))
		}
	}
	for k := range after {
		if _, ok := before[k]; !ok {
			out = append(out, "new: "+k)
		}
	}
	sort.Strings(out)
	return out
}
