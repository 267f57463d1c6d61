package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// window is how many kinds are listed at the same time. Each holds at most
// three pages in memory.
const window = 4

// take decides whether an object belongs to the archive.
type take func(Resource, object) (bool, error)

// stream is the listing of one kind, page by page.
type stream struct {
	lister *lister
	pages  chan []object // closed at the end
	err    error         // valid once pages is closed
}

// pass lists kinds, some at a time and ahead of the archive, and writes them in
// their order, so that keys ascend.
func (c *collector) pass(ctx context.Context, resources []Resource, wanted take) error {
	ctx, cancel := context.WithCancel(ctx)
	var listing sync.WaitGroup
	defer listing.Wait()
	defer cancel()
	streams := make([]*stream, len(resources))
	for i, r := range resources {
		streams[i] = &stream{lister: c.lister(r), pages: make(chan []object, 1)}
	}
	listing.Go(func() { c.start(ctx, streams, &listing) })
	for _, s := range streams {
		if err := c.drain(ctx, s, wanted); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) lister(r Resource) *lister {
	l := &lister{client: c.Client, resource: r}
	if r.Namespaced { // cluster-scoped objects may be needed whatever their labels
		l.selector = c.labels.String()
	}
	return l
}

// start begins the listings in order, at most window at a time.
func (c *collector) start(ctx context.Context, streams []*stream, listing *sync.WaitGroup) {
	slots := make(chan struct{}, window)
	for _, s := range streams {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			s.err = ctx.Err()
			close(s.pages)
			continue
		}
		listing.Go(func() {
			defer func() { <-slots }()
			defer close(s.pages)
			s.err = c.fill(ctx, s)
		})
	}
}

func (c *collector) fill(ctx context.Context, s *stream) error {
	for _, namespace := range c.scopes(s.lister.resource) {
		err := s.lister.list(ctx, namespace, func(objects []object) error {
			select {
			case s.pages <- objects:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// drain writes the wanted objects of one kind.
func (c *collector) drain(ctx context.Context, s *stream, wanted take) error {
	r := s.lister.resource
	kind := Kind{Resource: r}
	for objects := range s.pages {
		for _, o := range objects {
			taken, err := wanted(r, o)
			if err == nil && taken {
				taken, err = c.put(ctx, r, o)
			}
			if err != nil {
				return err
			}
			if taken {
				kind.Objects++
			}
		}
		if c.Progress != nil {
			c.Progress(c.summary.Objects, c.summary.Bytes)
		}
	}
	if s.err != nil {
		warnings, err := unread(ctx, r, s.err)
		if err != nil {
			return err
		}
		for _, w := range warnings {
			if !slices.ContainsFunc(c.summary.Warnings, func(told agentv1.Warning) bool { return told.Resource == w.Resource }) {
				c.summary.Warnings = append(c.summary.Warnings, w)
			}
		}
	}
	if kind.Revisions = s.lister.revisions; kind.Objects > 0 {
		c.summary.Kinds = append(c.summary.Kinds, kind)
	}
	return nil
}

// unread turns the failure to list a kind into a warning, or returns it when
// nothing can be read at all. A kind that vanished since discovery may have had
// objects, and may have them still, in a version that was not asked for.
func unread(ctx context.Context, r Resource, err error) ([]agentv1.Warning, error) {
	var status apierrors.APIStatus
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("list %s: %w", r, ctx.Err())
	case !errors.As(err, &status), apierrors.IsUnauthorized(err):
		return nil, err
	case apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err):
		return []agentv1.Warning{warning(r.String(), CodeGeneric,
			"Objects of kind %s were not, or not completely, backed up: the cluster stopped serving them in version %s meanwhile.", r, r.Version)}, nil
	case apierrors.IsForbidden(err):
		return []agentv1.Warning{warning(r.String(), CodeForbidden,
			"Objects of kind %s were not backed up: listing them is forbidden.", r)}, nil
	}
	return []agentv1.Warning{warning(r.String(), CodeGeneric,
		"Objects of kind %s were not, or not completely, backed up: %v", r, err)}, nil
}
