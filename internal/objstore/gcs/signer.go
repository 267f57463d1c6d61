package gcs

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"holdfast.dev/holdfast/internal/clock"
)

const (
	scope    = "https://www.googleapis.com/auth/devstorage.read_write"
	lifetime = time.Hour        // the longest there is
	spare    = 10 * time.Minute // a token is renewed so long before its end
)

// signer makes the access tokens of a service account: signed by itself, as
// Google's APIs take them, so that nobody has to be asked for them.
type signer struct {
	clock   clock.Clock
	email   string
	keyID   string
	private *rsa.PrivateKey

	mu      sync.Mutex
	last    string
	expires time.Time
}

// newSigner reads the JSON key of a service account. Errors do not quote it.
func newSigner(key string, c clock.Clock) (*signer, error) {
	var k struct {
		Type       string `json:"type"`
		Email      string `json:"client_email"`
		KeyID      string `json:"private_key_id"`
		PrivateKey string `json:"private_key"`
	}
	if json.Unmarshal([]byte(key), &k) != nil || k.Type != "service_account" || k.Email == "" {
		return nil, errors.New("the key is not the JSON key of a service account")
	}
	private, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(k.PrivateKey))
	if err != nil {
		return nil, fmt.Errorf("the key of service account %s holds no RSA private key", k.Email)
	}
	return &signer{clock: c, email: k.Email, keyID: k.KeyID, private: private}, nil
}

// token returns a token that is good for a while.
func (s *signer) token() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if now.Before(s.expires.Add(-spare)) {
		return s.last, nil
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": s.email, "sub": s.email, "scope": scope, "iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
	})
	t.Header["kid"] = s.keyID
	signed, err := t.SignedString(s.private)
	if err != nil {
		return "", fmt.Errorf("sign a token for %s: %w", s.email, err)
	}
	s.last, s.expires = signed, now.Add(lifetime)
	return signed, nil
}
