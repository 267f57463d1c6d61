package transit

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"holdfast.dev/holdfast/internal/keys"
)

const (
	callTime  = 10 * time.Second
	maxAnswer = 1 << 20 // bytes
	maxReason = 200     // bytes of Vault's own text in an error
)

// client speaks with one Vault.
type client struct {
	address, namespace string
	auth               Auth
	http               *http.Client

	mu    sync.Mutex
	token string
}

func newClient(o Options) (*client, error) {
	u, err := url.Parse(o.Address)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("transit: the address of Vault is https://host:port")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("transit: Vault is spoken with over https")
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("transit: authority to trust Vault by: %w", err)
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("transit: %s holds no PEM certificate", o.CAFile)
		}
	}
	if err := o.Auth.check(); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = settings
	return &client{address: u.Scheme + "://" + u.Host, namespace: o.Namespace, auth: o.Auth,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// call makes a request with a token, and once more with a new one when the
// token is not taken: it may have ended.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	token, fresh, err := c.current(ctx, "")
	if err != nil {
		return err
	}
	err = c.send(ctx, method, path, token, in, &answer{Data: out})
	if !errors.Is(err, keys.ErrDenied) || fresh {
		return err
	}
	if token, _, err = c.current(ctx, token); err != nil {
		return err
	}
	return c.send(ctx, method, path, token, in, &answer{Data: out})
}

// current returns the token to use, and signs in when there is none but the
// refused one.
func (c *client) current(ctx context.Context, refused string) (token string, fresh bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != "" && c.token != refused {
		return c.token, false, nil
	}
	if c.token, err = c.signIn(ctx); err != nil {
		return "", false, fmt.Errorf("sign in to Vault: %w", err)
	}
	return c.token, true, nil
}

// answer is the envelope of Vault's answers.
type answer struct {
	Data any `json:"data,omitempty"`
	Auth struct {
		Token string `json:"client_token"`
	} `json:"auth"`
}

// send makes one request. Neither tokens nor what is wrapped get into its errors.
func (c *client) send(ctx context.Context, method, path, token string, in any, out *answer) error {
	var content io.Reader
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return errors.New("the request cannot be encoded")
		}
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.address+"/v1/"+path, content)
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	for name, value := range map[string]string{"X-Vault-Token": token, "X-Vault-Namespace": c.namespace} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	request.Header.Set("X-Vault-Request", "true") // agents and proxies of Vault ask for it
	response, err := c.http.Do(request)
	if err != nil {
		return c.unanswered(ctx, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return c.unanswered(ctx, err)
	}
	if response.StatusCode != http.StatusOK {
		return refused(response.StatusCode, body)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%w: the answer is not Vault's", keys.ErrUnavailable) // without it: it may hold a key
	}
	return nil
}

// unanswered words a request without an answer. A caller who gave up is told so.
func (c *client) unanswered(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", keys.ErrUnavailable, err)
}

// refused words an answer that is no success, with Vault's own reason.
func refused(status int, body []byte) error {
	var said struct {
		Errors []string `json:"errors"`
	}
	_ = json.Unmarshal(body, &said) // without a reason the status must do
	reason := strings.Join(said.Errors, "; ")
	reason = reason[:min(len(reason), maxReason)]
	word := keys.ErrUnavailable
	switch {
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		word = keys.ErrDenied
	case status == http.StatusBadRequest && foreign(reason):
		word = keys.ErrUnwrap
	case status == http.StatusBadRequest, status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		word = errRefused
	}
	return fmt.Errorf("%w: Vault answered %d %s", word, status, reason)
}

// errRefused is a refusal that will not go away by itself: the key or the mount
// does not exist, or is of a kind that cannot do this.
var errRefused = errors.New("key provider is not set up for this")

// foreign says whether a reason means that the ciphertext, and not the request,
// is wrong.
func foreign(reason string) bool {
	for _, known := range []string{"message authentication failed", "invalid ciphertext", "unable to decrypt", "too old", "too new"} {
		if strings.Contains(reason, known) {
			return true
		}
	}
	return false
}
