package servercert_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/signin/servercert"
)

func load(t *testing.T, dir string, clk clock.Clock, hosts ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	pair, ca, err := servercert.Load(dir, hosts, clk)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no authority")
	}
	return pair, pool
}

func TestHandshake(t *testing.T) {
	pair, pool := load(t, t.TempDir(), clock.System{}, "localhost", "127.0.0.1", "backup.example")
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, host := range []string{"localhost", "127.0.0.1", "backup.example"} {
		if err := pair.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
}

func TestKeptUntilItDoesNotServe(t *testing.T) {
	dir, clk := t.TempDir(), clock.NewManual(time.Now())
	first, pool := load(t, dir, clk, "localhost")
	same := func(what string, want bool, hosts ...string) {
		t.Helper()
		next, _ := load(t, dir, clk, hosts...)
		if got := next.Leaf.Equal(first.Leaf); got != want {
			t.Errorf("%s: same certificate is %v", what, got)
		}
		if _, err := next.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: clk.Now()}); err != nil {
			t.Errorf("%s: clients that trusted the service no longer do: %v", what, err)
		}
		first = next
	}
	same("restart", true, "localhost")
	same("another host", false, "localhost", "backup.example")
	same("fewer hosts", true, "backup.example")
	clk.Advance(340 * 24 * time.Hour)
	same("near its end", false, "backup.example")
	if err := os.Remove(filepath.Join(dir, "tls.key")); err != nil {
		t.Fatal(err)
	}
	same("key lost", false, "backup.example")
}

func TestFaults(t *testing.T) {
	if _, _, err := servercert.Load(t.TempDir(), nil, clock.System{}); err == nil {
		t.Error("a certificate for nobody")
	}
	dir := t.TempDir()
	load(t, dir, clock.System{}, "localhost")
	if info, err := os.Stat(filepath.Join(dir, "tls-ca.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("the authority's key can be read by others", err)
	}
	for _, file := range []string{"tls-ca.key", "tls-ca.crt"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := servercert.Load(dir, []string{"localhost"}, clock.System{}); err == nil {
			t.Errorf("a broken %s was replaced silently", file)
		}
	}
}
