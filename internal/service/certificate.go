package service

import (
	"crypto/tls"
	"fmt"
	"os"

	"holdfast.dev/holdfast/internal/signin/pki"
	"holdfast.dev/holdfast/internal/signin/servercert"
)

// identity is the certificate of the service's listeners, and the PEM that
// clients trust it by; empty when that is a public authority.
type identity struct {
	certificate tls.Certificate
	ca          string
}

// loadIdentity reads the configured certificate, or one of the service's own.
func loadIdentity(o Options) (identity, error) {
	if o.TLSCert == "" {
		certificate, ca, err := servercert.Load(o.path("tls"), o.Advertise, o.signIn())
		return identity{certificate, string(ca)}, err
	}
	certificate, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey)
	if err != nil {
		return identity{}, fmt.Errorf("TLS certificate: %w", err)
	}
	if o.TLSCA == "" {
		return identity{certificate: certificate}, nil
	}
	ca, err := os.ReadFile(o.TLSCA)
	if err != nil {
		return identity{}, fmt.Errorf("TLS authority: %w", err)
	}
	return identity{certificate, string(ca)}, nil
}

func (i identity) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &i.certificate, nil }

// publicTLS are the settings of the public API: HTTP/2 and tools that do not
// speak TLS 1.3 yet.
func (i identity) publicTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: i.get}
}

// writeCA leaves the authority where people and tools find it.
func (i identity) writeCA(path string) error {
	if i.ca == "" {
		return nil
	}
	return pki.WriteFile(path, []byte(i.ca), 0o644)
}
