package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/signin/agentcert"
)

const clusterID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"

// csr returns a certificate request for a new key.
func csr(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// A token is good for one key: also again, when the answer was lost, but not
// for another key and not for ever.
func TestTokenIsGoodForOneKey(t *testing.T) {
	clk := clock.NewManual(time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC))
	authority, err := agentcert.Load(t.TempDir(), clk)
	if err != nil {
		t.Fatal(err)
	}
	store := catalogtest.NewMemory()
	r := registrar{store, authority, enrolments{agentcert.Enrolments{Clock: clk}}, "CA"}
	var token string
	err = store.Update(t.Context(), func(tx catalog.Tx) (err error) {
		token, _, err = r.enrolments.IssueEnrolment(tx, clusterID, string(agentv1.RoleConnector))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	first, other := csr(t), csr(t)
	refused := func(token, csr string) {
		t.Helper()
		_, err := r.Enrol(t.Context(), token, csr)
		var problem *agentv1.Problem
		if !errors.As(err, &problem) || problem.Code != "InvalidEnrolmentToken" {
			t.Fatalf("Enrol = %v, want a refusal", err)
		}
	}
	refused("unknown", first)
	for range 2 {
		c, err := r.Enrol(t.Context(), token, first)
		if err != nil || c.ClusterID != clusterID || c.Role != agentv1.RoleConnector || c.CA != "CA" {
			t.Fatalf("Enrol = %+v, %v", c, err)
		}
		block, _ := pem.Decode([]byte(c.Certificate))
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if agent, err := r.Identify(t.Context(), certificate); err != nil || agent != c.Agent {
			t.Fatalf("Identify = %+v, %v", agent, err)
		}
	}
	refused(token, other)
	clk.Advance(agentcert.TokenLife)
	refused(token, first)
	if err := store.Update(t.Context(), r.enrolments.Prune); err != nil {
		t.Fatal(err)
	}
	err = store.View(t.Context(), func(tx catalog.Tx) error {
		if docs, err := tx.List(catalog.Query{Kind: kindEnrolled}); err != nil || len(docs) != 0 {
			t.Errorf("%d used tokens left, %v", len(docs), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBadRequestsOfCertificates(t *testing.T) {
	r := registrar{store: catalogtest.NewMemory()}
	for name, csr := range map[string]string{
		"nothing": "", "no PEM": "hello",
		"no request": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte("x")})),
	} {
		var problem *agentv1.Problem
		if _, err := r.Enrol(t.Context(), "t", csr); !errors.As(err, &problem) || problem.Code != "InvalidCertificateRequest" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
