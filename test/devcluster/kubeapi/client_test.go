package kubeapi

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/test/devcluster/pki"
)

// server answers with a certificate of a cluster's own authority and tells who called.
func server(t *testing.T) (*Client, *string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	if err := (pki.Cluster{Name: "x", Node: "x-node", NodeAddress: "127.0.0.1"}).Write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "admin.key")); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver.crt"), filepath.Join(dir, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	var caller string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			caller = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		if r.URL.Path != "/there" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(`{"name":"found"}`))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	client, err := New(dir, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return client, &caller
}

func TestGet(t *testing.T) {
	client, caller := server(t)
	var answer struct{ Name string }
	if err := client.Get(context.Background(), "/there", &answer); err != nil || answer.Name != "found" {
		t.Fatalf("got %+v, %v", answer, err)
	}
	if *caller != "kubernetes-admin" {
		t.Fatalf("called as %q", *caller)
	}
	if err := client.Get(context.Background(), "/absent", nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Fatalf("got %v", err)
	}
}

func TestWaitTellsWhatWasMissing(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
	defer cancel()
	reason := errors.New("still cold")
	err := Wait(ctx, "the coffee", func(context.Context) error { return reason })
	if !errors.Is(err, reason) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the coffee") {
		t.Fatalf("got %v", err)
	}
	tries := 0
	err = Wait(context.Background(), "the third try", func(context.Context) error {
		if tries++; tries < 3 {
			return ErrNotYet
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Fatalf("%d tries, %v", tries, err)
	}
}
