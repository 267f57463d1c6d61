package grants_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate/grants"
)

var (
	begin  = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	oldKey = grants.Key{ID: "old", Secret: bytes.Repeat([]byte{1}, 32)}
	newKey = grants.Key{ID: "new", Secret: bytes.Repeat([]byte{2}, 32)}
	good   = grants.Grant{Operation: "op", Cluster: "/clusters/c", Store: "vault", Prefix: "repositories/r/", Rights: grants.Append,
		RecoveryPoint: strings.Repeat("ab", 16)}
)

func issuer(t *testing.T, clk clock.Clock, keys ...grants.Key) *grants.Issuer {
	t.Helper()
	i, err := grants.NewIssuer(grants.Config{Keys: keys, Clock: clk, URL: "https://gate:1", CA: "PEM"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func issue(t *testing.T, i *grants.Issuer, g grants.Grant) agentv1.GateGrant {
	t.Helper()
	made, err := i.Grant(g)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestGrantIsReadBackUntilItExpires(t *testing.T) {
	clk := clock.NewManual(begin)
	i := issuer(t, clk, newKey)
	made := issue(t, i, good)
	if made.URL != "https://gate:1" || made.CA != "PEM" || made.Seconds != 3600 {
		t.Errorf("made %+v", made)
	}
	clk.Advance(time.Hour - time.Second)
	if g, err := i.Verify(made.Token); err != nil || g != good {
		t.Errorf("read back as %+v, %v", g, err)
	}
	clk.Advance(time.Second)
	if _, err := i.Verify(made.Token); !errors.Is(err, grants.ErrExpired) {
		t.Errorf("after an hour: %v", err)
	}
}

func TestGrantsThatAreNotMade(t *testing.T) {
	i := issuer(t, clock.NewManual(begin), newKey)
	for name, change := range map[string]func(*grants.Grant){
		"no operation":     func(g *grants.Grant) { g.Operation = "" },
		"no cluster":       func(g *grants.Grant) { g.Cluster = "" },
		"no store":         func(g *grants.Grant) { g.Store = "" },
		"a whole store":    func(g *grants.Grant) { g.Prefix = "" },
		"a slash":          func(g *grants.Grant) { g.Prefix = "/" },
		"half a segment":   func(g *grants.Grant) { g.Prefix = "repositories/r" },
		"a way out":        func(g *grants.Grant) { g.Prefix = "repositories/../" },
		"no rights":        func(g *grants.Grant) { g.Rights = "" },
		"more rights":      func(g *grants.Grant) { g.Rights = "delete" },
		"an id that is no": func(g *grants.Grant) { g.RecoveryPoint = "x" },
	} {
		g := good
		change(&g)
		if made, err := i.Grant(g); err == nil || made.Token != "" {
			t.Errorf("%s: made", name)
		}
	}
}

// Replacing the signing key keeps the grants that are under way.
func TestKeyRotation(t *testing.T) {
	clk := clock.NewManual(begin)
	before := issue(t, issuer(t, clk, oldKey), good).Token
	both := issuer(t, clk, newKey, oldKey)
	if _, err := both.Verify(before); err != nil {
		t.Errorf("signed by the old key: %v", err)
	}
	after := issue(t, both, good).Token
	if _, err := issuer(t, clk, newKey).Verify(after); err != nil {
		t.Errorf("signed by the new key: %v", err)
	}
	if _, err := issuer(t, clk, newKey).Verify(before); !errors.Is(err, grants.ErrInvalid) {
		t.Errorf("signed by a key that is gone: %v", err)
	}
	swapped := grants.Key{ID: newKey.ID, Secret: oldKey.Secret}
	if _, err := issuer(t, clk, swapped).Verify(after); !errors.Is(err, grants.ErrInvalid) {
		t.Errorf("signed by another key of the same id: %v", err)
	}
}

func TestKeysThatCannotSign(t *testing.T) {
	for name, keys := range map[string][]grants.Key{"none": nil, "short": {{ID: "a", Secret: []byte("short")}}, "nameless": {{Secret: oldKey.Secret}}} {
		if _, err := grants.NewIssuer(grants.Config{Keys: keys, Clock: clock.NewManual(begin)}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// forge signs claims of an attacker's choice by any method.
func forge(t *testing.T, m jwt.SigningMethod, key any, kid string, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(m, c)
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestForgeries(t *testing.T) {
	i := issuer(t, clock.NewManual(begin), newKey)
	whole := issue(t, i, good).Token
	parts := strings.Split(whole, ".")
	body := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": "holdfast gate", "exp": begin.Add(time.Hour).Unix(), "op": "op", "clu": "/clusters/c", "sto": "vault",
			"pre": "repositories/r/", "rgt": "append"}
	}
	with := func(name string, value any) jwt.MapClaims {
		c := body()
		c[name] = value
		return c
	}
	if _, err := i.Verify(forge(t, jwt.SigningMethodHS256, newKey.Secret, "new", body())); err != nil {
		t.Fatalf("an honest one is refused, so the others prove nothing: %v", err)
	}
	other := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"holdfast gate","exp":9999999999,"op":"op","clu":"/clusters/c","sto":"vault","pre":"repositories/other/","rgt":"append"}`))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT","kid":"new"}`))
	for name, token := range map[string]string{
		"nothing":               "",
		"rubbish":               "a.b.c",
		"too long":              whole + strings.Repeat("A", 5000),
		"another body":          parts[0] + "." + other + "." + parts[2],
		"no signature":          parts[0] + "." + parts[1] + ".",
		"alg none":              none + "." + other + ".",
		"alg none, signed":      none + "." + parts[1] + "." + parts[2],
		"alg none, by library":  forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "new", body()),
		"another method":        forge(t, jwt.SigningMethodHS512, newKey.Secret, "new", body()),
		"another key":           forge(t, jwt.SigningMethodHS256, []byte("guess"), "new", body()),
		"an empty key":          forge(t, jwt.SigningMethodHS256, []byte(""), "", body()),
		"an unknown key id":     forge(t, jwt.SigningMethodHS256, newKey.Secret, "x", body()),
		"another issuer":        forge(t, jwt.SigningMethodHS256, newKey.Secret, "new", with("iss", "sign-in")),
		"no end":                forge(t, jwt.SigningMethodHS256, newKey.Secret, "new", with("exp", nil)),
		"an end that is text":   forge(t, jwt.SigningMethodHS256, newKey.Secret, "new", with("exp", "never")),
		"not yet":               forge(t, jwt.SigningMethodHS256, newKey.Secret, "new", with("nbf", begin.Add(time.Minute).Unix())),
		"a whole store":         forge(t, jwt.SigningMethodHS256, newKey.Secret, "new", with("pre", "")),
		"rights of nobody":      forge(t, jwt.SigningMethodHS256, newKey.Secret, "new", with("rgt", "*")),
		"signature not padded":  whole + "=",
		"signature with a bit":  whole[:len(whole)-1] + string(whole[len(whole)-1]^1),
		"a space after the end": whole + " ",
	} {
		if g, err := i.Verify(token); !errors.Is(err, grants.ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	// The workers of a fuzz run are processes of their own and get this one's
	// token as a seed: with a key of its own each believes its own token only.
	key := grants.Key{ID: "new", Secret: []byte(rand.Text() + rand.Text())}
	i, err := grants.NewIssuer(grants.Config{Keys: []grants.Key{key}, Clock: clock.NewManual(begin)})
	if err != nil {
		f.Fatal(err)
	}
	made, err := i.Grant(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(made.Token)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := i.Verify(token); err == nil && token != made.Token {
			t.Errorf("believed %q", token)
		}
	})
}
