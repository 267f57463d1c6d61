package buckets

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/provider"
	"holdfast.dev/holdfast/test/gcs"
	"holdfast.dev/holdfast/test/s3"
)

func sealer(t *testing.T) *keys.Sealer {
	t.Helper()
	kek, err := keys.OpenFile(filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	return keys.NewSealer(kek)
}

func TestKeyIsOpened(t *testing.T) {
	b := Buckets{Secrets: sealer(t)}
	account := backup.StorageAccount{Meta: backup.Meta{ID: "/a"}, Store: backup.AccountStore{URL: "https://a.host", AccountName: "a"}}
	var err error
	if account.Store.Key, err = b.Secrets.(*keys.Sealer).Seal(t.Context(), account.KeyOwner(), "k"); err != nil {
		t.Fatal(err)
	}
	if at, err := b.locate(t.Context(), account, "box"); err != nil || at.Key != "k" || at.URL != "https://a.host/box" {
		t.Fatalf("located %+v, %v", at, err)
	}
	account.ID = "/b" // a document that was copied
	if _, err := b.locate(t.Context(), account, "box"); err == nil {
		t.Fatal("the key of one account was opened for another")
	}
}

func TestFolderOfAnAccount(t *testing.T) {
	root := t.TempDir()
	b := Buckets{Root: "file://" + root, Secrets: sealer(t)}
	account := backup.StorageAccount{Meta: backup.Meta{ID: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acct"}}

	if _, err := b.Empty(t.Context(), account, "one"); !errors.Is(err, provider.ErrNoContainer) {
		t.Fatalf("before creation: %v, want ErrNoContainer", err)
	}
	for range 2 { // creating again is harmless
		if err := b.Create(t.Context(), account, "one"); err != nil {
			t.Fatal(err)
		}
	}
	if empty, err := b.Empty(t.Context(), account, "one"); err != nil || !empty {
		t.Fatalf("new container: empty=%v, %v", empty, err)
	}
	if err := os.WriteFile(filepath.Join(root, "acct", "one", "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if empty, err := b.Empty(t.Context(), account, "one"); err != nil || empty {
		t.Fatalf("container with an object: empty=%v, %v", empty, err)
	}
}

func TestBucketsOfOtherClouds(t *testing.T) {
	s3Server, gcsServer := s3.Start(t), gcs.Start(t)
	s3URL, err := s3Server.Bucket("backups")
	if err != nil {
		t.Fatal(err)
	}
	gcsURL, err := gcsServer.Bucket("backups")
	if err != nil {
		t.Fatal(err)
	}
	secrets := sealer(t)
	for _, c := range []struct{ url, name, key string }{{s3URL, s3.AccessKey, s3.SecretKey}, {gcsURL, "", ""}} {
		account := backup.StorageAccount{Meta: backup.Meta{ID: "/a", Location: "l"}, Store: backup.AccountStore{URL: c.url, AccountName: c.name}}
		if account.Store.Key, err = secrets.Seal(t.Context(), account.KeyOwner(), c.key); err != nil {
			t.Fatal(err)
		}
		b := Buckets{Secrets: secrets}
		if err := b.Create(t.Context(), account, "box"); err != nil {
			t.Errorf("%s: %v", c.url, err)
		}
		if empty, err := b.Empty(t.Context(), account, "box"); err != nil || !empty {
			t.Errorf("%s: empty=%v, %v", c.url, empty, err)
		}
		account.Store.URL = strings.Replace(c.url, "backups", "missing", 1)
		if _, err := b.Empty(t.Context(), account, "box"); !errors.Is(err, provider.ErrNoContainer) {
			t.Errorf("a bucket that is missing: %v", err)
		}
	}
}
