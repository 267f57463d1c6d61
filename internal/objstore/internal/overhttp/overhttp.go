// Package overhttp holds what stores that are reached over HTTP have in
// common: the transport, words for what goes wrong, bodies of an exact size,
// and ranges.
package overhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
)

// Client returns a client whose waits of which no caller's context knows are
// bounded: for a connection, and for an answer to begin. It follows no
// redirection: a signed request is for one address.
func Client() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	t.MaxIdleConnsPerHost = 16
	t.DisableCompression = true // objects are sealed, or small
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ErrRefused is a refusal for which the contract has no word; the code in the
// text says which.
var ErrRefused = errors.New("request refused")

// Word returns the contract's word for the status of an answer that is no
// success.
func Word(status int) error {
	switch {
	case status == http.StatusNotFound:
		return objstore.ErrNotFound
	case status == http.StatusPreconditionFailed:
		return objstore.ErrExists
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return objstore.ErrForbidden
	case status == http.StatusRequestedRangeNotSatisfiable:
		return objstore.ErrRange
	case status == http.StatusNotImplemented:
		return ErrRefused
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		return objstore.ErrUnavailable
	}
	return ErrRefused
}

// Refusal is the error of an answer that is no success. The service's own text
// is cut down to its code: it is long, and holds the address and headers of
// the request.
func Refusal(doing string, word error, code string, status int, header http.Header) error {
	err := fmt.Errorf("%s: %w: %s (HTTP %d)", doing, word, code, status)
	if seconds, bad := strconv.Atoi(header.Get("Retry-After")); bad == nil && seconds > 0 && errors.Is(word, objstore.ErrUnavailable) {
		return &objstore.Later{After: time.Duration(min(seconds, 3600)) * time.Second, Err: err}
	}
	return err
}

// Failure is the error of a request without a whole answer.
func Failure(doing string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w: %w", doing, objstore.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Reading gives a body that breaks the contract's word.
func Reading(body io.ReadCloser) io.ReadCloser { return reader{body} }

type reader struct{ io.ReadCloser }

// Read reads on.
func (r reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = Failure("read body", err)
	}
	return n, err
}
