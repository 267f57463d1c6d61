// Package kubeapi asks a cluster's API server simple questions over plain
// HTTPS. It exists so that starting a cluster needs no Kubernetes client.
package kubeapi

import (
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

// Get fetches path and decodes its JSON into answer, which may be nil. Any
// status but 200 is an error.
func (c *Client) Get(ctx context.Context, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+path, nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(body, answer)
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
