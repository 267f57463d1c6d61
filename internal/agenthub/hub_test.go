package agenthub_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agenthub"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
)

const cluster = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"

var begin = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// world is a hub behind TLS with an agent of each role.
type world struct {
	t        *testing.T
	store    *catalogtest.Memory
	clock    *clock.Manual
	bell     *agentops.Bell
	server   *httptest.Server
	complete func(context.Context, agentops.Operation) (json.RawMessage, error)
	clients  map[string]*http.Client // by the name in the certificate
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: catalogtest.NewMemory(), clock: clock.NewManual(begin), bell: &agentops.Bell{}, clients: map[string]*http.Client{}}
	w.complete = func(context.Context, agentops.Operation) (json.RawMessage, error) {
		return json.RawMessage(`{"secret":"s3"}`), nil
	}
	hub := agenthub.New(agenthub.Config{Store: w.store, Clock: w.clock, Log: slog.New(slog.DiscardHandler), Bell: w.bell,
		Registrar: names{}, Completer: w})
	w.server = httptest.NewUnstartedServer(hub)
	w.server.TLS = agenthub.TLS(nil)
	w.server.TLS.GetCertificate = nil // the test server brings its own
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	for _, name := range []string{"connector", "extension", "stranger"} {
		w.clients[name] = w.client(name)
	}
	w.clients[""] = w.server.Client()
	w.update(func(tx catalog.Tx) error {
		return inventory.Clusters.Put(tx, &backup.Cluster{Meta: backup.Meta{ID: cluster}})
	})
	return w
}

// Complete is the world's completer.
func (w *world) Complete(ctx context.Context, o agentops.Operation) (json.RawMessage, error) {
	return w.complete(ctx, o)
}

// names is a registrar for which the common name of a certificate is its role.
type names struct{}

func (names) Enrol(_ context.Context, token, _ string) (agenthub.Credential, error) {
	if token != "good" {
		return agenthub.Credential{}, &agentv1.Problem{Code: "InvalidEnrolmentToken", Message: "no"}
	}
	return agenthub.Credential{Agent: agenthub.Agent{ClusterID: cluster, Role: agentv1.RoleConnector}, Certificate: "PEM", RenewAfter: begin}, nil
}

func (names) Renew(_ context.Context, agent agenthub.Agent, csr string) (agenthub.Credential, error) {
	return agenthub.Credential{Agent: agent, Certificate: "renewed " + csr}, nil
}

func (names) Identify(_ context.Context, certificate *x509.Certificate) (agenthub.Agent, error) {
	role := agentv1.Role(certificate.Subject.CommonName)
	if role != agentv1.RoleConnector && role != agentv1.RoleExtension {
		return agenthub.Agent{}, &agentv1.Problem{Code: "Expired", Message: "not ours"}
	}
	return agenthub.Agent{ClusterID: cluster, Role: role}, nil
}

