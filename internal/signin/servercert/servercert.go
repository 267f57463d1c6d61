// Package servercert gives the service a certificate of its own when none is
// configured: signed by a private authority in the data directory, which
// clients are told to trust.
package servercert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/signin/pki"
)

// How long a certificate lasts, and how long before its end a start of the
// service replaces it.
const (
	life   = 365 * 24 * time.Hour
	margin = 30 * 24 * time.Hour
)

// Load returns the certificate for the host names and addresses, and the PEM
// of the authority that signed it. It is kept in the directory and made anew
// when it does not cover all hosts or comes to its end.
func Load(dir string, hosts []string, clk clock.Clock) (tls.Certificate, []byte, error) {
	authority, err := pki.LoadAuthority(dir, "tls-ca", clk)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	crtPath, keyPath := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if kept, err := tls.LoadX509KeyPair(crtPath, keyPath); err == nil && covers(kept.Leaf, hosts, authority, clk) {
		return kept, authority.PEM(), nil
	}
	crt, key, err := issue(authority, hosts, clk)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	// A crash in between leaves a pair that does not match, which is made anew.
	if err := pki.WriteKey(keyPath, key); err != nil {
		return tls.Certificate{}, nil, err
	}
	if err := pki.WriteFile(crtPath, crt, 0o644); err != nil {
		return tls.Certificate{}, nil, err
	}
	raw, err := os.ReadFile(keyPath)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pair, err := tls.X509KeyPair(crt, raw)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("server certificate: %w", err)
	}
	return pair, authority.PEM(), nil
}

func covers(leaf *x509.Certificate, hosts []string, a *pki.Authority, clk clock.Clock) bool {
	if leaf == nil || leaf.CheckSignatureFrom(a.Certificate) != nil || clk.Now().Add(margin).After(leaf.NotAfter) {
		return false
	}
	for _, h := range hosts {
		if leaf.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

// issue makes a pair: the certificate followed by its authority as PEM.
func issue(a *pki.Authority, hosts []string, clk clock.Clock) ([]byte, *ecdsa.PrivateKey, error) {
	if len(hosts) == 0 {
		return nil, nil, fmt.Errorf("server certificate: no host names given")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("server certificate: %w", err)
	}
	template := x509.Certificate{
		Subject:   pkix.Name{CommonName: hosts[0]},
		NotBefore: clk.Now().Add(-pki.Skew), NotAfter: clk.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := a.Sign(template, key.Public())
	if err != nil {
		return nil, nil, err
	}
	return append(pki.EncodeCertificate(der), a.PEM()...), key, nil
}
