package gate

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/objstore"
)

// statuses are the HTTP statuses of refusals.
var statuses = map[string]int{
	agentv1.CodeGateGrantInvalid:     http.StatusUnauthorized,
	agentv1.CodeGateGrantExpired:     http.StatusUnauthorized,
	agentv1.CodeGateGrantEnded:       http.StatusUnauthorized,
	agentv1.CodeGateWrongCluster:     http.StatusForbidden,
	agentv1.CodeGateNotAllowed:       http.StatusForbidden,
	agentv1.CodeGateNameNotAllowed:   http.StatusForbidden,
	agentv1.CodeGateStoreForbidden:   http.StatusForbidden,
	agentv1.CodeGateName:             http.StatusBadRequest,
	agentv1.CodeGateBadRequest:       http.StatusBadRequest,
	agentv1.CodeGateNotFound:         http.StatusNotFound,
	agentv1.CodeGateNoBucket:         http.StatusNotFound,
	agentv1.CodeGateMethod:           http.StatusMethodNotAllowed,
	agentv1.CodeGateTimeout:          http.StatusRequestTimeout,
	agentv1.CodeGateExists:           http.StatusConflict,
	agentv1.CodeGateLengthRequired:   http.StatusLengthRequired,
	agentv1.CodeGateTooLarge:         http.StatusRequestEntityTooLarge,
	agentv1.CodeGateRange:            http.StatusRequestedRangeNotSatisfiable,
	agentv1.CodeGateTooMany:          http.StatusTooManyRequests,
	agentv1.CodeGateInternal:         http.StatusInternalServerError,
	agentv1.CodeGateStoreUnavailable: http.StatusServiceUnavailable,
}

// retryable are the refusals after which the same request may succeed.
var retryable = map[string]bool{
	agentv1.CodeGateTimeout: true, agentv1.CodeGateTooMany: true, agentv1.CodeGateInternal: true, agentv1.CodeGateStoreUnavailable: true,
}

func refusal(code, message string) *agentv1.Problem {
	return &agentv1.Problem{Code: code, Message: message, Retryable: retryable[code]}
}

func (c *call) wrongMethod(allowed string) error {
	c.w.Header().Set("Allow", allowed)
	return refusal(agentv1.CodeGateMethod, "this path takes "+allowed+"; objects are neither changed nor deleted here")
}

// words are what errors of stores are called on the wire.
var words = []struct {
	err           error
	code, message string
}{
	{objstore.ErrExists, agentv1.CodeGateExists, "an object of that name exists already"},
	{objstore.ErrNotFound, agentv1.CodeGateNotFound, "there is no object of that name"},
	{objstore.ErrNoBucket, agentv1.CodeGateNoBucket, "the bucket behind the gate does not exist"},
	{objstore.ErrRange, agentv1.CodeGateRange, "the range lies outside of the object"},
	{objstore.ErrName, agentv1.CodeGateName, "this is not an object name"},
	{objstore.ErrForbidden, agentv1.CodeGateStoreForbidden, "the store does not let the service do this"},
	{objstore.ErrUnavailable, agentv1.CodeGateStoreUnavailable, "the store does not answer; try again"},
	{io.ErrUnexpectedEOF, agentv1.CodeGateBadRequest, "the content ended early"},
	{os.ErrDeadlineExceeded, agentv1.CodeGateTimeout, "the content came too slowly"},
}

// problem words an error for the caller. What the store says of itself is not
// the caller's business.
func problem(err error) *agentv1.Problem {
	if known, ok := errors.AsType[*agentv1.Problem](err); ok {
		return known
	}
	for _, word := range words {
		if errors.Is(err, word.err) {
			return refusal(word.code, word.message)
		}
	}
	return refusal(agentv1.CodeGateInternal, "the gate failed; try again")
}

// leftTime is how long the rest of refused content may take to arrive after the
// refusal was sent.
const leftTime = time.Second

// refuse answers with what is wrong, or breaks off an answer that has begun:
// what the caller has got must not look whole.
func (c *call) refuse(err error) {
	if c.r.Context().Err() != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		panic(http.ErrAbortHandler) // nobody listens any more; one that was slow still does
	}
	p := problem(err)
	if c.begun || statuses[p.Code] >= http.StatusInternalServerError || p.Code == agentv1.CodeGateStoreForbidden || p.Code == agentv1.CodeGateNoBucket {
		c.Log.Warn("gate request failed", "method", c.r.Method, "path", c.r.URL.Path, "store", c.grant.Store, "prefix", c.grant.Prefix,
			"operation", c.grant.Operation, "error", err)
	}
	if c.begun {
		panic(http.ErrAbortHandler)
	}
	h := c.w.Header()
	if c.r.ContentLength != 0 {
		h.Set("Connection", "close") // else the server would wait for the rest of the content before it answers
		_ = c.wire.SetReadDeadline(wall.Now().Add(leftTime))
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set(agentv1.HeaderGateCode, p.Code)
	if p.Code == agentv1.CodeGateStoreUnavailable || p.Code == agentv1.CodeGateTooMany {
		h.Set("Retry-After", "1")
	}
	c.w.WriteHeader(cmp.Or(statuses[p.Code], http.StatusBadRequest))
	_ = json.NewEncoder(c.w).Encode(agentv1.ErrorResponse{Error: *p}) // the caller is gone, nobody to tell
}
