package agentcert_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/resourceid"
	"holdfast.dev/holdfast/internal/signin/agentcert"
	"holdfast.dev/holdfast/internal/signin/pki"
)

const cluster = "/subscriptions/s/resourceGroups/r g/providers/Microsoft.ContainerService/managedClusters/K 1"

var extension = agentcert.Agent{ClusterID: cluster, Role: agentv1.RoleExtension}

func load(t *testing.T, clk clock.Clock) *agentcert.Authority {
	t.Helper()
	a, err := agentcert.Load(t.TempDir(), clk)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ecKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func csr(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	// What it says of itself must not matter.
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "somebody else"}, DNSNames: []string{"localhost"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func issue(t *testing.T, a *agentcert.Authority, key crypto.Signer, who agentcert.Agent) (*x509.Certificate, time.Time) {
	t.Helper()
	text, renew, err := a.Issue(csr(t, key), who)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := pki.ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, renew
}

func TestLifeOfACertificate(t *testing.T) {
	clk := clock.NewManual(time.Now().Truncate(time.Second))
	a := load(t, clk)
	certificate, renew := issue(t, a, ecKey(t, elliptic.P256()), extension)
	if renew != clk.Now().Add(16*time.Hour) || !certificate.NotAfter.Equal(clk.Now().Add(24*time.Hour)) {
		t.Error(renew, certificate.NotAfter)
	}
	if len(certificate.DNSNames) != 0 || certificate.Subject.CommonName != "holdfast extension" || certificate.IsCA {
		t.Errorf("%+v", certificate)
	}
	if got, err := a.Identify(certificate); err != nil || got != extension {
		t.Error(got, err)
	}
	clk.Advance(25 * time.Hour)
	if _, err := a.Identify(certificate); !errors.Is(err, agentcert.ErrUnknown) {
		t.Error("accepted after its end:", err)
	}
}

func TestOtherCertificatesAreUnknown(t *testing.T) {
	clk := clock.NewManual(time.Now())
	a, b := load(t, clk), load(t, clk)
	foreign, _ := issue(t, b, ecKey(t, elliptic.P256()), extension)
	if _, err := a.Identify(foreign); !errors.Is(err, agentcert.ErrUnknown) {
		t.Error("a certificate of another authority:", err)
	}
	if _, err := a.Authenticate(httptest.NewRequest("GET", "/", nil)); !errors.Is(err, agentcert.ErrUnknown) {
		t.Error("no TLS:", err)
	}
}

// A certificate of the same authority that is not an agent's is refused.
func TestOtherUsesAreUnknown(t *testing.T) {
	clk := clock.NewManual(time.Now())
	dir := t.TempDir()
	a, err := agentcert.Load(dir, clk)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := pki.LoadAuthority(dir, "agent-ca", clk)
	if err != nil {
		t.Fatal(err)
	}
	good, _ := issue(t, a, ecKey(t, elliptic.P256()), extension)
	for name, change := range map[string]func(*x509.Certificate){
		"server use": func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		"no name":    func(c *x509.Certificate) { c.URIs = nil },
		"two names":  func(c *x509.Certificate) { c.URIs = append(c.URIs, c.URIs[0]) },
		"role":       func(c *x509.Certificate) { u := *c.URIs[0]; u.Path = "/owner" + cluster; c.URIs[0] = &u },
		"no cluster": func(c *x509.Certificate) { u := *c.URIs[0]; u.Path = "/extension"; c.URIs[0] = &u },
		"scheme":     func(c *x509.Certificate) { u := *c.URIs[0]; u.Scheme = "https"; c.URIs[0] = &u },
	} {
		template := x509.Certificate{NotBefore: good.NotBefore, NotAfter: good.NotAfter, ExtKeyUsage: good.ExtKeyUsage, URIs: append(good.URIs[:0:0], good.URIs...)}
		change(&template)
		der, err := authority.Sign(template, good.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := a.Identify(certificate); !errors.Is(err, agentcert.ErrUnknown) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	a := load(t, clock.NewManual(time.Now()))
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := csr(t, ecKey(t, elliptic.P256()))
	changed := append([]byte(nil), good...)
	block, _ := pem.Decode(changed)
	block.Bytes[len(block.Bytes)-1] ^= 1
	for name, c := range map[string]struct {
		csr []byte
		who agentcert.Agent
	}{
		"no PEM":      {[]byte("x"), extension},
		"wrong PEM":   {[]byte(strings.ReplaceAll(string(good), "REQUEST", "THING")), extension},
		"bad DER":     {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte{1}}), extension},
		"not signed":  {pem.EncodeToMemory(block), extension},
		"RSA":         {csr(t, weak), extension},
		"small curve": {csr(t, ecKey(t, elliptic.P224())), extension},
		"role":        {good, agentcert.Agent{ClusterID: cluster, Role: "owner"}},
		"cluster":     {good, agentcert.Agent{ClusterID: "cluster", Role: agentv1.RoleConnector}},
		"root":        {good, agentcert.Agent{ClusterID: "/", Role: agentv1.RoleConnector}},
	} {
		if _, _, err := a.Issue(c.csr, c.who); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issue(t, a, ed, extension)
	issue(t, a, ecKey(t, elliptic.P384()), extension)
}

// A real handshake: with the certificate the agent is known, without it the
// same server still answers, as it does to people.
func TestHandshake(t *testing.T) {
	clk := clock.System{}
	dir := t.TempDir()
	if _, err := agentcert.Load(dir, clk); err != nil {
		t.Fatal(err)
	}
	a, err := agentcert.Load(dir, clk) // after a restart
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent, err := a.Authenticate(r)
		fmt.Fprintf(w, "%s %v", agent.Principal().Name, err)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: a.Pool()}
	server.StartTLS()
	defer server.Close()
	key := ecKey(t, elliptic.P256())
	certificate, _ := issue(t, a, key, extension)
	ask := func(certificates ...tls.Certificate) string {
		client := server.Client()
		client.Transport.(*http.Transport).TLSClientConfig.Certificates = certificates
		client.CloseIdleConnections()
		resp, err := client.Get(server.URL)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	if got := ask(tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}); got != "extension of "+cluster+" <nil>" {
		t.Error(got)
	}
	if got := ask(); !strings.Contains(got, agentcert.ErrUnknown.Error()) {
		t.Error(got)
	}
}

func TestAnAgentHoldsNoRoles(t *testing.T) {
	p := extension.Principal()
	if d := access.Decide(p, nil, "Microsoft.DataProtection/backupVaults/read", resourceid.Root); d.Allowed || p.Kind != access.Agent {
		t.Errorf("%+v %+v", d, p)
	}
}

func TestEnrolment(t *testing.T) {
	clk := clock.NewManual(time.Now())
	store := catalogtest.NewMemory()
	e := agentcert.Enrolments{Clock: clk}
	make := func(id string, role agentv1.Role) (token string, err error) {
		err = store.Update(context.Background(), func(tx catalog.Tx) error {
			var err error
			token, _, err = e.IssueEnrolment(tx, id, string(role))
			return err
		})
		return token, err
	}
	redeem := func(token string) (agent agentcert.Agent, err error) {
		err = store.Update(context.Background(), func(tx catalog.Tx) error {
			agent, err = e.Redeem(tx, token)
			return err
		})
		return agent, err
	}
	token, err := make(cluster, agentv1.RoleExtension)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := redeem(token); err != nil || got != extension {
		t.Error(got, err)
	}
	if _, err := redeem(token); !errors.Is(err, agentcert.ErrToken) {
		t.Error("used twice:", err)
	}
	for _, wrong := range []string{"", "x", strings.ToUpper(token)} {
		if _, err := redeem(wrong); !errors.Is(err, agentcert.ErrToken) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	late, _ := make(cluster, agentv1.RoleConnector)
	clk.Advance(agentcert.TokenLife)
	if _, err := redeem(late); !errors.Is(err, agentcert.ErrToken) {
		t.Error("used after its end:", err)
	}
	if err := store.Update(context.Background(), e.Prune); err != nil {
		t.Error(err)
	}
	if _, err := make(cluster, "owner"); err == nil {
		t.Error("a token for an unknown role")
	}
	again, _ := make(cluster, agentv1.RoleExtension)
	undone := errors.New("undone")
	if err := store.Update(context.Background(), func(tx catalog.Tx) error {
		_, err := e.Redeem(tx, again)
		return errors.Join(err, undone)
	}); !errors.Is(err, undone) {
		t.Error(err)
	}
	if _, err := redeem(again); err != nil {
		t.Error("used up by a transaction that rolled back:", err)
	}
}
