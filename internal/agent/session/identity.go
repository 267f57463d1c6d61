package session

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Identity is who this client is: a private key and, once enrolled, the
// certificate the service issued for it. It is secret as a whole.
type Identity struct {
	Key         []byte // PEM, EC private key
	Certificate []byte // PEM chain; empty before enrolment
	CA          []byte // PEM, what the service asked to be trusted by
	ClusterID   string // full ARM id of the connected cluster
	Role        agentv1.Role
	RenewAfter  time.Time
	// TokenDigest is the SHA-256 in hex of the token the key was or will be
	// enrolled with; a token with another digest asks for a new enrolment.
	TokenDigest string
}

// Enrolled reports whether the identity has a certificate.
func (i Identity) Enrolled() bool { return len(i.Certificate) > 0 }

// ErrNoIdentity is what a Store answers when nothing was saved yet.
var ErrNoIdentity = errors.New("no identity stored")

// Store keeps the identity of one client. Save replaces the whole identity at
// once: after a crash either the old or the new one is there.
type Store interface {
	// Load returns the saved identity, or ErrNoIdentity.
	Load(ctx context.Context) (Identity, error)
	// Save replaces the saved identity.
	Save(ctx context.Context, identity Identity) error
}

// newIdentity makes a fresh key that is to be enrolled with token.
func newIdentity(token string) (Identity, error) {
	key, err := newKey()
	return Identity{Key: key, TokenDigest: tokenDigest(token)}, err
}

// accept returns the identity with the certificate the service issued for it,
// after checking that the certificate belongs to the key.
func (i Identity) accept(answer agentv1.EnrolResponse) (Identity, error) {
	i.Certificate, i.CA = []byte(answer.Certificate), []byte(answer.CA)
	i.ClusterID, i.Role, i.RenewAfter = answer.ClusterID, answer.Role, answer.RenewAfter
	if _, err := i.keyPair(); err != nil {
		return Identity{}, fmt.Errorf("the issued certificate does not fit its key: %w", err)
	}
	return i, nil
}

func (i Identity) keyPair() (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(i.Certificate, i.Key)
	return &pair, err
}

// request returns a certificate signing request for the key, as PEM. The
// service decides about names; none is asked for.
func (i Identity) request() (string, error) {
	block, _ := pem.Decode(i.Key)
	if block == nil {
		return "", errors.New("stored key is not PEM")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("parse stored key: %w", err)
	}
	subject := pkix.Name{CommonName: "holdfast-agent"}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil {
		return "", fmt.Errorf("make certificate request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

func tokenDigest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
