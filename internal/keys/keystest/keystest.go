// Package keystest holds the suite that every key provider passes.
package keystest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"

	"holdfast.dev/holdfast/internal/keys"
)

// Run checks every promise of a provider. open returns a provider of a new key
// each time, and again opens the key that it opened last, as after a restart.
func Run(t *testing.T, open func(t *testing.T) (provider keys.Provider, again func() keys.Provider)) {
	groups := map[string]func(*testing.T, keys.Provider, func() keys.Provider){
		"what is wrapped is unwrapped": testRoundTrip,
		"names are bound":              testNames,
		"changes are found":            testChanges,
		"a key is itself":              testDescription,
		"many at the same time":        testParallel,
		"a cancelled context":          testCancelled,
	}
	for name, test := range groups {
		t.Run(name, func(t *testing.T) {
			provider, again := open(t)
			test(t, provider, again)
		})
	}
	t.Run("another key unwraps nothing", func(t *testing.T) {
		one, _ := open(t)
		other, _ := open(t)
		if _, err := other.Unwrap(t.Context(), "r", wrap(t, one, "r", secret())); !errors.Is(err, keys.ErrUnwrap) {
			t.Errorf("%v", err)
		}
		if one.Describe() == other.Describe() {
			t.Error("two keys are described alike")
		}
	})
}

func secret() []byte {
	key := make([]byte, keys.Size)
	_, _ = rand.Read(key)
	return key
}

func wrap(t *testing.T, p keys.Provider, name string, key []byte) []byte {
	t.Helper()
	wrapped, err := p.Wrap(t.Context(), name, key)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func testRoundTrip(t *testing.T, p keys.Provider, again func() keys.Provider) {
	for _, key := range [][]byte{secret(), []byte("x"), bytes.Repeat([]byte("long"), 1000), {}} {
		for _, name := range []string{"r", "secret of /subscriptions/s/x", strings.Repeat("n", 500), "ü\x00/"} {
			wrapped := wrap(t, p, name, key)
			if len(key) > 8 && bytes.Contains(wrapped, key) {
				t.Error("the wrapped key holds the key in clear")
			}
			for _, p := range []keys.Provider{p, again()} {
				if got, err := p.Unwrap(t.Context(), name, wrapped); err != nil || !bytes.Equal(got, key) {
					t.Errorf("%d bytes came back as %d, %v", len(key), len(got), err)
				}
			}
		}
	}
	if key := secret(); bytes.Equal(wrap(t, p, "r", key), wrap(t, p, "r", key)) {
		t.Error("the same key is wrapped to the same bytes")
	}
}

func testNames(t *testing.T, p keys.Provider, _ func() keys.Provider) {
	wrapped := wrap(t, p, "r", secret())
	for _, name := range []string{"", "R", "r ", "secret of r", "s"} {
		if _, err := p.Unwrap(t.Context(), name, wrapped); !errors.Is(err, keys.ErrUnwrap) {
			t.Errorf("as %q: %v", name, err)
		}
	}
}

func testChanges(t *testing.T, p keys.Provider, _ func() keys.Provider) {
	key := secret()
	wrapped := wrap(t, p, "r", key)
	changed := [][]byte{nil, {}, {0}, {1}, []byte("vault:v1:"), []byte("vault:v1:AAAA"), wrapped[:len(wrapped)-1], append(bytes.Clone(wrapped), 'A')}
	for _, at := range []int{0, 1, len(wrapped) / 2, len(wrapped) - 6} {
		c := bytes.Clone(wrapped)
		c[at] ^= 1
		changed = append(changed, c)
	}
	for _, c := range changed {
		if got, err := p.Unwrap(t.Context(), "r", c); !errors.Is(err, keys.ErrUnwrap) {
			t.Errorf("%q: %d bytes, %v", c, len(got), err)
		}
	}
}

func testDescription(t *testing.T, p keys.Provider, again func() keys.Provider) {
	d := p.Describe()
	if d.Provider == "" || d.Key == "" || d != again().Describe() {
		t.Errorf("described as %+v and %+v", d, again().Describe())
	}
}

func testParallel(t *testing.T, p keys.Provider, _ func() keys.Provider) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			key := secret()
			wrapped, err := p.Wrap(t.Context(), "r", key)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := p.Unwrap(t.Context(), "r", wrapped); err != nil || !bytes.Equal(got, key) {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
}

// A provider that asks nobody may answer all the same.
func testCancelled(t *testing.T, p keys.Provider, _ func() keys.Provider) {
	key := secret()
	wrapped := wrap(t, p, "r", key)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := p.Unwrap(ctx, "r", wrapped); err == nil && !bytes.Equal(got, key) || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
