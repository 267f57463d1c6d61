package gcs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/gcs"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	server "holdfast.dev/holdfast/test/gcs"
)

var buckets atomic.Int64

// newBucket makes a bucket on a server of its own.
func newBucket(t *testing.T, at *server.Server, pageSize int) *gcs.Store {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", buckets.Add(1))
	if _, err := at.Bucket(name); err != nil {
		t.Fatal(err)
	}
	return open(t, gcs.Options{Bucket: name, Endpoint: at.URL, PageSize: pageSize})
}

func open(t *testing.T, o gcs.Options) *gcs.Store {
	t.Helper()
	s, err := gcs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAgainstAServer(t *testing.T) {
	at := server.Start(t)
	for _, size := range []int{0, 1, 2} {
		t.Run(fmt.Sprintf("page size %d", size), func(t *testing.T) {
			objstoretest.Run(t, func(t *testing.T) objstore.Store { return newBucket(t, at, size) })
		})
	}
	t.Run("a bucket that exists", func(t *testing.T) {
		if err := newBucket(t, at, 0).Exists(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("missing bucket", func(t *testing.T) {
		requireAll(t, open(t, gcs.Options{Bucket: "missing", Endpoint: at.URL}), objstore.ErrNoBucket)
	})
}

// requireAll makes every call fail with the same kind of error.
func requireAll(t *testing.T, s *gcs.Store, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, getErr := s.Get(ctx, "a", 0, -1)
	_, rangeErr := s.Get(ctx, "a", 1, 2)
	_, statErr := s.Stat(ctx, "a")
	listErr := errors.New("listing ended well")
	for _, err := range s.List(ctx, "") {
		listErr = err
	}
	for call, err := range map[string]error{"put": s.Put(ctx, "a", strings.NewReader("x"), 1), "put nothing": s.Put(ctx, "a", strings.NewReader(""), 0),
		"get": getErr, "get range": rangeErr, "list": listErr, "stat": statErr, "delete": s.Delete(ctx, "a"), "exists": s.Exists(ctx)} {
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", call, err, want)
		}
	}
}

// answering opens a store on a server that always answers the same.
func answering(t *testing.T, answer http.HandlerFunc) *gcs.Store {
	t.Helper()
	at := httptest.NewServer(answer)
	t.Cleanup(at.Close)
	return open(t, gcs.Options{Bucket: "b", Endpoint: at.URL})
}

func TestServerFaults(t *testing.T) {
	for _, c := range []struct {
		status int
		reason string
		want   error
	}{
		{429, "rateLimitExceeded", objstore.ErrUnavailable}, {429, "", objstore.ErrUnavailable}, {500, "backendError", objstore.ErrUnavailable},
		{503, "", objstore.ErrUnavailable}, {408, "", objstore.ErrUnavailable}, {403, "userRateLimitExceeded", objstore.ErrUnavailable},
		{403, "forbidden", objstore.ErrForbidden}, {403, "", objstore.ErrForbidden}, {401, "authError", objstore.ErrForbidden},
	} {
		t.Run(fmt.Sprint(c.status, c.reason), func(t *testing.T) {
			var calls atomic.Int32
			requireAll(t, answering(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.WriteHeader(c.status)
				if c.reason != "" {
					fmt.Fprintf(w, `{"error":{"code":%d,"errors":[{"reason":%q}]}}`, c.status, c.reason)
				}
			}), c.want)
			if calls.Load() != 8 {
				t.Errorf("%d requests for 8 calls: something retries", calls.Load())
			}
		})
	}
}

func TestAPutHasItsCondition(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("ifGenerationMatch") != "0" || r.ContentLength != 3 {
			t.Errorf("%s with %d bytes", r.URL, r.ContentLength)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(412)
	})
	if err := s.Put(t.Context(), "a", strings.NewReader("abc"), 3); !errors.Is(err, objstore.ErrExists) {
		t.Error(err)
	}
}

// TestHalfAListingIsAnError has answers that a careless client takes for an
// empty or a shorter listing.
func TestHalfAListingIsAnError(t *testing.T) {
	const head = `{"kind":"storage#objects"`
	for name, body := range map[string]string{
		"empty":          "",
		"nothing said":   "{}",
		"not JSON":       "<html>",
		"cut":            head + `,"items":[{"name":"a","size":"1"}`,
		"the same again": head + `,"nextPageToken":"t","items":[{"name":"a","size":"1"}]}`,
		"out of order":   head + `,"items":[{"name":"b","size":"1"},{"name":"a","size":"1"}]}`,
		"no size":        head + `,"items":[{"name":"b"}]}`,
	} {
		s := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		var last error
		for _, last = range s.List(t.Context(), "") {
		}
		if last == nil {
			t.Errorf("%s: the listing ended well", name)
		}
	}
}

func TestHalfABodyIsAnError(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("half"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	body, err := s.Get(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); !errors.Is(err, objstore.ErrUnavailable) || string(got) != "half" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestAnAnswerOfAnotherSizeIsNotBelieved(t *testing.T) {
	for _, body := range []string{`{"size":"2"}`, `{}`, ``} {
		s := answering(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, body)
		})
		if err := s.Put(t.Context(), "a", strings.NewReader("abc"), 3); !errors.Is(err, objstore.ErrUnavailable) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestUnreachableServer(t *testing.T) {
	at := httptest.NewServer(http.NotFoundHandler())
	at.Close()
	requireAll(t, open(t, gcs.Options{Bucket: "b", Endpoint: at.URL}), objstore.ErrUnavailable)
}
