package repo_test

import (
	"errors"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/test/azurite"
)

// TestOnRealStores backs up into a folder and into a container, each holding
// two repositories.
func TestOnRealStores(t *testing.T) {
	server := azurite.Start(t)
	for name, l := range map[string]location.Location{
		"folder":    {URL: "file://" + t.TempDir()},
		"container": {URL: server.Container("repositories"), Account: azurite.Account, Key: azurite.Key},
	} {
		t.Run(name, func(t *testing.T) {
			if err := location.Create(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			bucket, err := location.Open(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			for _, prefix := range []string{"instances/one/", "instances/two/"} {
				requireWhole(t, objstore.Sub(bucket, prefix))
			}
		})
	}
}

func requireWhole(t *testing.T, store objstore.Store) {
	t.Helper()
	if _, err := repo.Open(t.Context(), store, testKey); !errors.Is(err, repo.ErrNoRepository) {
		t.Fatalf("before: %v", err)
	}
	content := records(500, 300)
	r := open(t, store)
	if err := wholeBackup(t.Context(), store, point(1), content); err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteManifest(t.Context(), point(1)); err != nil {
		t.Fatal(err)
	}
	for info, err := range r.Manifests(t.Context()) {
		t.Fatalf("still there: %+v, %v", info, err)
	}
}
