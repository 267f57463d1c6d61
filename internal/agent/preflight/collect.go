package preflight

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// page is how many objects one list request asks for.
const page = 500

var (
	definitions     = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	snapshotClasses = schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"}
)

// Collect reads the facts from a cluster; it changes nothing.
func Collect(ctx context.Context, typed kubernetes.Interface, dyn dynamic.Interface) (Facts, error) {
	var facts Facts
	info, err := typed.Discovery().ServerVersion()
	if err != nil {
		return facts, fmt.Errorf("ask for the Kubernetes version: %w", err)
	}
	facts.Version, facts.Major, facts.Minor = info.GitVersion, number(info.Major), number(info.Minor)
	if facts.Nodes, err = collectNodes(ctx, typed); err != nil {
		return facts, err
	}
	if facts.Deployments, err = collectDeployments(ctx, typed); err != nil {
		return facts, err
	}
	err = each(ctx, dyn, definitions, func(object unstructured.Unstructured) {
		facts.Definitions = append(facts.Definitions, object.GetName())
	})
	if err != nil {
		return facts, err
	}
	err = each(ctx, dyn, snapshotClasses, func(object unstructured.Unstructured) {
		driver, _, _ := unstructured.NestedString(object.Object, "driver")
		facts.SnapshotDrivers = append(facts.SnapshotDrivers, driver)
	})
	return facts, err
}

// number reads the leading digits of a version part such as "30+".
func number(part string) int {
	n, _ := strconv.Atoi(strings.TrimRight(part, "+"))
	return n
}

func collectNodes(ctx context.Context, typed kubernetes.Interface) ([]Node, error) {
	list, err := typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	var nodes []Node
	for i := range list.Items {
		nodes = append(nodes, nodeFacts(&list.Items[i]))
	}
	return nodes, nil
}

func nodeFacts(node *corev1.Node) Node {
	facts := Node{
		Name: node.Name, OS: node.Status.NodeInfo.OperatingSystem, Architecture: node.Status.NodeInfo.Architecture,
		Schedulable: !node.Spec.Unschedulable,
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			facts.Ready = condition.Status == corev1.ConditionTrue
		}
	}
	for _, taint := range node.Spec.Taints {
		if taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute {
			facts.Taints = append(facts.Taints, taint.Key)
		}
	}
	return facts
}

func collectDeployments(ctx context.Context, typed kubernetes.Interface) ([]Deployment, error) {
	var found []Deployment
	options := metav1.ListOptions{Limit: page}
	for {
		list, err := typed.AppsV1().Deployments("").List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("list deployments: %w", err)
		}
		for i := range list.Items {
			d := &list.Items[i]
			facts := Deployment{Namespace: d.Namespace, Name: d.Name}
			for _, container := range d.Spec.Template.Spec.Containers {
				facts.Images = append(facts.Images, container.Image)
			}
			found = append(found, facts)
		}
		if options.Continue = list.Continue; options.Continue == "" {
			return found, nil
		}
	}
}

// each calls f for every object of a kind; a kind the cluster does not have
// has no objects.
func each(ctx context.Context, dyn dynamic.Interface, kind schema.GroupVersionResource, f func(unstructured.Unstructured)) error {
	options := metav1.ListOptions{Limit: page}
	for {
		list, err := dyn.Resource(kind).List(ctx, options)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", kind.Resource, err)
		}
		for _, object := range list.Items {
			f(object)
		}
		if options.Continue = list.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}
