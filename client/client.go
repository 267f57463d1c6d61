// Package client talks to the REST API of a Holdfast service: it signs in,
// sends requests, follows long-running operations and pages, and turns error
// documents into typed errors. It is thin on purpose: bodies are JSON, paths
// are ARM ids, and everything it does can be done with curl.
package client

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
	"net/url"
	"strings"
	"time"
)

// maxBody bounds what is read of one answer: 64 MiB.
const maxBody = 64 << 20

// Config says which service to talk to and as whom.
type Config struct {
	// Address is the service's base URL, such as https://localhost:8443.
	Address string
	// CA is the PEM the service's certificate is trusted by; empty means the
	// system's roots.
	CA []byte
	// Token yields bearer tokens.
	Token TokenSource
	// UserAgent is sent with every request; empty means "holdfast".
	UserAgent string
}

// Client sends requests to one service. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	http  *http.Client
	token TokenSource
	agent string
}

// New returns a client. It does not connect.
func New(c Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(c.Address, "/"))
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("service address %q is not a URL such as https://host:8443", c.Address)
	}
	transport, err := newTransport(c.CA)
	if err != nil {
		return nil, err
	}
	if c.UserAgent == "" {
		c.UserAgent = "holdfast"
	}
	// One answer never takes longer than two minutes; waiting is done by polling.
	return &Client{base: base, token: c.Token, agent: c.UserAgent,
		http: &http.Client{Transport: transport, Timeout: 2 * time.Minute}}, nil
}

func newTransport(ca []byte) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if len(ca) == 0 {
		return t, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the CA file holds no PEM certificate")
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// Response is a successful answer.
type Response struct {
	Status int
	Header http.Header
	Body   json.RawMessage // empty when there was none
}

// Do sends one request. path is an ARM id or an absolute URL of this service;
// version is the api-version and may be empty when path carries one. body is
// encoded as JSON unless nil. An answer that is not 2xx becomes an *Error.
func (c *Client) Do(ctx context.Context, method, path, version string, body any) (*Response, error) {
	payload, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	resp, err := c.send(ctx, method, path, version, payload)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return read(resp)
}

// Download writes the body of an answer to w as it comes, of any size and kind.
// An answer that is not 2xx becomes an *Error.
func (c *Client) Download(ctx context.Context, path, version string, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, path, version, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		_, err := read(resp)
		return err
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("download %s: %w", resp.Request.URL.Path, err)
	}
	return nil
}

// send sends one request; the caller closes the body of its answer.
func (c *Client) send(ctx context.Context, method, path, version string, payload []byte) (*http.Response, error) {
	u, err := c.resolve(path, version)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, u, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	if err := c.sign(ctx, req, payload != nil); err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, req.URL.Path, err)
	}
	return resp, nil
}

func (c *Client) sign(ctx context.Context, req *http.Request, hasBody bool) error {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	if hasBody {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if c.token == nil {
		return nil
	}
	token, err := c.token.Token(ctx)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// resolve makes an absolute URL and refuses other hosts, so that a token is
// never sent to a place a response pointed to.
func (c *Client) resolve(path, version string) (string, error) {
	ref, err := url.Parse(path)
	if err != nil {
		return "", fmt.Errorf("path %q: %w", path, err)
	}
	u := c.base.ResolveReference(ref)
	if u.Host != c.base.Host || u.Scheme != c.base.Scheme {
		return "", fmt.Errorf("the service pointed to another host (%s); refusing to send the token there", u.Host)
	}
	if q := u.Query(); version != "" && !q.Has("api-version") {
		q.Set("api-version", version)
		u.RawQuery = q.Encode()
	}
	return u.String(), nil
}

func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	case json.RawMessage:
		return b, nil
	}
	return json.Marshal(body)
}

func read(resp *http.Response) (*Response, error) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", resp.Request.URL.Path, err)
	}
	if len(data) > maxBody {
		return nil, fmt.Errorf("answer of %s is larger than %d bytes", resp.Request.URL.Path, maxBody)
	}
	if resp.StatusCode >= 300 {
		return nil, parseError(resp.StatusCode, data)
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: data}, nil
}
