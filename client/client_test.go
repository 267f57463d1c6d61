package client

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// service is a server with a certificate of its own and a token endpoint.
func service(t *testing.T, mux *http.ServeMux) (*Client, *httptest.Server) {
	t.Helper()
	srv := httptest.NewTLSServer(mux)
	t.Cleanup(srv.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	token, err := ClientCredentials(Credentials{Address: srv.URL, CA: ca, Tenant: "t", ClientID: "id", Secret: "right"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Address: srv.URL, CA: ca, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c, srv
}

func tokens(mux *http.ServeMux, asked *atomic.Int64) {
	mux.HandleFunc("POST /t/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.FormValue("client_secret") != "right" || r.FormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"wrong secret"}`)
			return
		}
		fmt.Fprint(w, `{"access_token":"abc","token_type":"Bearer","expires_in":3600}`)
	})
}

func TestTokenIsAskedOnceAndSent(t *testing.T) {
	var asked atomic.Int64
	mux := http.NewServeMux()
	tokens(mux, &asked)
	mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer abc" || r.URL.Query().Get("api-version") != "2025-09-01" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	c, _ := service(t, mux)
	for range 3 {
		if _, err := c.Do(context.Background(), http.MethodGet, "/x", "2025-09-01", nil); err != nil {
			t.Fatal(err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked for %d tokens, want 1", asked.Load())
	}
}

func TestWrongSecretSaysSo(t *testing.T) {
	var asked atomic.Int64
	mux := http.NewServeMux()
	tokens(mux, &asked)
	c, srv := service(t, mux)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	token, err := ClientCredentials(Credentials{Address: srv.URL, CA: ca, Tenant: "t", ClientID: "id", Secret: "wrong"})
	if err != nil {
		t.Fatal(err)
	}
	c.token = token
	_, err = c.Do(context.Background(), http.MethodGet, "/x", "v", nil)
	var e *Error
	if !errors.As(err, &e) || e.Code != "invalid_client" || e.Status != http.StatusUnauthorized {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "wrong\"") {
		t.Errorf("the secret is in the error: %v", err)
	}
}

func TestErrorDocument(t *testing.T) {
	mux := http.NewServeMux()
	var asked atomic.Int64
	tokens(mux, &asked)
	mux.HandleFunc("GET /x", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"code":"BMSUserErrorInvalidInput","message":"no","target":"a","additionalInfo":[{"type":"UserFacingError","info":{"recommendedAction":["do this"]}}]}}`)
	})
	mux.HandleFunc("GET /gone", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"code":"ResourceNotFound","message":"gone"}}`)
	})
	mux.HandleFunc("GET /html", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, `<html>proxy</html>`)
	})
	c, _ := service(t, mux)
	_, err := c.Do(context.Background(), http.MethodGet, "/x", "v", nil)
	var e *Error
	if !errors.As(err, &e) || e.Code != "BMSUserErrorInvalidInput" || e.Target != "a" || len(e.Actions) != 1 || e.Actions[0] != "do this" {
		t.Fatalf("got %+v", err)
	}
	if _, err = c.Do(context.Background(), http.MethodGet, "/gone", "v", nil); !IsNotFound(err) {
		t.Errorf("not found is not seen as such: %v", err)
	}
	if _, err = c.Do(context.Background(), http.MethodGet, "/html", "v", nil); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("an answer without a document: %v", err)
	}
}

func TestTokenNeverGoesToAnotherHost(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked.Store(r.Header.Get("Authorization") != "")
	}))
	defer other.Close()
	var asked atomic.Int64
	mux := http.NewServeMux()
	tokens(mux, &asked)
	mux.HandleFunc("POST /start", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Azure-AsyncOperation", other.URL+"/op")
		w.WriteHeader(http.StatusAccepted)
	})
	c, _ := service(t, mux)
	resp, err := c.Do(context.Background(), http.MethodPost, "/start", "v", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = c.Wait(context.Background(), resp, nil); err == nil || leaked.Load() {
		t.Fatalf("followed to another host: %v", err)
	}
}

