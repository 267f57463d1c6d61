package restore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

const (
	listPage    = 500
	listWorkers = 8
	// beyond so many namespaces, one list over the whole cluster is cheaper
	// than one per namespace
	wideFrom = 10
)

// readKinds asks what the server serves. Groups whose own server does not
// answer are missing from it; their objects are then refused by name.
func (c *cluster) readKinds(ctx context.Context) (map[string]kind, error) {
	var lists []*metav1.APIResourceList
	err := retry(ctx, func() (err error) {
		_, lists, err = c.discovery.ServerGroupsAndResources()
		return err
	})
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("ask what the cluster serves: %w", err)
	}
	kinds := map[string]kind{}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, resource := range list.APIResources {
			if strings.Contains(resource.Name, "/") {
				continue // a sub-resource
			}
			name := version.Group + "/" + resource.Kind
			served := kinds[name]
			served.Resource, served.Namespaced = resource.Name, resource.Namespaced
			served.Versions = append(served.Versions, version.Version)
			kinds[name] = served
		}
	}
	return kinds, nil
}

// lookup is one list of objects: of a kind in a namespace, or in all.
type lookup struct {
	gvr       schema.GroupVersionResource
	ref       Ref // group, version and kind
	namespace string
}

// readLive finds which of the archive's objects exist. Only their metadata is
// read. What lies in a namespace that is leaving counts as gone.
func (w *work) readLive(ctx context.Context, leaving map[string]bool) (Live, error) {
	kinds, err := w.cluster.readKinds(ctx)
	if err != nil {
		return Live{}, err
	}
	live := Live{Kinds: kinds, Objects: map[string]Object{}}
	lookups, wanted := w.neededLookups(kinds)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listWorkers)
	for _, l := range lookups {
		group.Go(func() error {
			return w.cluster.look(ctx, l, func(meta *metav1.PartialObjectMetadata) {
				ref := l.ref
				ref.Namespace, ref.Name = meta.Namespace, meta.Name
				if !wanted[ref.key()] || leaving[ref.Namespace] || ref.Kind == "Namespace" && leaving[ref.Name] {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				live.Objects[ref.key()] = observed(meta.ObjectMeta, w.run.Since)
			})
		})
	}
	if err := group.Wait(); err != nil {
		return Live{}, err
	}
	return live, nil
}

// neededLookups returns the kinds and target namespaces to list, and the keys
// of the objects that matter.
func (w *work) neededLookups(kinds map[string]kind) (lookups []lookup, wanted map[string]bool) {
	places, wanted := map[lookup]map[string]bool{}, map[string]bool{}
	add := func(ref Ref, resource string) {
		wanted[ref.key()] = true
		l := lookup{
			gvr: schema.GroupVersionResource{Group: ref.Group, Version: ref.Version, Resource: resource},
			ref: Ref{Group: ref.Group, Version: ref.Version, Kind: ref.Kind},
		}
		if places[l] == nil {
			places[l] = map[string]bool{}
		}
		places[l][ref.Namespace] = true
	}
	for _, entry := range w.archive.Entries {
		served, ok := kinds[entry.Group+"/"+entry.Kind]
		if !ok || !served.serves(entry.Version) || entry.Facts.Leave != nil ||
			entry.Namespace != "" && !w.chosen.namespace(entry.Namespace) {
			continue
		}
		ref := targetOf(entry, w.rules.Namespace)
		add(ref, served.Resource)
		if ref.Namespace != "" { // its own object may not be in the archive
			add(Ref{Version: "v1", Kind: "Namespace", Name: ref.Namespace}, "namespaces")
		}
	}
	return spread(places), wanted
}

func spread(places map[lookup]map[string]bool) []lookup {
	var lookups []lookup
	for l, namespaces := range places {
		if len(namespaces) > wideFrom {
			lookups = append(lookups, l)
			continue
		}
		for l.namespace = range namespaces {
			lookups = append(lookups, l)
		}
	}
	return lookups
}

// look lists page by page, and starts again when the pages have expired.
func (c *cluster) look(ctx context.Context, l lookup, each func(*metav1.PartialObjectMetadata)) error {
	options := metav1.ListOptions{Limit: listPage}
	for {
		var page *metav1.PartialObjectMetadataList
		err := retry(ctx, func() (err error) {
			page, err = c.metadata.Resource(l.gvr).Namespace(l.namespace).List(ctx, options)
			return err
		})
		switch {
		case isGone(err):
			return nil
		case apierrors.IsResourceExpired(err) && options.Continue != "":
			options.Continue = ""
			continue
		}
		if err != nil {
			return fmt.Errorf("list %s in %q: %w", l.ref.Resource(), l.namespace, err)
		}
		for i := range page.Items {
			each(&page.Items[i])
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}

// observed reads from managedFields what this very restore did to an object
// before it was interrupted. since is when it began, by the server's own
// clock: an earlier restore's traces are older.
func observed(meta metav1.ObjectMeta, since time.Time) Object {
	object := Object{UID: string(meta.UID)}
	since = since.Truncate(time.Second) // the server counts in seconds
	for _, fields := range meta.ManagedFields {
		switch {
		case fields.Manager == creator && !meta.CreationTimestamp.Time.Before(since):
			object.Made = true
		case fields.Manager == changer && fields.Time != nil && !fields.Time.Time.Before(since):
			object.Changed = true
		}
	}
	return object
}

// metaOf is the part of an object's metadata that observed reads.
func metaOf(object *unstructured.Unstructured) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		UID: object.GetUID(), CreationTimestamp: object.GetCreationTimestamp(), ManagedFields: object.GetManagedFields(),
	}
}
