// Package kubeapi asks a cluster's API server simple questions over plain
// HTTPS. It exists so that starting a cluster needs no Kubernetes client.
package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Client talks as the cluster's administrator.
type Client struct {
	http   *http.Client
	server string
}

// New reads ca.crt, admin.crt and admin.key from pkiDir; server is a URL.
func New(pkiDir, server string) (*Client, error) {
	ca, err := os.ReadFile(filepath.Join(pkiDir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(pkiDir, "admin.crt"), filepath.Join(pkiDir, "admin.key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	return &Client{http: &http.Client{Transport: transport, Timeout: 5 * time.Second}, server: server}, nil
}

// StatusError is an answer that is none of success.
type StatusError struct {
	Request string
	Code    int    // HTTP status
	Text    string // what the server said
}

// Error tells the request and the answer.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", e.Request, e.Code, http.StatusText(e.Code), e.Text)
}

// Get fetches path and decodes its JSON into answer, which may be nil. Any
// status but 2xx is a StatusError.
func (c *Client) Get(ctx context.Context, path string, answer any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, answer)
}

// Post sends body as JSON and decodes what was made of it into answer.
func (c *Client) Post(ctx context.Context, path string, body, answer any) error {
	return c.do(ctx, http.MethodPost, path, "application/json", body, answer)
}

// Apply makes the object at path what body says, whether it exists or not.
func (c *Client) Apply(ctx context.Context, path string, body any) error {
	return c.do(ctx, http.MethodPatch, path+"?fieldManager=devcluster&force=true", "application/apply-patch+yaml", body, nil)
}

func (c *Client) do(ctx context.Context, method, path, contentType string, body, answer any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return &StatusError{Request: method + " " + path, Code: response.StatusCode, Text: string(text[:min(len(text), 300)])}
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// Wait repeats check every 100 ms until it returns nil. When ctx ends first,
// the error says what was waited for and why it was not there.
func Wait(ctx context.Context, what string, check func(context.Context) error) error {
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w)", what, context.Cause(ctx), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ErrNotYet is what a check returns when the thing is there but not ready.
var ErrNotYet = errors.New("not ready yet")
