package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// TokenSource yields a bearer token that is valid now.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// StaticToken is a token that was obtained elsewhere.
type StaticToken string

// Token returns the token as it is.
func (t StaticToken) Token(context.Context) (string, error) { return string(t), nil }

// Credentials are those of a service principal.
type Credentials struct {
	Address  string // of the service
	CA       []byte // as in Config
	Tenant   string
	ClientID string
	Secret   string
}

// ClientCredentials signs in with OAuth 2 client credentials and keeps the
// token until five minutes before it expires. It is safe for concurrent use.
func ClientCredentials(c Credentials) (TokenSource, error) {
	transport, err := newTransport(c.CA)
	if err != nil {
		return nil, err
	}
	return &credentials{c: c, http: &http.Client{Transport: transport, Timeout: 30 * time.Second}}, nil
}

type credentials struct {
	c    Credentials
	http *http.Client

	mu    sync.Mutex
	token string
	// left is how long the token was still good when it was got; age is
	// measured by the timer, so that no wall clock is compared with another.
	timer *time.Timer
}

// Token returns the kept token or a new one.
func (s *credentials) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" {
		return s.token, nil
	}
	token, life, err := s.fetch(ctx)
	if err != nil {
		return "", err
	}
	s.token = token
	s.expireAfter(life - 5*time.Minute)
	return token, nil
}

func (s *credentials) expireAfter(d time.Duration) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(max(d, time.Second), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.token = ""
	})
}

func (s *credentials) fetch(ctx context.Context) (string, time.Duration, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.c.ClientID},
		"client_secret": {s.c.Secret}, "scope": {strings.TrimRight(s.c.Address, "/") + "/.default"}}
	u := strings.TrimRight(s.c.Address, "/") + "/" + url.PathEscape(s.c.Tenant) + "/oauth2/v2.0/token"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.http.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	answer, err := read(resp)
	if err != nil {
		return "", 0, err
	}
	var t struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(answer.Body, &t); err != nil || t.AccessToken == "" {
		return "", 0, fmt.Errorf("the token endpoint gave no token")
	}
	return t.AccessToken, time.Duration(t.ExpiresIn) * time.Second, nil
}
