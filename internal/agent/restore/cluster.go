package restore

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"holdfast.dev/holdfast/internal/agent/restore/pace"
)

// requestTimeout ends a request that hangs; the server's own limit is 60 s.
const requestTimeout = 65 * time.Second

// cluster is how the restore talks to the API server.
type cluster struct {
	dynamic   dynamic.Interface
	metadata  metadata.Interface
	discovery discovery.DiscoveryInterface
}

// newCluster gives the clients no fixed rate: the pace finds it.
func newCluster(config *rest.Config) (*cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.RateLimiter = -1, nil
	config.Timeout = requestTimeout
	config.WarningHandlerWithContext = heard{}
	config.Wrap(pace.New().Wrap)
	dynamicClient, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a metadata client: %w", err)
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	return &cluster{dynamic: dynamicClient, metadata: metadataClient, discovery: discoveryClient}, nil
}

func (c *cluster) at(ref Ref, resource string) dynamic.ResourceInterface {
	gvr := schema.GroupVersionResource{Group: ref.Group, Version: ref.Version, Resource: resource}
	if ref.Namespace == "" {
		return c.dynamic.Resource(gvr)
	}
	return c.dynamic.Resource(gvr).Namespace(ref.Namespace)
}

func (c *cluster) create(ctx context.Context, ref Ref, resource string, body map[string]any) (*unstructured.Unstructured, error) {
	made, err := c.at(ref, resource).Create(ctx, &unstructured.Unstructured{Object: body}, metav1.CreateOptions{FieldManager: creator})
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", ref, err)
	}
	return made, nil
}

func (c *cluster) get(ctx context.Context, ref Ref, resource string) (*unstructured.Unstructured, error) {
	found, err := c.at(ref, resource).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", ref, err)
	}
	return found, nil
}

// merge sends a JSON merge patch that holds only if the object is still the
// one with this resourceVersion; an empty one does not ask.
func (c *cluster) merge(ctx context.Context, ref Ref, resource, version string, patch map[string]any) (*unstructured.Unstructured, error) {
	body := &unstructured.Unstructured{Object: patch}
	if version != "" {
		body.SetResourceVersion(version)
	}
	encoded, err := encode(body.Object)
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", ref, err)
	}
	patched, err := c.at(ref, resource).Patch(ctx, ref.Name, types.MergePatchType, encoded, metav1.PatchOptions{FieldManager: changer})
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", ref, err)
	}
	return patched, nil
}

// remove deletes an object; one that is gone already is no error.
func (c *cluster) remove(ctx context.Context, ref Ref, resource string) error {
	err := c.at(ref, resource).Delete(ctx, ref.Name, metav1.DeleteOptions{})
	if err != nil && !isGone(err) {
		return fmt.Errorf("delete %s: %w", ref, err)
	}
	return nil
}

// heard collects the warnings that the server sends with an answer, by the
// context of the request.
type heard struct{}

type hearing struct {
	mu    sync.Mutex
	texts []string
}

type hearingKey struct{}

// listen returns a context whose requests' warnings are collected.
func listen(ctx context.Context) (context.Context, *hearing) {
	h := &hearing{}
	return context.WithValue(ctx, hearingKey{}, h), h
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (heard) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, message string) {
	h, ok := ctx.Value(hearingKey{}).(*hearing)
	if !ok || code != 299 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.texts = append(h.texts, message)
}
