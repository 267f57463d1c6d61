package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Keys of the identity Secret.
const (
	keyPrivate  = "tls.key"
	keyCert     = "tls.crt"
	keyCA       = "ca.crt"
	keyDocument = "identity.json"
)

// Secrets is the part of a namespaced Secret client that SecretStore uses.
type Secrets interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error)
}

// SecretStore keeps the identity in a Kubernetes Secret that exists already:
// the chart makes it empty, so the agent needs no right to create Secrets.
type SecretStore struct {
	Secrets Secrets
	Name    string
}

// Load reads the Secret; without a key in it the answer is ErrNoIdentity.
func (s SecretStore) Load(ctx context.Context) (Identity, error) {
	secret, err := s.Secrets.Get(ctx, s.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Identity{}, ErrNoIdentity
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read identity Secret %s: %w", s.Name, err)
	}
	return decodeIdentity(secret.Data)
}

// Save writes the whole identity in one update.
func (s SecretStore) Save(ctx context.Context, identity Identity) error {
	data, err := encodeIdentity(identity)
	if err != nil {
		return err
	}
	secret, err := s.Secrets.Get(ctx, s.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read identity Secret %s: %w", s.Name, err)
	}
	secret.Data = data
	if _, err := s.Secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("write identity Secret %s: %w", s.Name, err)
	}
	return nil
}

// FileStore keeps the identity in one file with mode 0600, for an agent that
// runs outside a cluster.
type FileStore struct {
	Path string
}

// Load reads the file; when it is absent the answer is ErrNoIdentity.
func (s FileStore) Load(context.Context) (Identity, error) {
	raw, err := os.ReadFile(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, ErrNoIdentity
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	var data map[string][]byte
	if err := json.Unmarshal(raw, &data); err != nil {
		return Identity{}, fmt.Errorf("decode identity file %s: %w", s.Path, err)
	}
	return decodeIdentity(data)
}

// Save writes a new file beside the old one and renames it over it.
func (s FileStore) Save(_ context.Context, identity Identity) error {
	data, err := encodeIdentity(identity)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode identity: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(s.Path), ".identity-*")
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // gone already when the rename worked
	_, err = file.Write(raw)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	if err := os.Rename(file.Name(), s.Path); err != nil {
		return fmt.Errorf("replace identity: %w", err)
	}
	return nil
}

// document holds the parts of an identity that are not PEM.
type document struct {
	ClusterID   string       `json:"clusterId,omitempty"`
	Role        agentv1.Role `json:"role,omitempty"`
	RenewAfter  time.Time    `json:"renewAfter,omitzero"`
	TokenDigest string       `json:"tokenDigest,omitempty"`
}

func encodeIdentity(i Identity) (map[string][]byte, error) {
	raw, err := json.Marshal(document{i.ClusterID, i.Role, i.RenewAfter, i.TokenDigest})
	if err != nil {
		return nil, fmt.Errorf("encode identity: %w", err)
	}
	return map[string][]byte{keyPrivate: i.Key, keyCert: i.Certificate, keyCA: i.CA, keyDocument: raw}, nil
}

func decodeIdentity(data map[string][]byte) (Identity, error) {
	if len(data[keyPrivate]) == 0 {
		return Identity{}, ErrNoIdentity
	}
	var d document
	if err := json.Unmarshal(data[keyDocument], &d); err != nil {
		return Identity{}, fmt.Errorf("decode stored identity: %w", err)
	}
	return Identity{
		Key: data[keyPrivate], Certificate: data[keyCert], CA: data[keyCA],
		ClusterID: d.ClusterID, Role: d.Role, RenewAfter: d.RenewAfter, TokenDigest: d.TokenDigest,
	}, nil
}
