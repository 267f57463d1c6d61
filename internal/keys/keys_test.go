package keys_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/keys"
)

func openFile(t *testing.T, path string) *keys.FileProvider {
	t.Helper()
	provider, err := keys.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

func TestKeyStaysTheSame(t *testing.T) {
	store, path := catalogtest.NewMemory(), filepath.Join(t.TempDir(), "kek")
	ring := keys.NewRing(store, openFile(t, path))
	if _, err := ring.Key(t.Context(), "r"); !errors.Is(err, catalog.ErrNotFound) {
		t.Fatalf("Key before Ensure: %v", err)
	}
	wrapped, err := ring.Ensure(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ring.Key(t.Context(), "r")
	if err != nil || len(key) != keys.Size {
		t.Fatalf("Key = %d bytes, %v", len(key), err)
	}
	if bytes.Contains(wrapped, key) {
		t.Fatal("the wrapped key holds the key in clear")
	}
	later := keys.NewRing(store, openFile(t, path)) // after a restart
	if again, err := later.Ensure(t.Context(), "r"); err != nil || !bytes.Equal(again, wrapped) {
		t.Fatalf("Ensure made another key: %v", err)
	}
	if again, err := later.Key(t.Context(), "r"); err != nil || !bytes.Equal(again, key) {
		t.Fatalf("the key changed: %v", err)
	}
}

func TestOneKeyOfManyMakers(t *testing.T) {
	ring := keys.NewRing(catalogtest.NewMemory(), openFile(t, filepath.Join(t.TempDir(), "kek")))
	var group sync.WaitGroup
	made := make(chan string, 8)
	for range 8 {
		group.Go(func() {
			wrapped, err := ring.Ensure(t.Context(), "r")
			if err != nil {
				t.Error(err)
			}
			made <- string(wrapped)
		})
	}
	group.Wait()
	first := <-made
	for range 7 {
		if other := <-made; other != first {
			t.Fatal("two keys for one repository")
		}
	}
}

func TestUnwrapRefuses(t *testing.T) {
	dir := t.TempDir()
	provider := openFile(t, filepath.Join(dir, "kek"))
	wrapped, err := provider.Wrap(t.Context(), "r", make([]byte, keys.Size))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(wrapped)
	changed[len(changed)-1] ^= 1
	cases := map[string]struct {
		by      *keys.FileProvider
		name    string
		wrapped []byte
	}{
		"another name":     {provider, "s", wrapped},
		"another key file": {openFile(t, filepath.Join(dir, "other")), "r", wrapped},
		"changed bytes":    {provider, "r", changed},
		"unknown version":  {provider, "r", append([]byte{9}, wrapped[1:]...)},
		"nothing":          {provider, "r", nil},
		"only a version":   {provider, "r", wrapped[:1]},
	}
	for name, c := range cases {
		if _, err := c.by.Unwrap(t.Context(), c.name, c.wrapped); err == nil {
			t.Errorf("%s: unwrapped", name)
		}
	}
}

func TestDestroy(t *testing.T) {
	store := catalogtest.NewMemory()
	ring := keys.NewRing(store, openFile(t, filepath.Join(t.TempDir(), "kek")))
	if _, err := ring.Ensure(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := store.Update(t.Context(), func(tx catalog.Tx) error { return keys.Destroy(tx, "r") }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ring.Key(t.Context(), "r"); !errors.Is(err, catalog.ErrNotFound) {
		t.Fatalf("Key after Destroy: %v", err)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	openFile(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != keys.Size {
		t.Fatalf("key file: %v, %v", info, err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.OpenFile(path); err == nil {
		t.Fatal("a damaged key file was taken")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Fatalf("drafts left behind: %v", entries)
	}
}
