package service

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/signin/pki"
)

const (
	grantKeyFile = "grant-signing.json"
	// grantKeyLife is how old the key that signs grants may be when the service
	// starts; then it is replaced.
	grantKeyLife = 30 * 24 * time.Hour
)

// grantKey is a key in the file, the newest first.
type grantKey struct {
	ID      string    `json:"id"`
	Secret  []byte    `json:"secret"`
	Created time.Time `json:"created"`
}

// loadGrantKeys reads the keys that sign grants, and makes a new one when there
// is none or the newest is old. A replaced key is kept for as long as a grant
// signed with it can live. Deleting the file ends all grants at the next start.
// Replicas of the service must share it.
func loadGrantKeys(dir string, clk clock.Clock) ([]grants.Key, error) {
	path := filepath.Join(dir, grantKeyFile)
	keys, err := readGrantKeys(path)
	if err != nil {
		return nil, err
	}
	now := clk.Now()
	if len(keys) == 0 || now.Sub(keys[0].Created) >= grantKeyLife {
		keys = append([]grantKey{newGrantKey(now)}, keys...)
	}
	for len(keys) > 1 && now.Sub(keys[len(keys)-2].Created) > grants.Life {
		keys = keys[:len(keys)-1] // its successor signs for longer than a grant lives
	}
	content, err := json.Marshal(keys)
	if err == nil {
		err = pki.WriteFile(path, content, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("keys of grants: %w", err)
	}
	out := make([]grants.Key, len(keys))
	for i, key := range keys {
		out[i] = grants.Key{ID: key.ID, Secret: key.Secret}
	}
	return out, nil
}

func readGrantKeys(path string) ([]grantKey, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var keys []grantKey
	if err == nil {
		err = json.Unmarshal(content, &keys)
	}
	if err != nil {
		return nil, fmt.Errorf("keys of grants in %s: %w", filepath.Base(path), err) // a syntax error quotes no value
	}
	return keys, nil
}

func newGrantKey(now time.Time) grantKey {
	secret := make([]byte, 32)
	rand.Read(secret) // documented never to fail
	return grantKey{ID: rand.Text()[:8], Secret: secret, Created: now}
}
