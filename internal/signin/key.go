package signin

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast.dev/holdfast/internal/signin/pki"
)

const (
	keyFile = "token-signing.key"
	keyBits = 2048
)

// LoadKey reads the key that signs tokens from the directory, or makes it
// there. Replicas of the service must share it.
func LoadKey(dir string) (*rsa.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	} else if err != nil {
		return nil, fmt.Errorf("token signing key: %w", err)
	}
	key, err := pki.ParseKey(raw)
	if err != nil {
		return nil, fmt.Errorf("token signing key %s: %w", path, err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("token signing key %s: not an RSA key", path)
	}
	return rsaKey, nil
}

func makeKey(path string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make token signing key: %w", err)
	}
	if err := pki.WriteKey(path, key); err != nil {
		return nil, fmt.Errorf("token signing key: %w", err)
	}
	return key, nil
}

// keyID names a key by its own content.
func keyID(key *rsa.PublicKey) string {
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(key))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
