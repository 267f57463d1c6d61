// Package gcs keeps a bucket in Google Cloud Storage, over its JSON API. Its
// six requests are made with net/http; docs/adr has the reasons.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// google is the address of the service.
const google = "https://storage.googleapis.com"

// Options name a bucket and how to sign in.
type Options struct {
	Bucket string
	// Endpoint is the address of another server, such as an emulator's; empty
	// means Google's.
	Endpoint string
	// Key is the JSON key of a service account; empty means no signing in,
	// which only an emulator takes.
	Key string
	// PageSize is the number of objects asked for in one page of a listing;
	// 0 leaves it to the server.
	PageSize int
	Clock    clock.Clock // dates tokens; nil means the machine's
}

// Store is a bucket of Cloud Storage. It is safe for concurrent use.
type Store struct {
	client   *http.Client
	endpoint string
	bucket   string
	pageSize int
	signer   *signer // nil without signing in
}

// New returns a store; the bucket is not contacted.
func New(o Options) (*Store, error) {
	if o.Bucket == "" {
		return nil, errors.New("a Cloud Storage store needs a bucket")
	}
	s := &Store{client: overhttp.Client(), endpoint: strings.TrimSuffix(o.Endpoint, "/"), bucket: o.Bucket, pageSize: o.PageSize}
	if s.endpoint == "" {
		s.endpoint = google
	}
	if o.Key == "" {
		if o.Endpoint == "" {
			return nil, errors.New("a Cloud Storage store needs the key of a service account")
		}
		return s, nil
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	var err error
	s.signer, err = newSigner(o.Key, o.Clock)
	return s, err
}

// Exists makes sure that the bucket is there: objstore.ErrNoBucket when not.
// It asks with the right to list objects, which we need anyway.
func (s *Store) Exists(ctx context.Context) error {
	var page listing
	err := s.read(ctx, "look for bucket "+s.bucket, s.objects("/o", url.Values{"maxResults": {"1"}, "fields": {"kind"}}), &page)
	if errors.Is(err, objstore.ErrNotFound) {
		return fmt.Errorf("%w: %s", objstore.ErrNoBucket, s.bucket)
	}
	return err
}

// absent asks for the bucket when an object is not found: the answer does not
// say which of the two is missing.
func (s *Store) absent(ctx context.Context, err error) error {
	if !errors.Is(err, objstore.ErrNotFound) {
		return err
	}
	if lost := s.Exists(ctx); lost != nil {
		return lost
	}
	return err
}

// Put writes a new object in one request; see objstore.Store.
func (s *Store) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	doing, body := "write object "+name, overhttp.NewBody(r, size)
	content := io.NopCloser(body)
	if size == 0 {
		if err := body.Empty(); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		content = http.NoBody // any other would be sent as of unknown length
	}
	// A generation of 0 means: only when there is none.
	at := s.endpoint + "/upload" + s.path("/o") + "?" + url.Values{"uploadType": {"media"}, "name": {name}, "ifGenerationMatch": {"0"}, "fields": {"size"}}.Encode()
	answer, err := s.send(ctx, doing, http.MethodPost, at, func(request *http.Request) { //nolint:bodyclose // stored does
		request.Body, request.ContentLength = content, size
		request.Header.Set("Content-Type", "application/octet-stream")
	})
	if err != nil && body.Err() != nil {
		return fmt.Errorf("%s: %w", doing, body.Err())
	}
	if errors.Is(err, objstore.ErrNotFound) {
		return fmt.Errorf("%s: %w: %s", doing, objstore.ErrNoBucket, s.bucket)
	}
	if err != nil {
		return err
	}
	return stored(answer, doing, size)
}

// stored checks what the server says it has.
func stored(answer *http.Response, doing string, size int64) error {
	var object object
	if err := decode(answer, doing, &object); err != nil {
		return err
	}
	if object.Size != strconv.FormatInt(size, 10) {
		return fmt.Errorf("%s: %w: the server stored %q bytes of %d", doing, objstore.ErrUnavailable, object.Size, size)
	}
	return nil
}

// Get reads a range of an object; see objstore.Store.
func (s *Store) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := objstore.CheckName(name); err != nil {
		return nil, err
	}
	return overhttp.Get(ctx, s, name, offset, length)
}

// Fetch reads a range as HTTP has it; see overhttp.Objects.
func (s *Store) Fetch(ctx context.Context, name string, offset, length int64) (overhttp.Answer, error) {
	answer, err := s.send(ctx, "read object "+name, http.MethodGet, s.object(name)+"?alt=media", func(request *http.Request) { //nolint:bodyclose // the caller does
		if header := overhttp.Header(offset, length); header != "" {
			request.Header.Set("Range", header)
		}
	})
	if err != nil {
		return overhttp.Answer{}, s.absent(ctx, err)
	}
	return overhttp.Answer{Body: answer.Body, Size: answer.ContentLength, Range: answer.Header.Get("Content-Range")}, nil
}

// Stat describes an object; see objstore.Store.
func (s *Store) Stat(ctx context.Context, name string) (objstore.Info, error) {
	if err := objstore.CheckName(name); err != nil {
		return objstore.Info{}, err
	}
	var o object
	doing := "stat object " + name
	if err := s.read(ctx, doing, s.object(name)+"?fields=name,size", &o); err != nil {
		return objstore.Info{}, s.absent(ctx, err)
	}
	return o.info(doing)
}

// Delete removes an object; see objstore.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	answer, err := s.send(ctx, "delete object "+name, http.MethodDelete, s.object(name), nil)
	if err == nil {
		answer.Body.Close()
		return nil
	}
	if err = s.absent(ctx, err); errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	return err
}

// List yields objects page by page; see objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return overhttp.List(prefix, func(token string) (overhttp.Page, error) { return s.page(ctx, prefix, token) })
}

func (s *Store) page(ctx context.Context, prefix, token string) (overhttp.Page, error) {
	query := url.Values{"prefix": {prefix}, "fields": {"kind,nextPageToken,items(name,size)"}}
	if token != "" {
		query.Set("pageToken", token)
	}
	if s.pageSize > 0 {
		query.Set("maxResults", strconv.Itoa(s.pageSize))
	}
	var l listing
	doing := fmt.Sprintf("list %q", prefix)
	err := s.read(ctx, doing, s.objects("/o", query), &l)
	if errors.Is(err, objstore.ErrNotFound) {
		err = fmt.Errorf("%s: %w: %s", doing, objstore.ErrNoBucket, s.bucket)
	}
	if err != nil {
		return overhttp.Page{}, err
	}
	if l.Kind != "storage#objects" {
		return overhttp.Page{}, fmt.Errorf("%s: %w: the answer is no listing", doing, objstore.ErrUnavailable)
	}
	page := overhttp.Page{More: l.Next != "", Next: l.Next}
	for _, o := range l.Items {
		info, err := o.info(doing)
		if err != nil {
			return overhttp.Page{}, err
		}
		page.Objects = append(page.Objects, info)
	}
	return page, nil
}
