// Package gate is a store behind the service's gate: what programs in protected
// clusters write to and read from instead of a bucket whose credentials they
// do not have. See spec/gate.md.
package gate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// ErrGrant is wrapped by the errors of calls that were refused because of the
// grant: it is not, or no longer, good, or its operation has ended. They are
// objstore.ErrForbidden too. Whoever works for the operation should stop.
var ErrGrant = errors.New("the gate does not accept the grant")

const (
	// parallel is the most uploads at the same time; more wait.
	parallel = 16
	// answerTime bounds the wait for an answer to begin, after all was sent:
	// the store may still have to take it.
	answerTime = 2 * time.Minute
)

// Options are what may be told about a caller. The zero value is a mover.
type Options struct {
	// Certificate of an agent, if the caller has one.
	Certificate *tls.Certificate
}

// Store is what a grant reaches, used as a bucket that never deletes. It is
// safe for concurrent use, and keeps its grant fresh until it is closed.
type Store struct {
	client *http.Client
	base   string // https://host:port
	slots  chan struct{}
	stop   context.CancelFunc
	ended  sync.WaitGroup

	grant agentv1.GateGrant // as it was given

	mu    sync.RWMutex
	token string
}

// Grant is the grant as it stands now, for those who open the gate later.
func (s *Store) Grant() agentv1.GateGrant {
	s.mu.RLock()
	defer s.mu.RUnlock()
	fresh := s.grant
	fresh.Token = s.token
	return fresh
}

// Open returns the store that a grant reaches. It renews the grant at once, so
// that one that is not good is found out here; then again, before it ends,
// until ctx ends or the store is closed.
func Open(ctx context.Context, grant agentv1.GateGrant, o Options) (*Store, error) {
	client, err := newClient(grant, o)
	if err != nil {
		return nil, err
	}
	s := &Store{client: client, base: strings.TrimSuffix(grant.URL, "/"), slots: make(chan struct{}, parallel), grant: grant, token: grant.Token}
	life, err := s.renew(ctx)
	if err != nil {
		client.CloseIdleConnections()
		return nil, err
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.ended.Go(func() { s.keep(ctx, life) })
	return s, nil
}

// Close stops renewing the grant.
func (s *Store) Close() error {
	s.stop()
	s.ended.Wait()
	s.client.CloseIdleConnections()
	return nil
}

func newClient(grant agentv1.GateGrant, o Options) (*http.Client, error) {
	u, err := url.Parse(grant.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("the address of a gate is https://host:port") // a token must not go out in the clear
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS13}
	if grant.CA != "" {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM([]byte(grant.CA)) {
			return nil, errors.New("the authority to trust the gate by is not a PEM certificate")
		}
	}
	if o.Certificate != nil {
		settings.Certificates = []tls.Certificate{*o.Certificate}
	}
	client := overhttp.Client()
	t := client.Transport.(*http.Transport)
	t.TLSClientConfig = settings
	t.ForceAttemptHTTP2, t.Protocols = false, new(http.Protocols)
	t.Protocols.SetHTTP1(true) // many connections carry more than many streams of one
	t.MaxIdleConnsPerHost, t.IdleConnTimeout = parallel, time.Minute
	t.ResponseHeaderTimeout, t.ExpectContinueTimeout = answerTime, 10*time.Second
	t.WriteBufferSize, t.ReadBufferSize = 64<<10, 64<<10 // whole TLS records
	return client, nil
}

// Put writes a new object; see objstore.Store. It returns when nothing reads
// from r any more.
func (s *Store) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	doing := "write object " + name
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	content := newUpload(r, size)
	if size == 0 {
		if err := content.Empty(); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	answer, err := s.do(ctx, doing, http.MethodPut, agentv1.PathGateObjects+"/"+name, content.header(), content)
	content.wait()
	if answer != nil {
		answer.Body.Close()
	}
	if content.Err() != nil { // the source's fault, not the gate's
		return fmt.Errorf("%s: %w", doing, content.Err())
	}
	return err
}

// Get reads a range of an object; see objstore.Store.
func (s *Store) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := objstore.CheckName(name); err != nil {
		return nil, err
	}
	return overhttp.Get(ctx, s, name, offset, length)
}

// Fetch reads a range that has bytes; see overhttp.Objects.
func (s *Store) Fetch(ctx context.Context, name string, offset, length int64) (overhttp.Answer, error) {
	header := http.Header{}
	if asked := overhttp.Header(offset, length); asked != "" {
		header.Set("Range", asked)
	}
	answer, err := s.do(ctx, "read object "+name, http.MethodGet, agentv1.PathGateObjects+"/"+name, header, nil) //nolint:bodyclose // the caller does
	if err != nil {
		return overhttp.Answer{}, err
	}
	return overhttp.Answer{Body: answer.Body, Size: answer.ContentLength, Range: answer.Header.Get("Content-Range")}, nil
}

// Stat describes an object; see objstore.Store.
func (s *Store) Stat(ctx context.Context, name string) (objstore.Info, error) {
	if err := objstore.CheckName(name); err != nil {
		return objstore.Info{}, err
	}
	answer, err := s.do(ctx, "stat object "+name, http.MethodHead, agentv1.PathGateObjects+"/"+name, nil, nil)
	if err != nil {
		return objstore.Info{}, err
	}
	answer.Body.Close()
	if answer.ContentLength < 0 {
		return objstore.Info{}, fmt.Errorf("stat object %s: %w: the gate told no size", name, objstore.ErrUnavailable)
	}
	return objstore.Info{Name: name, Size: answer.ContentLength}, nil
}

// List yields objects as the gate finds them; see objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		l := listing{store: s, ctx: ctx, prefix: prefix, yield: yield}
		for more := true; more; {
			more = l.page()
		}
	}
}

// Delete refuses: nothing is deleted through a gate.
func (s *Store) Delete(_ context.Context, name string) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	return fmt.Errorf("delete object %s: %w: nothing is deleted through a gate", name, objstore.ErrForbidden)
}
