package arm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"

	"holdfast.dev/holdfast/internal/catalog"
)

// unauthenticated makes the 401 of an Authenticator's error.
func (s *Server) unauthenticated(err error) *Error {
	e := &Error{Status: http.StatusUnauthorized, Code: "InvalidAuthenticationToken",
		Message: "The access token is invalid.", Header: http.Header{"Www-Authenticate": {"Bearer"}}}
	var refusal interface {
		error
		Refusal() (code, challenge string)
	}
	if errors.As(err, &refusal) {
		code, challenge := refusal.Refusal()
		e.Code, e.Message = code, refusal.Error()
		e.Header = http.Header{"Www-Authenticate": {challenge}}
	} else {
		s.config.Log.Error("authentication failed for an unexpected reason", "error", err)
	}
	return e
}

// asError makes any error an answer, nil for nil. What the caller should not
// see is logged and hidden behind the correlation id.
func (s *Server) asError(r *Request, err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, catalog.ErrNotFound):
		return NotFound(r.ID)
	case errors.Is(err, catalog.ErrConflict) && (r.IfMatch != "" || r.IfNoneMatch != ""):
		return PreconditionFailed(r.ID)
	case errors.Is(err, catalog.ErrConflict):
		e = Conflict("Conflict", "The resource '%s' was changed by another request at the same time.", r.ID)
		e.Retryable, e.UserError = true, false
		return e
	case errors.Is(err, context.Canceled):
		return &Error{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: "The request was called off.", Retryable: true}
	case errors.Is(err, context.DeadlineExceeded):
		s.config.Log.Error("request ran out of time", "path", r.path, "correlation", r.CorrelationID, "error", err)
		return &Error{Status: http.StatusGatewayTimeout, Code: "GatewayTimeout", Message: "The service did not answer in time.", Retryable: true}
	}
	s.config.Log.Error("request failed", "method", r.Method, "path", r.path, "correlation", r.CorrelationID, "error", err)
	return internalError(r)
}

func internalError(r *Request) *Error {
	return &Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Retryable: true,
		Message: "The service failed to carry out the request. Its log tells more under the correlation id " + r.CorrelationID + "."}
}

// writeError sends the error document and returns its status.
func (s *Server) writeError(w http.ResponseWriter, r *Request, e *Error) int {
	maps.Copy(w.Header(), e.Header)
	w.Header().Set(headerErrorCode, e.Code)
	send(w, e.Status, encode(errorDocument{e.document(r.CorrelationID)}))
	return e.Status
}

// write sends an answer and returns its status.
func (s *Server) write(w http.ResponseWriter, r *Request, resp *Response) int {
	var body []byte
	if resp.Body != nil {
		if body = encode(resp.Body); body == nil {
			s.config.Log.Error("answer cannot be encoded", "path", r.path, "correlation", r.CorrelationID)
			return s.writeError(w, r, internalError(r))
		}
	}
	if resp.operation != nil {
		if err := s.operationHeaders(w.Header(), r, resp); err != nil {
			s.config.Log.Error("operation has no address", "path", r.path, "correlation", r.CorrelationID, "error", err)
			return s.writeError(w, r, internalError(r))
		}
	}
	maps.Copy(w.Header(), resp.Header)
	if resp.ETag != "" {
		w.Header().Set("ETag", `"`+resp.ETag+`"`)
	}
	if resp.Stream != nil {
		s.stream(w, r, resp)
	} else {
		send(w, resp.Status, body)
	}
	return resp.Status
}

// stream sends a body piece by piece. When it fails on the way the connection
// is broken, so that nobody takes the half for the whole.
func (s *Server) stream(w http.ResponseWriter, r *Request, resp *Response) {
	w.WriteHeader(resp.Status)
	if err := resp.Stream(w); err != nil {
		s.config.Log.Warn("answer was cut off", "path", r.path, "correlation", r.CorrelationID, "error", err)
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) operationHeaders(h http.Header, r *Request, resp *Response) error {
	status, result, err := s.pollURLs(r.BaseURL, r.APIVersion, resp.poll, *resp.operation)
	if err != nil {
		return err
	}
	if status != "" {
		h.Set(headerAsync, status)
	}
	if result != "" {
		h.Set("Location", result)
	}
	// Said even of what is over: clients look at the status first, and without
	// a time of ours they wait 10 or 30 seconds of their own before they do.
	after := 1
	if !resp.operation.Status.Terminal() {
		after = max(after, int(s.config.RetryAfter.Seconds()))
	}
	h.Set("Retry-After", strconv.Itoa(after))
	return nil
}

// encode returns nil when v cannot be marshalled.
func encode(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(v) != nil {
		return nil
	}
	return b.Bytes()
}

// send writes status and body; an error here means that the caller is gone.
func send(w http.ResponseWriter, status int, body []byte) {
	if body != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	if status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	w.Write(body)
}

func stack() []byte { return debug.Stack() }
