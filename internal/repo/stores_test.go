package repo_test

import (
	"errors"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/test/azurite"
	"holdfast.dev/holdfast/test/gcs"
	"holdfast.dev/holdfast/test/s3"
)

// TestOnRealStores backs up into every kind of store, each holding two
// repositories.
func TestOnRealStores(t *testing.T) {
	server, s3Server, gcsServer := azurite.Start(t), s3.Start(t), gcs.Start(t)
	s3Bucket, err := s3Server.Bucket("backups")
	if err != nil {
		t.Fatal(err)
	}
	gcsBucket, err := gcsServer.Bucket("backups")
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]location.Location{
		"folder":    {URL: "file://" + t.TempDir()},
		"container": {URL: server.Container("repositories"), Account: azurite.Account, Key: azurite.Key},
		"S3":        {URL: s3Bucket, Account: s3.AccessKey, Key: s3.SecretKey},
		"GCS":       {URL: gcsBucket},
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