// client returns a client whose certificate has the name.
func (w *world) client(name string) *http.Client {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(w.server.Certificate())
	settings := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	transport := &http.Transport{TLSClientConfig: settings}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (w *world) update(fn func(catalog.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// post sends body as the named agent and decodes the answer into out.
func (w *world) post(as, path string, body, out any) (status int, problem agentv1.Problem) {
	w.t.Helper()
	status, raw, err := w.send(w.t.Context(), as, path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if status >= 300 {
		var refused agentv1.ErrorResponse
		if err := json.Unmarshal(raw, &refused); err != nil || refused.Error.Message == "" {
			w.t.Fatalf("%s: %d with the body %s", path, status, raw)
		}
		return status, refused.Error
	}
	if out != nil && status != http.StatusNoContent {
		if err := json.Unmarshal(raw, out); err != nil {
			w.t.Fatalf("%s: %s: %v", path, raw, err)
		}
	}
	return status, problem
}

func (w *world) send(ctx context.Context, as, path string, body any) (int, []byte, error) {
	raw, isRaw := body.([]byte)
	if !isRaw {
		raw, _ = json.Marshal(body)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.server.URL+path, bytes.NewReader(raw))
	if err != nil {
		return 0, nil, err
	}
	response, err := w.clients[as].Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	raw, err = io.ReadAll(response.Body)
	return response.StatusCode, raw, err
}

// put posts an operation for the extension, without ringing.
func (w *world) put(id string) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		_, err := agentops.Post(tx, w.clock.Now(), agentops.Operation{ID: id, ClusterID: cluster, Role: agentv1.RoleExtension,
			Kind: agentv1.KindBackup, Spec: json.RawMessage(`{}`), Deadline: begin.Add(time.Hour), Wake: catalog.Job{Kind: "backup", Args: []byte(`{}`), UniqueKey: id}})
		return err
	})
}

func (w *world) get(id string) (o agentops.Operation) {
	w.t.Helper()
	err := w.store.View(context.Background(), func(tx catalog.Tx) (err error) { o, err = agentops.Get(tx, id); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// claim claims as the extension and returns nil when there is nothing.
func (w *world) claim(wait int) *agentv1.Operation {
	w.t.Helper()
	operation := &agentv1.Operation{}
	status, problem := w.post("extension", agentv1.PathClaim, agentv1.ClaimRequest{Capability: 1, WaitSeconds: wait}, operation)
	switch status {
	case http.StatusOK:
		return operation
	case http.StatusNoContent:
		return nil
	}
	w.t.Fatalf("claim: %d %+v", status, problem)
	return nil
}

func path(pattern, id string) string { return strings.Replace(pattern, "{id}", id, 1) }

func TestClaimExtendFinish(t *testing.T) {
	w := newWorld(t)
	if o := w.claim(0); o != nil {
		t.Fatalf("claimed %+v of nothing", o)
	}
	w.put("a")
	o := w.claim(0)
	if o == nil || o.ID != "a" || o.Lease.Seconds != 20 || string(o.Spec) != `{"secret":"s3"}` {
		t.Fatalf("claimed %+v", o)
	}
	var extended agentv1.ExtendResponse
	w.post("extension", path(agentv1.PathExtend, "a"), agentv1.ExtendRequest{LeaseToken: o.Lease.Token, Progress: &agentv1.Progress{Phase: "Collect"}}, &extended)
	if extended.LeaseSeconds != 20 || extended.CancelRequested || w.get("a").Progress.Phase != "Collect" {
		t.Fatalf("extended %+v", extended)
	}
	w.update(func(tx catalog.Tx) error { return agentops.Cancel(tx, w.clock.Now(), "a") })
	w.post("extension", path(agentv1.PathExtend, "a"), agentv1.ExtendRequest{LeaseToken: o.Lease.Token}, &extended)
	if !extended.CancelRequested {
		t.Fatal("the agent was not told to stop")
	}
	finish := agentv1.FinishRequest{LeaseToken: o.Lease.Token, Outcome: agentv1.OutcomeCancelled}
	for range 2 {
		if status, problem := w.post("extension", path(agentv1.PathFinish, "a"), finish, nil); status != http.StatusNoContent {
			t.Fatalf("finish: %d %+v", status, problem)
		}
	}
	finish.LeaseToken = "another"
	if status, problem := w.post("extension", path(agentv1.PathFinish, "a"), finish, nil); status != http.StatusConflict || problem.Code != "LeaseLost" {
		t.Fatalf("finish with a lost lease: %d %+v", status, problem)
	}
}

func TestLongPollIsRungFor(t *testing.T) {
	w := newWorld(t)
	go func() {
		time.Sleep(200 * time.Millisecond)
		w.put("a")
		w.bell.Ring(agentops.Line(cluster, agentv1.RoleExtension))
	}()
	started := time.Now()
	if o := w.claim(30); o == nil || time.Since(started) > 25*time.Second {
		t.Fatalf("claimed %+v after %v", o, time.Since(started))
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.put("a")
	o := w.claim(0)
	extend, claim := agentv1.ExtendRequest{LeaseToken: o.Lease.Token}, agentv1.ClaimRequest{Capability: 1}
	cases := []struct {
		name, as, path string
		body           any
		status         int
		code           string
	}{
		{"no certificate", "", agentv1.PathClaim, claim, 401, "Unauthorized"},
		{"another's certificate", "stranger", agentv1.PathClaim, claim, 401, "Unauthorized"},
		{"bad token", "", agentv1.PathEnrol, agentv1.EnrolRequest{Token: "bad", Capability: 1}, 400, "InvalidEnrolmentToken"},
		{"enrol too old", "", agentv1.PathEnrol, agentv1.EnrolRequest{Token: "good"}, 400, "CapabilityNotSupported"},
		{"claim too old", "extension", agentv1.PathClaim, agentv1.ClaimRequest{}, 400, "CapabilityNotSupported"},
		{"another role's operation", "connector", path(agentv1.PathExtend, "a"), extend, 409, "LeaseLost"},
		{"unknown operation", "extension", path(agentv1.PathExtend, "zz"), extend, 409, "LeaseLost"},
		{"unknown outcome", "extension", path(agentv1.PathFinish, "a"), agentv1.FinishRequest{LeaseToken: o.Lease.Token, Outcome: "Maybe"}, 400, "BadRequest"},
		{"no JSON", "extension", agentv1.PathClaim, []byte("{"), 400, "BadRequest"},
		{"too large", "", agentv1.PathEnrol, agentv1.EnrolRequest{Token: strings.Repeat("x", 100<<10)}, 413, "RequestTooLarge"},
		{"unknown path", "extension", "/agent/v1/steal", claim, 404, "NotFound"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if status, problem := w.post(c.as, c.path, c.body, nil); status != c.status || problem.Code != c.code {
				t.Fatalf("%d %+v, want %d %s", status, problem, c.status, c.code)
			}
		})
	}
	if got := w.get("a"); got.State != agentops.Leased {
		t.Fatalf("operation = %+v", got)
	}
}

func TestEnrolAndRenew(t *testing.T) {
	w := newWorld(t)
	var answer agentv1.EnrolResponse
	w.post("", agentv1.PathEnrol, agentv1.EnrolRequest{Token: "good", Capability: 1, Facts: agentv1.ClusterFacts{Nodes: 3}}, &answer)
	if answer.ClusterID != cluster || answer.Certificate != "PEM" || answer.Role != agentv1.RoleConnector {
		t.Fatalf("enrolled as %+v", answer)
	}
	w.post("extension", agentv1.PathRenew, agentv1.RenewRequest{CSR: "csr"}, &answer)
	if answer.Certificate != "renewed csr" || answer.Role != agentv1.RoleExtension {
		t.Fatalf("renewed as %+v", answer)
	}
	w.clock.Advance(time.Minute)
	w.post("connector", agentv1.PathClaim, agentv1.ClaimRequest{Capability: 2, Facts: agentv1.ClusterFacts{Nodes: 4},
		Health: &agentv1.Health{Problems: []agentv1.Problem{{Code: "X"}}}}, nil)
	var seen *backup.Connection
	w.update(func(tx catalog.Tx) (err error) {
		seen, err = inventory.Connections.Get(tx, backup.ConnectionID(cluster, backup.RoleConnector))
		return err
	})
	if !seen.LastSeen.Equal(begin.Add(time.Minute)) || seen.Facts.Nodes != 4 || seen.Health.Problems[0].Code != "X" {
		t.Fatalf("connection = %+v", seen)
	}
}

func TestDeletedClusterIsTurnedAway(t *testing.T) {
	w := newWorld(t)
	w.update(func(tx catalog.Tx) error { return inventory.Clusters.Delete(tx, cluster) })
	if status, _ := w.post("extension", agentv1.PathClaim, agentv1.ClaimRequest{Capability: 1}, nil); status != http.StatusUnauthorized {
		t.Fatalf("claim of a deleted cluster: %d", status)
	}
}

func TestImpossibleOperationEnds(t *testing.T) {
	w := newWorld(t)
	w.complete = func(context.Context, agentops.Operation) (json.RawMessage, error) {
		return nil, &agentv1.Problem{Code: "Gone", Message: "the account does not exist"}
	}
	w.put("a")
	if o := w.claim(0); o != nil {
		t.Fatalf("claimed %+v", o)
	}
	if o := w.get("a"); o.State != agentops.Finished || o.Problem.Code != "Gone" || len(w.store.Jobs()) != 1 {
		t.Fatalf("operation = %+v", o)
	}
}

func TestFailedCompletionLeavesTheOperation(t *testing.T) {
	w := newWorld(t)
	w.complete = func(context.Context, agentops.Operation) (json.RawMessage, error) {
		return nil, errors.New("the key file is locked: SECRET")
	}
	w.put("a")
	status, problem := w.post("extension", agentv1.PathClaim, agentv1.ClaimRequest{Capability: 1}, nil)
	if status != http.StatusInternalServerError || strings.Contains(problem.Message, "SECRET") {
		t.Fatalf("claim: %d %+v", status, problem)
	}
	if o := w.get("a"); o.State != agentops.Pending {
		t.Fatalf("operation = %+v", o)
	}
}

// An agent that goes away while it is being answered leaves the operation to
// the next at once.
func TestCallerGoneGivesBack(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var gone atomic.Bool
	released := make(chan struct{})
	w.complete = func(call context.Context, _ agentops.Operation) (json.RawMessage, error) {
		if gone.CompareAndSwap(false, true) {
			cancel()
			<-call.Done() // the server has noticed
			defer close(released)
		}
		return json.RawMessage(`{}`), nil
	}
	w.put("a")
	// The end of the answer, with nothing in it, may be quicker than the end of the call.
	if _, answer, err := w.send(ctx, "extension", agentv1.PathClaim, agentv1.ClaimRequest{Capability: 1}); err == nil && len(answer) > 0 {
		t.Fatalf("the call was answered: %s", answer)
	}
	<-released
	for end := time.Now().Add(time.Minute); w.get("a").State != agentops.Pending; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("operation = %+v", w.get("a"))
		}
	}
	if o := w.claim(0); o == nil {
		t.Fatal("the operation was not offered again")
	}
}
