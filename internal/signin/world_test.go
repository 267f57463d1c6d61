package signin_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/signin"
)

// key is made once: RSA keys are slow to make.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	dir, err := os.MkdirTemp("", "signin")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	k, err := signin.LoadKey(dir)
	if err != nil {
		panic(err)
	}
	return k
})

type world struct {
	*httptest.Server
	*signin.Service
	signin.Principals
	t     *testing.T
	clock *clock.Manual
	store catalog.Store
	log   *strings.Builder
}

// newWorld serves sign-in before an ARM server with one open and one closed type.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewManual(time.Now()), store: catalogtest.NewMemory(), log: &strings.Builder{}}
	var front http.Handler
	w.Server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { front.ServeHTTP(rw, r) }))
	t.Cleanup(w.Close)
	log := slog.New(slog.NewTextHandler(w.log, nil))
	tenant, err := signin.EnsureTenant(context.Background(), w.store, "")
	if err != nil {
		t.Fatal(err)
	}
	w.Service = signin.New(signin.Config{Store: w.store, Clock: w.clock, Log: log, Key: key(), TenantID: tenant,
		BaseURL: w.URL, Audiences: []string{"https://management.example/"}})
	w.Principals = signin.Principals{Store: w.store, Clock: w.clock, TenantID: tenant}
	whoami := func(_ context.Context, r *arm.Request) (*arm.Response, error) { return arm.OK(r.Principal), nil }
	server, err := arm.New(arm.Config{
		Types: []arm.Type{
			{Name: "A.B/me", Path: "/subscriptions/{subscription}/providers/A.B/me/{name}", Get: whoami},
		},
		Authenticator: w.Service, Assignments: inventory.Grants{Store: w.store}, Store: w.store, Clock: w.clock, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	front = w.Front(server)
	return w
}

func (w *world) bootstrap() signin.Credentials {
	w.t.Helper()
	c, created, err := w.Bootstrap(context.Background(), "sub1", "Default")
	if err != nil || !created {
		w.t.Fatal(created, err)
	}
	return c
}

func (w *world) get(path, token string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	return w.send(req)
}

func (w *world) send(req *http.Request) (*http.Response, string) {
	w.t.Helper()
	resp, err := w.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(body)
}

func (w *world) form(c signin.Credentials) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {c.ClientID}, "client_secret": {c.Secret}, "scope": {w.URL + "/.default"}}
}

// ask posts a token request and returns its answer as a map.
func (w *world) ask(path string, form url.Values) (int, map[string]any) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, w.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, body := w.send(req)
	doc := map[string]any{}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		w.t.Fatalf("%d %s: %v", resp.StatusCode, body, err)
	}
	if resp.Header.Get("Cache-Control") != "no-store" {
		w.t.Error("the answer may be kept by a proxy")
	}
	return resp.StatusCode, doc
}

func (w *world) tokenFor(c signin.Credentials) string {
	w.t.Helper()
	status, doc := w.ask("/"+w.TenantID+"/oauth2/v2.0/token", w.form(c))
	token, ok := doc["access_token"].(string)
	if status != http.StatusOK || !ok {
		w.t.Fatalf("%d %v", status, doc)
	}
	return token
}

const me = "/subscriptions/sub1/providers/A.B/me/x?api-version=2025-01-01"

// dumpOf is everything the sign-in keeps, as text.
func dumpOf(t *testing.T, store catalog.Store) string {
	t.Helper()
	var b strings.Builder
	err := store.View(context.Background(), func(tx catalog.Tx) error {
		for _, kind := range []string{"serviceprincipal", "roleassignment", "tenant"} {
			docs, err := tx.List(catalog.Query{Kind: kind})
			if err != nil {
				return err
			}
			for _, d := range docs {
				b.Write(d.Body)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
