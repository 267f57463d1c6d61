// Package agentcert lets programs in clusters prove who they are: a one-time
// token is exchanged for a client certificate, which is renewed with itself
// before it ends.
package agentcert

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/resourceid"
	"holdfast.dev/holdfast/internal/signin/pki"
)

// Life is how long a client certificate is good for; it should be renewed
// after two thirds of it.
const Life = 24 * time.Hour

// scheme and host of the URI that names an agent:
// holdfast://agent/{role}{cluster id}.
const (
	scheme = "holdfast"
	host   = "agent"
)

// ErrUnknown says that a request carries no certificate of ours.
var ErrUnknown = errors.New("no valid agent certificate")

// Agent is a program in a cluster.
type Agent struct {
	ClusterID string // full ARM id
	Role      agentv1.Role
}

// Principal is the agent as access and logs know it. It holds no roles.
func (a Agent) Principal() access.Principal {
	return access.Principal{ObjectID: a.uri().String(), Name: string(a.Role) + " of " + a.ClusterID, Kind: access.Agent}
}

func (a Agent) uri() *url.URL {
	return &url.URL{Scheme: scheme, Host: host, Path: "/" + string(a.Role) + a.ClusterID}
}

// Authority issues and checks agent certificates.
type Authority struct {
	authority *pki.Authority
	clock     clock.Clock
}

// Load reads the authority from the directory, or makes it there.
func Load(dir string, clk clock.Clock) (*Authority, error) {
	a, err := pki.LoadAuthority(dir, "agent-ca", clk)
	if err != nil {
		return nil, err
	}
	return &Authority{a, clk}, nil
}

// Pool is for tls.Config.ClientCAs, with ClientAuth VerifyClientCertIfGiven.
func (a *Authority) Pool() *x509.CertPool { return a.authority.Pool() }

// Issue answers a certificate request: PEM of the certificate, and when it
// should be renewed. What the request says about its subject is ignored.
func (a *Authority) Issue(csr []byte, who Agent) (certificate []byte, renewAfter time.Time, err error) {
	if err := who.check(); err != nil {
		return nil, time.Time{}, err
	}
	block, _ := pem.Decode(csr)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, time.Time{}, errors.New("no PEM certificate request")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("certificate request: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, time.Time{}, fmt.Errorf("certificate request: %w", err)
	}
	if !strong(request.PublicKey) {
		return nil, time.Time{}, errors.New("certificate request: the key must be ECDSA P-256, P-384 or Ed25519")
	}
	now := a.clock.Now()
	der, err := a.authority.Sign(x509.Certificate{
		Subject:   pkix.Name{CommonName: "holdfast " + string(who.Role)},
		NotBefore: now.Add(-pki.Skew), NotAfter: now.Add(Life), URIs: []*url.URL{who.uri()},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, request.PublicKey)
	if err != nil {
		return nil, time.Time{}, err
	}
	return pki.EncodeCertificate(der), now.Add(Life * 2 / 3), nil
}

func strong(key any) bool {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256() || k.Curve == elliptic.P384()
	case ed25519.PublicKey:
		return true
	default:
		return false
	}
}

// check refuses agents that could not be named.
func (a Agent) check() error {
	if a.Role != agentv1.RoleConnector && a.Role != agentv1.RoleExtension {
		return fmt.Errorf("agent role %q is not known", a.Role)
	}
	id, err := resourceid.Parse(a.ClusterID)
	if err != nil || id.IsRoot() {
		return fmt.Errorf("cluster id %q of an agent is not valid", a.ClusterID)
	}
	return nil
}

// Authenticate names the agent by the certificate of the request's TLS
// connection. It fails with ErrUnknown.
func (a *Authority) Authenticate(r *http.Request) (Agent, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return Agent{}, fmt.Errorf("%w: none was sent", ErrUnknown)
	}
	return a.Identify(r.TLS.PeerCertificates[0])
}

// Identify checks a certificate and reads the agent out of it. It fails with
// ErrUnknown.
func (a *Authority) Identify(certificate *x509.Certificate) (Agent, error) {
	_, err := certificate.Verify(x509.VerifyOptions{Roots: a.Pool(), CurrentTime: a.clock.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return Agent{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if len(certificate.URIs) != 1 || certificate.URIs[0].Scheme != scheme || certificate.URIs[0].Host != host {
		return Agent{}, fmt.Errorf("%w: it names no agent", ErrUnknown)
	}
	role, cluster, _ := strings.Cut(strings.TrimPrefix(certificate.URIs[0].Path, "/"), "/")
	agent := Agent{ClusterID: "/" + cluster, Role: agentv1.Role(role)}
	if err := agent.check(); err != nil {
		return Agent{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return agent, nil
}
