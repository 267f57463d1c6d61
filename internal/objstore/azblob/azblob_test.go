package azblob_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/azblob"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/test/azurite"
)

var containers atomic.Int64

// newContainer makes a container on a real server.
func newContainer(t *testing.T, server *azurite.Server, pageSize int32) *azblob.Store {
	t.Helper()
	s := open(t, server.Container(fmt.Sprintf("bucket-%d", containers.Add(1))), azurite.Key, pageSize)
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, url, key string, pageSize int32) *azblob.Store {
	t.Helper()
	s, err := azblob.New(azblob.Options{URL: url, Account: azurite.Account, Key: key, PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAgainstAzurite(t *testing.T) {
	server := azurite.Start(t)
	for _, size := range []int32{0, 1, 2} {
		t.Run(fmt.Sprintf("page size %d", size), func(t *testing.T) {
			objstoretest.Run(t, func(t *testing.T) objstore.Store { return newContainer(t, server, size) })
		})
	}
	t.Run("create twice", func(t *testing.T) {
		s := open(t, server.Container("twice"), azurite.Key, 0)
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Create(t.Context()); !errors.Is(err, objstore.ErrExists) {
			t.Errorf("second create: %v", err)
		}
	})
	t.Run("missing container", func(t *testing.T) {
		requireAll(t, open(t, server.Container("missing"), azurite.Key, 0), objstore.ErrNoBucket)
	})
	t.Run("wrong key", func(t *testing.T) {
		requireAll(t, open(t, server.Container("twice"), "d3Jvbmc=", 0), objstore.ErrForbidden)
	})
}

// requireAll makes every call fail with the same kind of error.
func requireAll(t *testing.T, s *azblob.Store, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, getErr := s.Get(ctx, "a", 0, -1)
	_, rangeErr := s.Get(ctx, "a", 1, 2)
	listErr := errors.New("listing ended well")
	for _, err := range s.List(ctx, "") {
		listErr = err
	}
	for call, err := range map[string]error{"put": s.Put(ctx, "a", strings.NewReader("x"), 1),
		"get": getErr, "get range": rangeErr, "list": listErr} {
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", call, err, want)
		}
		if err != nil && strings.Contains(err.Error(), azurite.Key) {
			t.Errorf("%s tells the key", call)
		}
	}
}

func TestServerFaults(t *testing.T) {
	for _, c := range []struct {
		status int
		want   error
	}{{429, objstore.ErrUnavailable}, {500, objstore.ErrUnavailable}, {503, objstore.ErrUnavailable}, {408, objstore.ErrUnavailable},
		{403, objstore.ErrForbidden}, {401, objstore.ErrForbidden}} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			var calls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.WriteHeader(c.status)
			}))
			defer server.Close()
			requireAll(t, open(t, server.URL+"/devstoreaccount1/c", azurite.Key, 0), c.want)
			if calls.Load() != 4 {
				t.Errorf("%d requests for 4 calls: something retries", calls.Load())
			}
		})
	}
}

func TestHalfABodyIsAnError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("half"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	s := open(t, server.URL+"/devstoreaccount1/c", azurite.Key, 0)
	body, err := s.Get(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var got strings.Builder
	buf := make([]byte, 3)
	for err == nil {
		var n int
		n, err = body.Read(buf)
		got.Write(buf[:n])
	}
	if !errors.Is(err, objstore.ErrUnavailable) || got.String() != "half" {
		t.Errorf("read %q, %v", got.String(), err)
	}
}

func TestUnreachableServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	requireAll(t, open(t, server.URL+"/devstoreaccount1/c", azurite.Key, 0), objstore.ErrUnavailable)
}

func TestBadOptionsDoNotTellSecrets(t *testing.T) {
	for _, o := range []azblob.Options{
		{URL: "https://h/c?sig=s3cret", Account: "a", Key: "d3Jvbmc="},
		{URL: "https://u:s3cret@h/c", Account: "a", Key: "d3Jvbmc="},
		{URL: "https://h/c", Account: "a", Key: "s3cret%"},
		{URL: "c", Account: "a", Key: "d3Jvbmc="},
	} {
		_, err := azblob.New(o)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", o.URL, err)
		}
	}
}
