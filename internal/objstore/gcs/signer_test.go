package gcs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"net/http/httptest"

	"github.com/golang-jwt/jwt/v5"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore/gcs"
)

// newKey returns a service account's key as Google hands it out.
func newKey(t *testing.T) (key string, public *rsa.PublicKey) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "backup@project.example", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(document), &private.PublicKey
}

func TestRequestsCarryATokenOfTheServiceAccount(t *testing.T) {
	key, public := newKey(t)
	at := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		claims := jwt.MapClaims{}
		token, err := jwt.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return public, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(at.Now), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
		if err != nil || token.Header["kid"] != "k1" || claims["iss"] != "backup@project.example" || claims["sub"] != claims["iss"] {
			t.Errorf("%v: %v %v", err, token.Header, claims)
		}
		if scope, _ := claims["scope"].(string); !strings.HasSuffix(scope, "/devstorage.read_write") {
			t.Errorf("scope %v", claims["scope"])
		}
		seen = append(seen, text)
		fmt.Fprint(w, `{"name":"a","size":"1"}`)
	}))
	defer server.Close()
	s := open(t, gcs.Options{Bucket: "b", Endpoint: server.URL, Key: key, Clock: at})
	for range 5 {
		if _, err := s.Stat(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		at.Advance(20 * time.Minute)
	}
	if seen[0] != seen[2] || seen[2] == seen[3] {
		t.Errorf("tokens are not kept, or not renewed in time: %q", seen)
	}
}

func TestBadKeysAreRefusedAndNotTold(t *testing.T) {
	for _, key := range []string{"s3cret", `{"type":"authorized_user","refresh_token":"s3cret"}`,
		`{"type":"service_account","client_email":"a@b","private_key":"s3cret"}`, `{"type":"service_account","private_key":"s3cret"}`} {
		_, err := gcs.New(gcs.Options{Bucket: "b", Key: key})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v", err)
		}
	}
	if _, err := gcs.New(gcs.Options{Bucket: "b"}); err == nil {
		t.Error("no key is needed at Google")
	}
}
