// Package pki keeps keys and certificates in files: it makes a small
// certificate authority in a directory and reads it back.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"holdfast.dev/holdfast/internal/clock"
)

// authorityLife is how long a certificate authority is good for.
const authorityLife = 10 * 365 * 24 * time.Hour

// Skew is how far back certificates start, for clocks that differ.
const Skew = 5 * time.Minute

// Authority signs certificates.
type Authority struct {
	Certificate *x509.Certificate
	key         crypto.Signer
}

// LoadAuthority reads {name}.crt and {name}.key from the directory, or makes
// an ECDSA P-256 authority there.
func LoadAuthority(dir, name string, clk clock.Clock) (*Authority, error) {
	crtPath, keyPath := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	crt, err := os.ReadFile(crtPath)
	if errors.Is(err, fs.ErrNotExist) {
		return makeAuthority(name, crtPath, keyPath, clk)
	} else if err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w", name, err)
	}
	certificate, err := ParseCertificate(crt)
	if err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w", crtPath, err)
	}
	raw, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w", name, err)
	}
	key, err := ParseKey(raw)
	if err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w", keyPath, err)
	}
	return &Authority{certificate, key}, nil
}

// makeAuthority writes the key first: a certificate without its key would
// stop every later start.
func makeAuthority(name, crtPath, keyPath string, clk clock.Clock) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w", name, err)
	}
	now := clk.Now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Holdfast " + name},
		NotBefore: now.Add(-Skew), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w", name, err)
	}
	if err := WriteKey(keyPath, key); err != nil {
		return nil, err
	}
	if err := WriteFile(crtPath, EncodeCertificate(der), 0o644); err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w", name, err)
	}
	return &Authority{certificate, key}, nil
}

// Sign issues a certificate of the template for the public key, as DER. The
// serial number is set here.
func (a *Authority) Sign(template x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	template.SerialNumber = serial()
	der, err := x509.CreateCertificate(rand.Reader, &template, a.Certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	return der, nil
}

// PEM is the authority's certificate, for those who shall trust it.
func (a *Authority) PEM() []byte { return EncodeCertificate(a.Certificate.Raw) }

// Pool holds the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

// EncodeCertificate returns the PEM of a DER certificate.
func EncodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// ParseCertificate reads the first certificate of a PEM text.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // documented never to fail
	b[0] &= 0x7f    // positive
	return new(big.Int).SetBytes(b[:])
}
