package transit_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/keys/transit"
)

func TestOptionsThatAreRefused(t *testing.T) {
	good := transit.Options{Address: "https://vault:8200", Mount: "transit", Key: "k", Auth: transit.Auth{TokenFile: "token"}}
	for name, change := range map[string]func(*transit.Options){
		"in the clear":          func(o *transit.Options) { o.Address = "http://vault:8200" },
		"no address":            func(o *transit.Options) { o.Address = "" },
		"a path":                func(o *transit.Options) { o.Address += "/v1" },
		"a password":            func(o *transit.Options) { o.Address = "https://me:SECRET@vault" },
		"no mount":              func(o *transit.Options) { o.Mount = "" },
		"a way out":             func(o *transit.Options) { o.Key = ".." },
		"another path":          func(o *transit.Options) { o.Key = "k/../../sys" },
		"no way to sign in":     func(o *transit.Options) { o.Auth = transit.Auth{} },
		"two ways":              func(o *transit.Options) { o.Auth.Role = "r" },
		"half of one":           func(o *transit.Options) { o.Auth = transit.Auth{RoleID: "r"} },
		"no authority":          func(o *transit.Options) { o.CAFile = "/does/not/exist" },
		"an authority of words": func(o *transit.Options) { o.CAFile = os.Args[0] },
	} {
		o := good
		change(&o)
		if _, err := transit.Open(o); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := transit.Open(good); err != nil {
		t.Error(err)
	}
}

// Answers that no Vault, or one in trouble, gives: each ends in a word of the
// contract, and none of it gets into the error that might be a key.
func TestOddAnswers(t *testing.T) {
	const key = "AUtFWQ=="
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"too many requests": {429, `{"errors":["request path rate limit"]}`, keys.ErrUnavailable},
		"a standby":         {473, `{}`, keys.ErrUnavailable},
		"an error":          {500, `{"errors":["internal error"]}`, keys.ErrUnavailable},
		"a proxy":           {502, `<html>` + key, keys.ErrUnavailable},
		"a redirection":     {307, ``, keys.ErrUnavailable},
		"not JSON":          {200, `<html>` + key, keys.ErrUnavailable},
		"cut off":           {200, `{"data":{"plaintext":"` + key, keys.ErrUnavailable},
		"another shape":     {200, `{"data":{"plaintext":17,"x":"` + key + `"}}`, keys.ErrUnavailable},
		"empty":             {200, `{}`, keys.ErrUnwrap},
		"a bare key":        {200, `{"data":{"plaintext":"` + key + `"}}`, keys.ErrUnwrap},
		"forbidden":         {403, `{"errors":["permission denied"]}`, keys.ErrDenied},
		"a bad tag":         {400, `{"errors":["cipher: message authentication failed"]}`, keys.ErrUnwrap},
	} {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Vault-Token") != "TOKEN" || r.Header.Get("X-Vault-Namespace") != "team" {
				t.Errorf("headers %v", r.Header)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		ca := filepath.Join(t.TempDir(), "ca")
		if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		p := open(t, transit.Options{Address: server.URL, Namespace: "team", Mount: "transit", Key: "k", CAFile: ca, Auth: transit.Auth{TokenFile: file(t, "TOKEN")}})
		_, err := p.Unwrap(t.Context(), "r", []byte("vault:v1:SEALED=="))
		if !errors.Is(err, c.want) || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "TOKEN") || strings.Contains(err.Error(), "SEALED") {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}
