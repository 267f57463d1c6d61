package keys_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/keys"
)

func TestSealer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	sealed, err := keys.NewSealer(openFile(t, path)).Seal(t.Context(), "/accounts/a", "open sesame")
	if err != nil || bytes.Contains(sealed, []byte("sesame")) {
		t.Fatalf("sealed as %q, %v", sealed, err)
	}
	sealer := keys.NewSealer(openFile(t, path)) // after a restart
	if secret, err := sealer.Open(t.Context(), "/accounts/a", sealed); err != nil || secret != "open sesame" {
		t.Fatalf("opened as %q, %v", secret, err)
	}
	if _, err := sealer.Open(t.Context(), "/accounts/b", sealed); err == nil {
		t.Fatal("the secret of one document was opened for another")
	}
	if _, err := sealer.Open(t.Context(), "/accounts/a", append(sealed[:len(sealed)-1:len(sealed)-1], 0)); err == nil {
		t.Fatal("a changed secret was opened")
	}
}

func TestSealerWithoutSecret(t *testing.T) {
	sealer := keys.NewSealer(openFile(t, filepath.Join(t.TempDir(), "kek")))
	sealed, err := sealer.Seal(t.Context(), "a", "")
	if sealed != nil || err != nil {
		t.Fatalf("%v, %v", sealed, err)
	}
	if secret, err := sealer.Open(t.Context(), "a", nil); secret != "" || err != nil {
		t.Fatalf("%q, %v", secret, err)
	}
}

// A key of a repository cannot be passed off as a secret, nor the other way.
func TestSecretsAndKeysAreApart(t *testing.T) {
	provider := openFile(t, filepath.Join(t.TempDir(), "kek"))
	wrapped, err := keys.NewRing(catalogtest.NewMemory(), provider).Ensure(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.NewSealer(provider).Open(t.Context(), "r", wrapped); err == nil {
		t.Fatal("a repository key was opened as a secret")
	}
}
