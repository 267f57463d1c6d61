package buckets

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/provider"
)

func TestFolderOfAnAccount(t *testing.T) {
	root := t.TempDir()
	b := Buckets{Root: "file://" + root}
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
