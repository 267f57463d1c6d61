package location_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/test/azurite"
	"holdfast.dev/holdfast/test/gcs"
	"holdfast.dev/holdfast/test/s3"
)

// lifecycle probes, creates, fills and empties a location.
func lifecycle(t *testing.T, l location.Location) {
	t.Helper()
	ctx := t.Context()
	if got, err := location.Probe(ctx, l); err != nil || got != (location.State{Empty: true}) {
		t.Fatalf("probe finds %+v, %v", got, err)
	}
	created(t, l)
}

// created creates, fills and empties a location.
func created(t *testing.T, l location.Location) {
	t.Helper()
	ctx := t.Context()
	probe := func(want location.State) {
		t.Helper()
		if got, err := location.Probe(ctx, l); err != nil || got != want {
			t.Fatalf("probe finds %+v, %v; want %+v", got, err, want)
		}
	}
	for range 2 {
		if err := location.Create(ctx, l); err != nil {
			t.Fatal(err)
		}
	}
	probe(location.State{Exists: true, Empty: true})
	s, err := location.Open(ctx, l)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(ctx, "a", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	probe(location.State{Exists: true})
	if err := s.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	probe(location.State{Exists: true, Empty: true})
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "some", "folder")
	lifecycle(t, location.Location{URL: "file://" + dir})
	if _, err := location.Open(t.Context(), location.Location{URL: "file://" + dir + "/absent"}); !errors.Is(err, objstore.ErrNoBucket) {
		t.Errorf("open of an absent folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := location.Open(t.Context(), location.Location{URL: "file://" + dir + "/plain"}); err == nil {
		t.Error("a file was opened as a folder")
	}
}

func TestContainer(t *testing.T) {
	server := azurite.Start(t)
	l := location.Location{URL: server.Container("backups"), Account: azurite.Account, Key: azurite.Key}
	lifecycle(t, l)
	l.Key = "d3Jvbmc="
	if _, err := location.Probe(t.Context(), l); !errors.Is(err, objstore.ErrForbidden) {
		t.Errorf("probe with a wrong key: %v", err)
	}
}

func TestS3(t *testing.T) {
	server := s3.Start(t)
	missing := location.Location{URL: "s3://missing?endpoint=" + server.URL + "&region=" + s3.Region, Account: s3.AccessKey, Key: s3.SecretKey}
	if state, err := location.Probe(t.Context(), missing); err != nil || state.Exists {
		t.Errorf("probe of a missing bucket: %+v, %v", state, err)
	}
	if err := location.Create(t.Context(), missing); !errors.Is(err, objstore.ErrNoBucket) {
		t.Errorf("create of a missing bucket: %v", err)
	}
	bucket, err := server.Bucket("backups")
	if err != nil {
		t.Fatal(err)
	}
	l := location.Location{URL: bucket, Account: s3.AccessKey, Key: s3.SecretKey}
	parts(t, l)
	l.Key = "wrong"
	if _, err := location.Probe(t.Context(), l); !errors.Is(err, objstore.ErrForbidden) {
		t.Errorf("probe with a wrong key: %v", err)
	}
}

func TestCloudStorage(t *testing.T) {
	server := gcs.Start(t)
	missing := location.Location{URL: "gs://missing?endpoint=" + server.URL}
	if state, err := location.Probe(t.Context(), missing); err != nil || state.Exists {
		t.Errorf("probe of a missing bucket: %+v, %v", state, err)
	}
	if err := location.Create(t.Context(), missing); !errors.Is(err, objstore.ErrNoBucket) {
		t.Errorf("create of a missing bucket: %v", err)
	}
	bucket, err := server.Bucket("backups")
	if err != nil {
		t.Fatal(err)
	}
	parts(t, location.Location{URL: bucket})
}

// parts takes two parts of one bucket through their lives.
func parts(t *testing.T, l location.Location) {
	t.Helper()
	bucket, query, _ := strings.Cut(l.URL, "?")
	for _, part := range []string{"/team/prod", "/team/prod-2", ""} {
		l.URL = bucket + part + "?" + query
		if part != "" {
			created(t, l)
			s, err := location.Open(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Put(t.Context(), "repositories/x", strings.NewReader(part), int64(len(part))); err != nil {
				t.Fatal(err)
			}
			continue
		}
		s, err := location.Open(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		if names := objstoretest.Names(t, s, ""); !slices.Equal(names, []string{"team/prod-2/repositories/x", "team/prod/repositories/x"}) {
			t.Errorf("the bucket holds %q", names)
		}
	}
}

func TestAnUnsafeStoreIsNotCreated(t *testing.T) {
	objects := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			objects[r.URL.Path] = true // whatever If-None-Match says
		}
	}))
	defer server.Close()
	err := location.Create(t.Context(), location.Location{URL: "s3://b?endpoint=" + server.URL, Account: "a", Key: "k"})
	if !errors.Is(err, objstore.ErrUnsafe) || !strings.Contains(err.Error(), "If-None-Match") || len(objects) != 1 {
		t.Error(err)
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for _, url := range []string{"", "folder", "file://folder", "file:///a/../b", "ftp://h/c", "https://h", "https://h/",
		"https://h/a/b", "https://h/account/c/d", "https://h/c?sig=s3cret", "https://u:s3cret@h/c", "file:///a?b", "https://h/c#f", "://",
		"s3://", "s3:///prefix", "s3://b?key=s3cret", "s3://u:s3cret@b", "s3://b:80/", "s3://b/a/../c", "s3://b/.a", "s3://b?endpoint=host",
		"s3://b?endpoint=https://u:s3cret@h", "s3://b?endpoint=https://h/path", "s3://b?endpoint=ftp://h", "s3://b#f", "s3:b", "s3://b?%zz",
		"gs://", "gs://b?region=r", "gs://b?endpoint=https://h?s3cret", "gs://b"} {
		l := location.Location{URL: url, Account: "account", Key: "c2VjcmV0"}
		if _, err := location.Open(t.Context(), l); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestLocationDoesNotPrintItsKey(t *testing.T) {
	l := location.Location{URL: "https://h/c", Account: "a", Key: "s3cret"}
	for _, text := range []string{fmt.Sprint(l), fmt.Sprintf("%v %+v %#v %s", l, l, l, l)} {
		if strings.Contains(text, "s3cret") {
			t.Error(text)
		}
	}
}

// FuzzURL takes any text for the URL of a bucket: what is understood is a
// bucket and a part of it, and what is not is not quoted.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{"s3://b/p?endpoint=https://h&region=r", "gs://b?endpoint=http://h:1", "s3://b/../c", "https://a.host/c", "s3://b?x=s3cret"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if strings.HasPrefix(strings.ToLower(url), "file") {
			return // opens what it names
		}
		store, err := location.Open(t.Context(), location.Location{URL: url, Account: "a", Key: "a2V5"})
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := store.Stat(ctx, "../x"); !errors.Is(err, objstore.ErrName) {
			t.Errorf("%q: %v", url, err)
		}
	})
}
