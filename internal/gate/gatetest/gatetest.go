// Package gatetest runs a real gate over TLS for tests: over any store, with a
// clock and operations that a test can move.
package gatetest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/objstore"
)

// Cluster is the cluster that World.Grant is for; Prefix is where its objects lie.
const (
	Cluster = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"
	Prefix  = "repositories/00112233445566778899aabbccddeeff/"
)

// Options change a world from the usual one.
type Options struct {
	AnyName bool // names that are not a repository's are let through
	Limits  gate.Limits
	Life    time.Duration // of grants; 0 means the usual
	// Keys sign grants; none means one of the world's own.
	Keys []grants.Key
	Log  io.Writer // of the gate; nil for none
	// Host is the address of this machine to listen at, for callers in pods;
	// empty means loopback.
	Host string
}

// World is a running gate. It knows the store "vault" and every operation that
// was not ended.
type World struct {
	Store  objstore.Store // what lies behind
	Clock  *clock.Manual  // of grants
	Issuer *grants.Issuer
	URL    string
	CA     string // PEM

	t     testing.TB
	mu    sync.Mutex
	front func(http.ResponseWriter, *http.Request, http.Handler)
	ended map[string]bool
	down  error
}

// New starts a gate over store for the length of a test.
func New(t testing.TB, store objstore.Store, o Options) *World {
	t.Helper()
	w := &World{Store: store, Clock: clock.NewManual(time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)), t: t, ended: map[string]bool{}}
	names := gate.RepositoryNames
	if o.AnyName {
		names = func(grants.Grant, string, bool) bool { return true }
	}
	log := slog.New(slog.DiscardHandler)
	if o.Log != nil {
		log = slog.New(slog.NewTextHandler(o.Log, nil))
	}
	if len(o.Keys) == 0 {
		o.Keys = []grants.Key{{ID: "1", Secret: bytes.Repeat([]byte{7}, 32)}}
	}
	server := httptest.NewUnstartedServer(nil)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	if o.Host != "" {
		listenAt(t, server, o.Host)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	w.URL, w.CA = server.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	var err error
	if w.Issuer, err = grants.NewIssuer(grants.Config{Keys: o.Keys, Clock: w.Clock, URL: w.URL, CA: w.CA, Life: o.Life}); err != nil {
		t.Fatal(err)
	}
	behind := gate.New(gate.Config{Issuer: w.Issuer, Stores: w, Operations: w, Certificates: w, Names: names,
		Clock: w.Clock, Log: log, Limits: o.Limits})
	server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		front := w.front
		w.mu.Unlock()
		if front == nil {
			behind.ServeHTTP(rw, r)
			return
		}
		front(rw, r, behind)
	})
	return w
}

// listenAt makes a server listen at an address, with a certificate for it.
func listenAt(t testing.TB, server *httptest.Server, host string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener = listener
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "gate"}, IPAddresses: []net.IP{net.ParseIP(host)},
		NotAfter: clock.System{}.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	server.TLS.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
}

// Front puts something before the gate.
func (w *World) Front(front func(rw http.ResponseWriter, r *http.Request, gate http.Handler)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.front = front
}

// Open opens the store of a grant, for the gate.
func (w *World) Open(_ context.Context, ref string) (objstore.Store, error) {
	if ref != "vault" {
		return nil, objstore.ErrNoBucket
	}
	return w.Store, nil
}

// Alive answers for operations, to the gate.
func (w *World) Alive(_ context.Context, operationID string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.ended[operationID], w.down
}

// Cluster reads the common name of a certificate, for the gate.
func (w *World) Cluster(_ context.Context, certificate *x509.Certificate) (string, error) {
	if certificate.Subject.CommonName == "" {
		return "", errors.New("not an agent's certificate")
	}
	return certificate.Subject.CommonName, nil
}

// End ends an operation; the gate hears of it at once.
func (w *World) End(operationID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[operationID] = true
	w.Clock.Advance(time.Minute) // past what the gate remembers
}

// Break makes all questions after operations fail; nil mends it.
func (w *World) Break(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = err
	w.Clock.Advance(time.Minute)
}

// Usual is a grant to write the repository at Prefix, for the operation "op".
func Usual() grants.Grant {
	return grants.Grant{Operation: "op", Cluster: Cluster, Store: "vault", Prefix: Prefix, Rights: grants.Append,
		RecoveryPoint: "ffeeddccbbaa99887766554433221100"}
}

// Grant issues a grant.
func (w *World) Grant(g grants.Grant) agentv1.GateGrant {
	w.t.Helper()
	made, err := w.Issuer.Grant(g)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// Certificate returns a client certificate of the named cluster.
func Certificate(t testing.TB, cluster string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cluster}, NotAfter: clock.System{}.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
