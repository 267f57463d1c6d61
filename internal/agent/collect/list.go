package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// Sizes of pages. The first page of a kind is small because nobody knows how
// large its objects are; later pages aim at a number of bytes.
const (
	firstPage  = 50
	maxPage    = 500
	minPage    = 5
	pageTarget = 4 << 20 // bytes
)

// Limits of patience.
const (
	pageTimeout  = 90 * time.Second // a little more than a server's own limit
	pageAttempts = 5
	maxRestarts  = 3
)

// lister lists the objects of one kind, page by page.
type lister struct {
	client   rest.Interface
	resource Resource
	selector string // label selector, empty for all
	// revisions are the resourceVersions the pages came from: one, unless the
	// server forgot it on the way or several namespaces were listed apart.
	revisions []string
	// last is the "namespace/name" handed out last, and floor what it was when a
	// list had to start over: nothing up to the floor is handed out again.
	last, floor string
}

// list hands out the objects of a namespace, or of all when it is empty. A 410
// in the middle goes on with the token that the server offers, or lists again
// and passes over what was handed out already.
func (l *lister) list(ctx context.Context, namespace string, emit func([]object) error) error {
	limit, token, restarts := firstPage, "", 0
	for {
		p, err := l.page(ctx, namespace, limit, token)
		if token != "" && gone(err) && restarts < maxRestarts {
			if token = continueToken(err); token == "" {
				l.floor = l.last
			}
			restarts++
			continue
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", l.resource, err)
		}
		if !slices.Contains(l.revisions, p.revision) {
			l.revisions = append(l.revisions, p.revision)
		}
		objects, err := l.fresh(p)
		if err != nil {
			return err
		}
		if err := emit(objects); err != nil {
			return err
		}
		if token = p.next; token == "" {
			return nil
		}
		limit = nextLimit(p)
	}
}

// fresh reads the objects of a page that were not handed out before.
func (l *lister) fresh(p page) ([]object, error) {
	objects := make([]object, 0, len(p.items))
	for _, raw := range p.items {
		o, err := newObject(l.resource, raw)
		if err != nil {
			return nil, err
		}
		at := o.meta.Metadata.Name
		if l.resource.Namespaced {
			at = o.meta.Metadata.Namespace + "/" + at
		}
		if l.floor == "" || at > l.floor {
			objects = append(objects, o)
			l.last = max(l.last, at)
		}
	}
	return objects, nil
}

// page reads one page, again when the server or the way to it stumbles.
func (l *lister) page(ctx context.Context, namespace string, limit int, token string) (page, error) {
	wait := 200 * time.Millisecond
	for attempt := 1; ; attempt++ {
		p, err := l.try(ctx, namespace, limit, token)
		if err == nil || attempt == pageAttempts || !passing(err) || ctx.Err() != nil {
			return p, err
		}
		select {
		case <-ctx.Done():
			return page{}, ctx.Err()
		case <-time.After(wait):
			wait *= 2
		}
	}
}

func (l *lister) try(ctx context.Context, namespace string, limit int, token string) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	request := l.client.Get().AbsPath(l.resource.path(namespace)).
		SetHeader("Accept", "application/json").
		Param("limit", strconv.Itoa(limit))
	if l.selector != "" {
		request.Param("labelSelector", l.selector)
	}
	if token != "" {
		request.Param("continue", token)
	}
	body, err := request.Stream(ctx)
	if err != nil {
		return page{}, err
	}
	defer body.Close()
	return readPage(body)
}

// nextLimit is how many objects make a page of pageTarget bytes.
func nextLimit(p page) int {
	if p.bytes == 0 {
		return maxPage
	}
	return min(max(len(p.items)*pageTarget/p.bytes, minPage), maxPage)
}

func gone(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}

// continueToken is the token with which a server that forgot a list's revision
// offers to go on at a newer one; empty when it offers none.
func continueToken(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Continue
	}
	return ""
}

// passing says whether the same request may succeed in a moment. What is no
// answer of the server at all is a broken connection.
func passing(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	return apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err)
}
