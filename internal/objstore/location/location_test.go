package location_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/test/azurite"
)

// lifecycle probes, creates, fills and empties a location.
func lifecycle(t *testing.T, l location.Location) {
	t.Helper()
	ctx := t.Context()
	probe := func(want location.State) {
		t.Helper()
		if got, err := location.Probe(ctx, l); err != nil || got != want {
			t.Fatalf("probe finds %+v, %v; want %+v", got, err, want)
		}
	}
	probe(location.State{Empty: true})
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

func TestURLsThatAreRefused(t *testing.T) {
	for _, url := range []string{"", "folder", "file://folder", "file:///a/../b", "ftp://h/c", "https://h", "https://h/",
		"https://h/a/b", "https://h/account/c/d", "https://h/c?sig=s3cret", "https://u:s3cret@h/c", "file:///a?b", "https://h/c#f", "://"} {
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
