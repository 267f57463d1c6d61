package keys_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"

	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/keys/keystest"
)

func TestFileKeepsTheContract(t *testing.T) {
	keystest.Run(t, func(t *testing.T) (keys.Provider, func() keys.Provider) {
		path := filepath.Join(t.TempDir(), "kek")
		return openFile(t, path), func() keys.Provider { return openFile(t, path) }
	})
}

func TestSetKeepsTheContract(t *testing.T) {
	keystest.Run(t, func(t *testing.T) (keys.Provider, func() keys.Provider) {
		path, old := filepath.Join(t.TempDir(), "kek"), openFile(t, filepath.Join(t.TempDir(), "old"))
		open := func() keys.Provider { return keys.Set{Current: openFile(t, path), Old: []keys.Provider{old}} }
		return open(), open
	})
}

// away is a provider that cannot be asked.
type away struct{ keys.Provider }

// Unwrap fails.
func (away) Unwrap(context.Context, string, []byte) ([]byte, error) {
	return nil, keys.ErrUnavailable
}

func TestSet(t *testing.T) {
	dir := t.TempDir()
	one, two, three := openFile(t, filepath.Join(dir, "1")), openFile(t, filepath.Join(dir, "2")), openFile(t, filepath.Join(dir, "3"))
	key := bytes.Repeat([]byte{7}, keys.Size)
	wrapped, err := one.Wrap(t.Context(), "r", key)
	if err != nil {
		t.Fatal(err)
	}
	both := keys.Set{Current: two, Old: []keys.Provider{three, one}}
	if stale, err := both.Stale(t.Context(), "r", wrapped); err != nil || !stale {
		t.Fatalf("stale = %v, %v", stale, err)
	}
	renewed, err := both.Renew(t.Context(), "r", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := two.Unwrap(t.Context(), "r", renewed); err != nil || !bytes.Equal(got, key) {
		t.Errorf("renewed as %x, %v", got, err)
	}
	if stale, err := both.Stale(t.Context(), "r", renewed); err != nil || stale {
		t.Errorf("renewed and stale: %v, %v", stale, err)
	}
	lost := keys.Set{Current: two, Old: []keys.Provider{three}}
	if _, err := lost.Stale(t.Context(), "r", wrapped); !errors.Is(err, keys.ErrUnwrap) {
		t.Errorf("by nobody's key: %v", err)
	}
	waits := keys.Set{Current: two, Old: []keys.Provider{away{one}}}
	if _, err := waits.Unwrap(t.Context(), "r", wrapped); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("when the right one is away: %v", err)
	}
	if _, err := (keys.Set{Current: away{two}, Old: []keys.Provider{one}}).Stale(t.Context(), "r", wrapped); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("when the current one is away: %v", err)
	}
}

// liar unwraps what it wrapped to something else.
type liar struct{ keys.Provider }

// Wrap wraps another key.
func (l liar) Wrap(ctx context.Context, name string, key []byte) ([]byte, error) {
	return l.Provider.Wrap(ctx, name, bytes.Repeat([]byte{1}, len(key)))
}

func TestRenewIsReadBack(t *testing.T) {
	dir := t.TempDir()
	one, two := openFile(t, filepath.Join(dir, "1")), openFile(t, filepath.Join(dir, "2"))
	wrapped, err := one.Wrap(t.Context(), "r", make([]byte, keys.Size))
	if err != nil {
		t.Fatal(err)
	}
	if renewed, err := (keys.Set{Current: liar{two}, Old: []keys.Provider{one}}).Renew(t.Context(), "r", wrapped); err == nil {
		t.Errorf("renewed as %x", renewed)
	}
}

func TestSealerRenews(t *testing.T) {
	dir := t.TempDir()
	one, two := openFile(t, filepath.Join(dir, "1")), openFile(t, filepath.Join(dir, "2"))
	sealed, err := keys.NewSealer(one).Seal(t.Context(), "a", "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	both := keys.NewSealer(keys.Set{Current: two, Old: []keys.Provider{one}})
	if renewed, stale, err := both.Renew(t.Context(), "a", sealed, true); err != nil || !stale || renewed != nil {
		t.Errorf("dry: %x, %v, %v", renewed, stale, err)
	}
	renewed, stale, err := both.Renew(t.Context(), "a", sealed, false)
	if err != nil || !stale {
		t.Fatalf("%v, %v", stale, err)
	}
	if secret, err := keys.NewSealer(two).Open(t.Context(), "a", renewed); err != nil || secret != "open sesame" {
		t.Errorf("opened as %q, %v", secret, err)
	}
	if again, stale, err := both.Renew(t.Context(), "a", renewed, false); err != nil || stale || again != nil {
		t.Errorf("again: %x, %v, %v", again, stale, err)
	}
	if _, _, err := both.Renew(t.Context(), "b", sealed, false); !errors.Is(err, keys.ErrUnwrap) {
		t.Errorf("another owner's: %v", err)
	}
}
