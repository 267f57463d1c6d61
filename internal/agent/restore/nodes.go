package restore

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	schedule "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// chooseNode picks a node for a claim's volume: one on which the pods that
// mount the claim may run and where the driver is. The claims of one pod get
// the same node. A later try gets another node. Empty: there is none.
func (w *work) chooseNode(ctx context.Context, item *Item, try int) (string, error) {
	nodes, drivers, err := w.cluster.readNodes(ctx)
	if err != nil {
		return "", err
	}
	spec, seed, err := w.mounter(item.Entry)
	if err != nil {
		return "", err
	}
	return pickNode(nodes, drivers[item.Fill.Driver], spec, seed, try), nil
}

// pickNode is the pure part: fitting nodes by name, one by the seed.
func pickNode(nodes []corev1.Node, withDriver map[string]bool, spec *corev1.PodSpec, seed string, try int) string {
	var fitting []string
	for i := range nodes {
		node := &nodes[i]
		if (len(withDriver) == 0 || withDriver[node.Name]) && fits(node, spec) {
			fitting = append(fitting, node.Name)
		}
	}
	if len(fitting) == 0 {
		return ""
	}
	slices.Sort(fitting)
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(seed))
	return fitting[(int(hash.Sum32()%uint32(len(fitting)))+try)%len(fitting)]
}

func fits(node *corev1.Node, spec *corev1.PodSpec) bool {
	if node.Spec.Unschedulable || !nodeReady(node) {
		return false
	}
	_, untolerated := schedule.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule
	}, false)
	if untolerated {
		return false
	}
	if spec.NodeName != "" && spec.NodeName != node.Name {
		return false
	}
	matches, err := nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: *spec}).Match(node)
	return err == nil && matches
}

func nodeReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// mounter finds the pod spec of what mounts a claim, and a seed that is the
// same for all claims of one pod. A claim that nothing mounts fits anywhere.
func (w *work) mounter(claim *Entry) (*corev1.PodSpec, string, error) {
	var found *Entry
	var ordinal string
	for _, entry := range w.archive.Entries {
		if entry.Namespace != claim.Namespace || len(entry.Facts.Mounts) == 0 {
			continue
		}
		number, mounts := mountsClaim(entry, claim.Name)
		if mounts && (found == nil || found.Facts.Leave != nil) {
			found, ordinal = entry, number
		}
	}
	if found == nil {
		return &corev1.PodSpec{}, claim.key(), nil
	}
	body, err := w.archive.body(found)
	if err != nil {
		return nil, "", err
	}
	spec := &corev1.PodSpec{}
	raw := podSpec(found.Kind, child(body, "spec"))
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, spec); err != nil {
		return nil, "", fmt.Errorf("read the pods of %s: %w", found.Ref, err)
	}
	if found.Kind == "Pod" {
		spec.NodeName = "" // where it ran is not where it must run
	}
	return spec, found.key() + ordinal, nil
}

// mountsClaim says whether a workload mounts a claim; for a StatefulSet's own
// claims also the ordinal of the pod that does.
func mountsClaim(entry *Entry, claim string) (ordinal string, mounts bool) {
	for _, name := range entry.Facts.Mounts {
		if name == claim {
			return "", true
		}
		if rest, own := strings.CutPrefix(claim, name+entry.Name+"-"); own && strings.HasSuffix(name, "-") {
			return rest, true
		}
	}
	return "", false
}

// readNodes returns the nodes, and for each driver the nodes it runs on.
func (c *cluster) readNodes(ctx context.Context) ([]corev1.Node, map[string]map[string]bool, error) {
	var nodes []corev1.Node
	if err := listTyped(ctx, c, schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, &nodes); err != nil {
		return nil, nil, err
	}
	var csi []storagev1.CSINode
	if err := listTyped(ctx, c, schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "csinodes"}, &csi); err != nil {
		return nil, nil, err
	}
	drivers := map[string]map[string]bool{}
	for _, node := range csi {
		for _, driver := range node.Spec.Drivers {
			if drivers[driver.Name] == nil {
				drivers[driver.Name] = map[string]bool{}
			}
			drivers[driver.Name][cmp.Or(node.Name, driver.NodeID)] = true
		}
	}
	return nodes, drivers, nil
}

func listTyped[T any](ctx context.Context, c *cluster, gvr schema.GroupVersionResource, into *[]T) error {
	found, err := c.dynamic.Resource(gvr).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list %s: %w", gvr.Resource, err)
	}
	for _, item := range found.Items {
		var typed T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &typed); err != nil {
			return fmt.Errorf("read %s %s: %w", gvr.Resource, item.GetName(), err)
		}
		*into = append(*into, typed)
	}
	return nil
}
