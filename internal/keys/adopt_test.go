package keys_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

func TestAdopt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	lost, repository := keys.NewRing(catalogtest.NewMemory(), openFile(t, path)), &objstoretest.Memory{}
	wrapped, err := lost.Ensure(t.Context(), "r")
	if err == nil {
		err = lost.Publish(t.Context(), "r", repository)
	}
	if err != nil {
		t.Fatal(err)
	}
	ring := keys.NewRing(catalogtest.NewMemory(), openFile(t, path))
	for _, want := range []bool{true, false} {
		if entered, err := ring.Adopt(t.Context(), "r", repository); err != nil || entered != want {
			t.Fatalf("entered %v, want %v: %v", entered, want, err)
		}
	}
	if got, err := ring.Wrapped(t.Context(), "r"); err != nil || !bytes.Equal(got, wrapped) {
		t.Errorf("another key was entered: %v", err)
	}
	if _, err := ring.Adopt(t.Context(), "s", repository); !errors.Is(err, keys.ErrUnwrap) {
		t.Errorf("of another repository: %v", err)
	}
	other := keys.NewRing(catalogtest.NewMemory(), openFile(t, path+"2"))
	if _, err := other.Adopt(t.Context(), "r", repository); !errors.Is(err, keys.ErrUnwrap) {
		t.Errorf("with another key file: %v", err)
	}
}