// operation answers as one that runs for two looks and then ends.
func operation(mux *http.ServeMux, end string) {
	var looks atomic.Int64
	mux.HandleFunc("POST /start", func(w http.ResponseWriter, r *http.Request) {
		base := "https://" + r.Host
		w.Header().Set("Azure-AsyncOperation", base+"/status?api-version=v")
		w.Header().Set("Location", base+"/result?api-version=v")
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		if looks.Add(1) < 3 {
			fmt.Fprint(w, `{"name":"op","status":"Inprogress","properties":{"jobId":"/jobs/1"}}`)
			return
		}
		fmt.Fprint(w, end)
	})
	mux.HandleFunc("GET /result", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"jobId":"/jobs/1"}`) })
}

func TestWait(t *testing.T) {
	for name, tc := range map[string]struct {
		end, code, result string
	}{
		"succeeded": {`{"name":"op","status":"Succeeded"}`, "", `{"jobId":"/jobs/1"}`},
		"failed":    {`{"name":"op","status":"Failed","error":{"code":"X","message":"broken"}}`, "X", ""},
		"cancelled": {`{"name":"op","status":"Canceled"}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			mux := http.NewServeMux()
			tokens(mux, &asked)
			operation(mux, tc.end)
			c, _ := service(t, mux)
			resp, err := c.Do(context.Background(), http.MethodPost, "/start", "v", nil)
			if err != nil {
				t.Fatal(err)
			}
			var job string
			status, result, err := c.Wait(context.Background(), resp, func(s *Status) {
				if id := s.JobID(); id != "" {
					job = id
				}
			})
			if job != "/jobs/1" || status == nil {
				t.Errorf("job %q, status %v", job, status)
			}
			var e *Error
			if (name == "succeeded") != (err == nil) || (err != nil && !errors.As(err, &e)) || (e != nil && e.Code != tc.code) {
				t.Errorf("error %v", err)
			}
			if string(result) != tc.result {
				t.Errorf("result %s", result)
			}
		})
	}
}

func TestWaitStopsWithItsContext(t *testing.T) {
	var asked atomic.Int64
	mux := http.NewServeMux()
	tokens(mux, &asked)
	operation(mux, `{"name":"op","status":"Inprogress"}`)
	c, _ := service(t, mux)
	resp, err := c.Do(context.Background(), http.MethodPost, "/start", "v", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, _, err = c.Wait(ctx, resp, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

func TestListFollowsPages(t *testing.T) {
	var asked atomic.Int64
	mux := http.NewServeMux()
	tokens(mux, &asked)
	mux.HandleFunc("GET /list", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("$skipToken") == "" {
			fmt.Fprintf(w, `{"value":[1,2],"nextLink":"https://%s/list?api-version=v&$skipToken=2"}`, r.Host)
			return
		}
		fmt.Fprint(w, `{"value":[3]}`)
	})
	c, _ := service(t, mux)
	var got []string
	for item, err := range c.List(context.Background(), "/list", "v") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(item))
	}
	if strings.Join(got, "") != "123" {
		t.Fatalf("got %v", got)
	}
	first := 0
	for range c.List(context.Background(), "/list", "v") {
		first++
		break
	}
	if first != 1 {
		t.Errorf("stopping early yields %d", first)
	}
}

func TestEncodeKeepsRawJSON(t *testing.T) {
	raw := json.RawMessage(`{"b":1, "a":9007199254740993}`)
	data, err := encode(raw)
	if err != nil || string(data) != string(raw) {
		t.Fatalf("%s %v", data, err)
	}
}

// What an operation waits for is told in sentences; notes and warnings are not.
func TestReasons(t *testing.T) {
	for properties, want := range map[string]string{
		``:               "[]",
		`{"jobId":"/j"}`: "[]",
		`{"statuses":[{"level":"Error","message":"no room"},{"level":"Warning","message":"not empty"}]}`: "[no room]",
	} {
		if got := fmt.Sprint((&Status{Properties: json.RawMessage(properties)}).Reasons()); got != want {
			t.Errorf("%s: %s", properties, got)
		}
	}
}
