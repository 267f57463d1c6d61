// Command server is Vault's own transit engine, and the SDK's own wording of
// errors, behind as much of Vault as a client of transit meets: tokens,
// namespaces, sealing, and sign-in by AppRole and Kubernetes. It is in memory.
//
//	server -listen HOST:PORT
//
// The token "root" may do everything. POST /test/seal and /test/unseal seal and
// unseal it; POST /test/expire ends all tokens that were signed in for.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/logical"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	v := &vault{engines: map[string]*engine{}, tokens: map[string]bool{}}
	server := &http.Server{Addr: *listen, Handler: v, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// engine is one mount of transit.
type engine struct {
	logical.Backend
	storage logical.Storage
}

type vault struct {
	mu      sync.Mutex
	engines map[string]*engine // by namespace and mount
	tokens  map[string]bool    // signed in for
	issued  int
	sealed  bool
}

// ServeHTTP answers one request at a time.
func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	var in map[string]any
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil && r.ContentLength > 0 {
			refuse(w, http.StatusBadRequest, "failed to parse JSON input: "+err.Error())
			return
		}
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/test/"):
		v.control(strings.TrimPrefix(r.URL.Path, "/test/"))
	case r.URL.Path == "/":
		w.Header().Set("Server", "holdfast test vault")
	case v.sealed:
		refuse(w, http.StatusServiceUnavailable, "Vault is sealed")
	case strings.HasPrefix(path, "auth/"):
		v.signIn(w, path, in)
	case r.Header.Get("X-Vault-Token") != "root" && !v.tokens[r.Header.Get("X-Vault-Token")]:
		refuse(w, http.StatusForbidden, "permission denied")
	default:
		v.engine(w, r, path, in)
	}
}

func (v *vault) control(what string) {
	switch what {
	case "seal", "unseal":
		v.sealed = what == "seal"
	case "expire":
		clear(v.tokens)
	}
}

// signIn gives a token for the one known secret of each method.
func (v *vault) signIn(w http.ResponseWriter, path string, in map[string]any) {
	switch {
	case path == "auth/approle/login" && in["role_id"] == "holdfast-role" && in["secret_id"] == "holdfast-secret":
	case path == "auth/kubernetes/login" && in["role"] == "holdfast" && in["jwt"] == "a.service.account":
	default:
		refuse(w, http.StatusBadRequest, "invalid role or secret ID")
		return
	}
	v.issued++
	token := "hvs." + strings.Repeat("x", v.issued)
	v.tokens[token] = true
	answer(w, map[string]any{"auth": map[string]any{"client_token": token, "lease_duration": 3600, "renewable": true}})
}

// engine hands a request to the transit engine of its namespace and mount,
// which is made at first use.
func (v *vault) engine(w http.ResponseWriter, r *http.Request, path string, in map[string]any) {
	mount, rest, _ := strings.Cut(path, "/")
	if !strings.HasPrefix(mount, "transit") {
		refuse(w, http.StatusNotFound, "no handler for route \""+path+"\". route entry not found.")
		return
	}
	name := r.Header.Get("X-Vault-Namespace") + "/" + mount
	if v.engines[name] == nil {
		made, err := newEngine(r.Context())
		if err != nil {
			refuse(w, http.StatusInternalServerError, err.Error())
			return
		}
		v.engines[name] = made
	}
	operation := map[string]logical.Operation{http.MethodGet: logical.ReadOperation, http.MethodDelete: logical.DeleteOperation}[r.Method]
	if operation == "" {
		operation = logical.UpdateOperation
	}
	request := &logical.Request{Operation: operation, Path: rest, Data: in, Storage: v.engines[name].storage, MountPoint: mount + "/"}
	out, err := v.engines[name].HandleRequest(r.Context(), request)
	if err == nil && operation == logical.UpdateOperation && out == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if status, err := logical.RespondErrorCommon(request, out, err); status != 0 {
		text := ""
		if err != nil {
			text = err.Error()
		}
		refuse(w, status, text)
		return
	}
	if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, map[string]any{"data": out.Data})
}

func newEngine(ctx context.Context) (*engine, error) {
	config := logical.TestBackendConfig()
	storage := &logical.InmemStorage{}
	config.StorageView = storage
	backend, err := transit.Factory(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, err
	}
	return &engine{backend, storage}, nil
}

// refuse answers as Vault does.
func refuse(w http.ResponseWriter, status int, text string) {
	errors := []string{}
	if text != "" {
		errors = append(errors, text)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": errors})
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
