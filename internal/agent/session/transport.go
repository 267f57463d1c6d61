package session

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
	"strconv"
	"strings"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 16 << 20

// ServiceError is an answer of the service that is not 2xx.
type ServiceError struct {
	Status     int // HTTP status
	Problem    agentv1.Problem
	RetryAfter time.Duration // what the service asked for, 0 if nothing
}

// Error says what the service answered.
func (e *ServiceError) Error() string {
	return fmt.Sprintf("service answered %d %s: %s", e.Status, e.Problem.Code, e.Problem.Message)
}

// transport sends JSON to the service, with the identity's certificate when
// there is one.
type transport struct {
	address string
	http    *http.Client
}

// newTransport trusts the service by any of the given PEM bundles: the one
// given at install and the one handed over at enrolment.
func newTransport(address string, identity Identity, bundles ...[]byte) (*transport, error) {
	pool := x509.NewCertPool()
	trusted := false
	for _, pem := range bundles {
		trusted = pool.AppendCertsFromPEM(pem) || trusted
	}
	if !trusted {
		return nil, errors.New("no certificate to trust the service by was given")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool}
	if identity.Enrolled() {
		pair, err := identity.keyPair()
		if err != nil {
			return nil, fmt.Errorf("load client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{*pair}
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = config
	base.MaxIdleConnsPerHost = 8
	return &transport{address: strings.TrimRight(address, "/"), http: &http.Client{Transport: base}}, nil
}

func (t *transport) close() { t.http.CloseIdleConnections() }

// post sends in and decodes the answer into out; it reports whether there was
// a body. The deadline is ctx's.
func (t *transport) post(ctx context.Context, path string, in, out any) (bool, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return false, fmt.Errorf("encode request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.address+path, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := t.http.Do(request)
	if err != nil {
		return false, fmt.Errorf("call the service: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return false, fmt.Errorf("read answer of %s: %w", path, err)
	}
	return decode(response, answer, out)
}

func decode(response *http.Response, answer []byte, out any) (bool, error) {
	if response.StatusCode/100 != 2 {
		return false, serviceError(response, answer)
	}
	answer = bytes.TrimSpace(answer)
	if len(answer) == 0 || bytes.Equal(answer, []byte("null")) {
		return false, nil
	}
	if out == nil {
		return true, nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return false, fmt.Errorf("decode answer: %w", err)
	}
	return true, nil
}

func serviceError(response *http.Response, answer []byte) *ServiceError {
	result := &ServiceError{Status: response.StatusCode}
	var document agentv1.ErrorResponse
	if json.Unmarshal(answer, &document) == nil {
		result.Problem = document.Error
	}
	if result.Problem.Code == "" {
		result.Problem = agentv1.Problem{Code: http.StatusText(response.StatusCode), Message: "the answer had no problem document"}
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		result.RetryAfter = time.Duration(seconds) * time.Second
	}
	return result
}

// retryAfter returns how long the service asked to wait, 0 if it did not say.
func retryAfter(err error) time.Duration {
	var answer *ServiceError
	if errors.As(err, &answer) {
		return min(answer.RetryAfter, lastWait)
	}
	return 0
}

// status returns the HTTP status an error stands for, 0 if no answer came.
func status(err error) int {
	var answer *ServiceError
	if errors.As(err, &answer) {
		return answer.Status
	}
	return 0
}
