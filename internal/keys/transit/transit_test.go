package transit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/keys/keystest"
	"holdfast.dev/holdfast/internal/keys/transit"
	"holdfast.dev/holdfast/test/vault"
)

// file writes a secret to a file.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func options(t *testing.T, v *vault.Server, key string) transit.Options {
	t.Helper()
	return transit.Options{Address: "http://" + v.Address, Mount: "transit", Key: key, Auth: transit.Auth{TokenFile: file(t, vault.Token)}}
}

func open(t *testing.T, o transit.Options) *transit.Provider {
	t.Helper()
	p, err := transit.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every kind of key that can encrypt keeps the contract.
func TestTransitKeepsTheContract(t *testing.T) {
	v := vault.Start(t)
	var n atomic.Int32
	for name, kind := range map[string]string{
		"usual": `{}`, "derived": `{"derived":true}`, "aes128": `{"type":"aes128-gcm96"}`, "chacha": `{"type":"chacha20-poly1305"}`,
	} {
		t.Run(name, func(t *testing.T) {
			keystest.Run(t, func(t *testing.T) (keys.Provider, func() keys.Provider) {
				key := fmt.Sprint("key-", n.Add(1))
				v.Do("POST", "/v1/transit/keys/"+key, kind)
				o := options(t, v, key)
				return open(t, o), func() keys.Provider { return open(t, o) }
			})
		})
	}
}

func TestVersions(t *testing.T) {
	v := vault.Start(t)
	for name, kind := range map[string]string{"usual": `{}`, "derived": `{"derived":true}`} {
		v.Do("POST", "/v1/transit/keys/"+name, kind)
		p := open(t, options(t, v, name))
		key := bytes.Repeat([]byte{7}, keys.Size)
		first, err := p.Wrap(t.Context(), "r", key)
		if err != nil {
			t.Fatal(err)
		}
		outdated := func(wrapped []byte) bool {
			t.Helper()
			stale, err := keys.Set{Current: p}.Stale(t.Context(), "r", wrapped)
			if err != nil {
				t.Fatal(err)
			}
			return stale
		}
		if outdated(first) {
			t.Errorf("%s: the only version is outdated", name)
		}
		v.Do("POST", "/v1/transit/keys/"+name+"/rotate", "")
		if !outdated(first) {
			t.Errorf("%s: version 1 of 2 is not outdated", name)
		}
		second, err := keys.Set{Current: p}.Renew(t.Context(), "r", first)
		if err != nil || !bytes.HasPrefix(second, []byte("vault:v2:")) || outdated(second) {
			t.Fatalf("%s: renewed as %s, %v", name, second, err)
		}
		v.Do("POST", "/v1/transit/keys/"+name+"/config", `{"min_decryption_version":2}`)
		if _, err := p.Unwrap(t.Context(), "r", first); !errors.Is(err, keys.ErrUnwrap) {
			t.Errorf("%s: a version that is switched off: %v", name, err)
		}
		if got, err := p.Unwrap(t.Context(), "r", second); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

func TestWaysToSignIn(t *testing.T) {
	v := vault.Start(t)
	v.Do("POST", "/v1/transit/keys/k", "{}")
	for name, auth := range map[string]transit.Auth{
		"AppRole":    {RoleID: vault.RoleID, SecretIDFile: file(t, vault.SecretID)},
		"Kubernetes": {Role: vault.Role, JWTFile: file(t, vault.JWT)},
	} {
		o := options(t, v, "k")
		o.Auth = auth
		p := open(t, o)
		for _, between := range []string{"", "/test/expire", ""} { // an ended token is replaced
			if between != "" {
				v.Do("POST", between, "")
			}
			if _, err := p.Wrap(t.Context(), "r", []byte("key")); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for name, auth := range map[string]transit.Auth{
		"a wrong token":     {TokenFile: file(t, "hvs.WRONG")},
		"a wrong secret id": {RoleID: vault.RoleID, SecretIDFile: file(t, "WRONG")},
		"a wrong role":      {Role: "other", JWTFile: file(t, vault.JWT)},
	} {
		o := options(t, v, "k")
		o.Auth = auth
		if _, err := open(t, o).Wrap(t.Context(), "r", []byte("key")); !errors.Is(err, keys.ErrDenied) || strings.Contains(err.Error(), "WRONG") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	v := vault.Start(t)
	v.Do("POST", "/v1/transit/keys/k", "{}")
	o := options(t, v, "k")
	o.Auth.TokenFile = file(t, "ended")
	p := open(t, o)
	if _, err := p.Wrap(t.Context(), "r", nil); !errors.Is(err, keys.ErrDenied) {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Auth.TokenFile, []byte(vault.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wrap(t.Context(), "r", nil); err != nil {
		t.Error(err)
	}
}

func TestNamespacesAndMountsAreApart(t *testing.T) {
	v := vault.Start(t)
	v.Do("POST", "/v1/transit/keys/k", "{}")
	wrapped, err := open(t, options(t, v, "k")).Wrap(t.Context(), "r", []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, v, "k")
	o.Namespace = "team"
	if _, err := open(t, o).Unwrap(t.Context(), "r", wrapped); err == nil || !strings.Contains(err.Error(), "encryption key not found") {
		t.Errorf("in another namespace: %v", err)
	}
	o = options(t, v, "k")
	o.Mount = "nowhere"
	if _, err := open(t, o).Unwrap(t.Context(), "r", wrapped); err == nil || errors.Is(err, keys.ErrUnwrap) || !strings.Contains(err.Error(), "404") {
		t.Errorf("at another mount: %v", err)
	}
}

func TestSealedAndAway(t *testing.T) {
	v := vault.Start(t)
	v.Do("POST", "/v1/transit/keys/k", "{}")
	p := open(t, options(t, v, "k"))
	wrapped, err := p.Wrap(t.Context(), "r", []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	v.Do("POST", "/test/seal", "")
	if _, err := p.Unwrap(t.Context(), "r", wrapped); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("sealed: %v", err)
	}
	v.Do("POST", "/test/unseal", "")
	if got, err := p.Unwrap(t.Context(), "r", wrapped); err != nil || string(got) != "key" {
		t.Errorf("unsealed: %q, %v", got, err)
	}
	o := options(t, v, "k")
	o.Address = "http://127.0.0.1:1"
	if _, err := open(t, o).Unwrap(t.Context(), "r", wrapped); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("away: %v", err)
	}
}
