package collect

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Sink takes the objects of an archive, keys strictly ascending in byte order.
type Sink interface {
	// Put adds one object; it may keep the bytes.
	Put(ctx context.Context, key string, object []byte) error
}

// Request says what to collect, from where and to where.
type Request struct {
	Client rest.Interface
	// Selection gives types, labels and whether all cluster-scoped objects are
	// meant; its namespaces have been resolved into Namespaces.
	Selection  agentv1.Selection
	Namespaces []string // as Namespaces returned them
	Existing   int      // how many namespaces the cluster has
	Sink       Sink
	// Progress, when set, is told now and then how far the work is.
	Progress func(objects, bytes int64)
}

// Kind is what an archive holds of one kind of objects.
type Kind struct {
	Resource
	Objects int64
	// Revisions are the resourceVersions the lists came from. More than one
	// means that the kind does not stand for one moment.
	Revisions []string
}

// Summary is what was collected, and in warnings what was not.
type Summary struct {
	Objects  int64
	Bytes    int64 // before compression
	Kinds    []Kind
	Warnings []agentv1.Warning
}

// Collect streams the selection into the sink. It fails when the API server
// cannot be reached or the sink refuses; what merely cannot be read is a warning.
func Collect(ctx context.Context, request Request) (Summary, error) {
	c, err := newCollector(request)
	if err != nil {
		return Summary{}, err
	}
	resources, warnings, err := discover(ctx, request.Client)
	if err != nil {
		return Summary{}, err
	}
	c.summary.Warnings = warnings
	if err := c.lookAhead(ctx, resources); err != nil {
		return Summary{}, err
	}
	if err := c.pass(ctx, c.namespaced(resources), c.takeNamespaced); err != nil {
		return Summary{}, err
	}
	if err := c.pass(ctx, c.wide(resources), c.takeWide); err != nil {
		return Summary{}, err
	}
	c.summary.Warnings = append(c.summary.Warnings, c.volumes.warnings()...)
	return c.summary, nil
}

// collector is the state of one collection; only one goroutine uses it.
type collector struct {
	Request
	types    TypeFilter
	labels   labels.Selector
	selected map[string]bool // namespaces
	services map[string]bool // "namespace/name" of services with a selector
	seen     map[string]bool // UIDs: an object may show up under two groups
	needs    *needs
	volumes  *podVolumes
	summary  Summary
}

func newCollector(request Request) (*collector, error) {
	selector, err := LabelSelector(request.Selection)
	if err != nil {
		return nil, err
	}
	c := &collector{
		Request:  request,
		types:    NewTypeFilter(request.Selection),
		labels:   selector,
		selected: map[string]bool{},
		services: map[string]bool{},
		seen:     map[string]bool{},
		needs:    newNeeds(),
		volumes:  newPodVolumes(),
	}
	for _, namespace := range request.Namespaces {
		c.selected[namespace] = true
	}
	return c, nil
}

// namespaced are the selected kinds of objects that live in namespaces.
func (c *collector) namespaced(resources []Resource) []Resource {
	if len(c.Namespaces) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(resources), func(r Resource) bool { return !r.Namespaced || !c.types.Match(r) })
}

// wide are the kinds of cluster-scoped objects to look through: all, or those
// that something may need.
func (c *collector) wide(resources []Resource) []Resource {
	return slices.DeleteFunc(slices.Clone(resources), func(r Resource) bool {
		asked := c.Selection.IncludeClusterScopeResources && c.types.Match(r)
		return r.Namespaced || c.types.Excludes(r) || !asked && !relatedKind(r) && !isNamespace(r)
	})
}

func isNamespace(r Resource) bool { return r.Group == "" && r.Kind == "Namespace" }

// takeNamespaced decides about one listed object of a namespace.
func (c *collector) takeNamespaced(r Resource, o object) (bool, error) {
	if !c.selected[o.meta.Metadata.Namespace] {
		return false, nil
	}
	if r.Group == "" && r.Kind == "Pod" && o.meta.Metadata.DeletionTimestamp == "" {
		if err := c.volumes.see(o); err != nil {
			return false, err
		}
	}
	if derived(o, c.hasSelector) {
		return false, nil
	}
	return true, c.needs.see(r, o)
}

// takeWide decides about one listed cluster-scoped object.
func (c *collector) takeWide(r Resource, o object) (bool, error) {
	m := o.meta.Metadata
	if isNamespace(r) {
		return c.selected[m.Name], nil
	}
	if derived(o, c.hasSelector) || ownDefinition(r, m.Name) {
		return false, nil
	}
	asked := c.Selection.IncludeClusterScopeResources && c.types.Match(r) && c.labels.Matches(labels.Set(m.Labels))
	return asked || c.needs.has(r, m.Name), nil
}

func (c *collector) hasSelector(namespace, name string) bool { return c.services[namespace+"/"+name] }

// put hands an object to the sink, unless it was there under another name.
func (c *collector) put(ctx context.Context, r Resource, o object) (bool, error) {
	m := o.meta.Metadata
	if c.seen[m.UID] {
		return false, nil
	}
	if m.UID != "" {
		c.seen[m.UID] = true
	}
	key := r.Key(m.Namespace, m.Name)
	if err := c.Sink.Put(ctx, key, o.raw); err != nil {
		return false, fmt.Errorf("archive %s: %w", key, err)
	}
	c.summary.Objects++
	c.summary.Bytes += int64(len(o.raw))
	return true, nil
}
