package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"holdfast.dev/holdfast/internal/catalog"
)

const kindServicePrincipal = "serviceprincipal"

// servicePrincipal is a program that signs in with a secret. Only the hash of
// the secret is kept; secrets are 256 random bits, so a fast hash is enough.
type servicePrincipal struct {
	ClientID   string    `json:"clientId"`
	ObjectID   string    `json:"objectId"`
	Name       string    `json:"name"`
	SecretHash []byte    `json:"secretHash"`
	Created    time.Time `json:"created"`
}

// Credentials are handed out once, when a service principal is created.
type Credentials struct {
	TenantID string `json:"tenantId"`
	ClientID string `json:"clientId"`
	ObjectID string `json:"objectId"` // what role assignments name
	Secret   string `json:"clientSecret"`
}

// CreateServicePrincipal makes a program that may sign in. It holds no role yet.
func (s *Service) CreateServicePrincipal(ctx context.Context, name string) (c Credentials, err error) {
	err = s.Store.Update(ctx, func(tx catalog.Tx) error {
		c, err = s.create(tx, name)
		return err
	})
	return c, err
}

// DeleteServicePrincipal removes a program; its tokens stop working at once.
func (s *Service) DeleteServicePrincipal(ctx context.Context, clientID string) error {
	return s.Store.Update(ctx, func(tx catalog.Tx) error {
		return tx.Delete(kindServicePrincipal, strings.ToLower(clientID), "")
	})
}

func (s *Service) create(tx catalog.Tx, name string) (Credentials, error) {
	var random [32]byte
	rand.Read(random[:]) // documented never to fail
	c := Credentials{TenantID: s.TenantID, ClientID: uuid.NewString(), ObjectID: uuid.NewString(),
		Secret: base64.RawURLEncoding.EncodeToString(random[:])}
	hash := sha256.Sum256([]byte(c.Secret))
	body, err := json.Marshal(servicePrincipal{c.ClientID, c.ObjectID, name, hash[:], s.Clock.Now()})
	if err != nil {
		return Credentials{}, fmt.Errorf("service principal %s: %w", name, err)
	}
	if _, err := tx.Put(catalog.Document{Kind: kindServicePrincipal, ID: c.ClientID, Body: body}, catalog.IfAbsent); err != nil {
		return Credentials{}, fmt.Errorf("service principal %s: %w", name, err)
	}
	return c, nil
}

// find reads a service principal; catalog.ErrNotFound when there is none.
func (s *Service) find(ctx context.Context, clientID string) (p servicePrincipal, err error) {
	err = s.Store.View(ctx, func(tx catalog.Tx) error {
		doc, err := tx.Get(kindServicePrincipal, strings.ToLower(clientID))
		if err != nil {
			return err
		}
		return json.Unmarshal(doc.Body, &p)
	})
	return p, err
}

// holds compares a secret in constant time.
func (p servicePrincipal) holds(secret string) bool {
	hash := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(hash[:], p.SecretHash) == 1
}
