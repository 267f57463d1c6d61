package service

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"holdfast.dev/holdfast/internal/signin/pki"
)

// soon is when the end of a certificate is worth a warning.
const soon = 14 * 24 * time.Hour

// certificates checks that those of the service and of the agents' authority
// are good now and for a while.
func (c *checker) certificates() {
	crt, key, remedy := c.path(filepath.Join("tls", "tls.crt")), c.path(filepath.Join("tls", "tls.key")), "restart the service, which makes a new one"
	if c.TLSCert != "" {
		crt, key, remedy = c.TLSCert, c.TLSKey, "put a new one in its place and restart the service"
	}
	pair, err := tls.LoadX509KeyPair(crt, key)
	c.certificate("certificate", pair.Leaf, err, remedy)
	authority, err := readCertificate(c.path(filepath.Join("tls", "agent-ca.crt")))
	c.certificate("agent authority", authority, err, "delete it and connect every cluster again")
}

func readCertificate(path string) (*x509.Certificate, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, plain(err)
	}
	certificate, err := pki.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certificate, nil
}

func (c *checker) certificate(check string, leaf *x509.Certificate, err error, remedy string) {
	if err != nil {
		c.add(check, Problem, "%v; %s", plain(err), remedy)
		return
	}
	now, ends := c.signIn().Now(), leaf.NotAfter.Format(time.RFC3339)
	switch {
	case now.Before(leaf.NotBefore):
		c.add(check, Problem, "good only from %s: is the clock of this machine right?", leaf.NotBefore.Format(time.RFC3339))
	case now.After(leaf.NotAfter):
		c.add(check, Problem, "ended on %s: %s", ends, remedy)
	case now.Add(soon).After(leaf.NotAfter):
		c.add(check, Warning, "ends on %s: %s", ends, remedy)
	default:
		c.add(check, OK, "good until %s", ends)
	}
}
