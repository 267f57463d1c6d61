package agenthub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
)

// Limits of request bodies, in bytes. A finish carries up to 1,000 warnings
// and a line for every volume.
const (
	enrolLimit  = 64 << 10
	callLimit   = 1 << 20
	finishLimit = 16 << 20
)

// Codes of the protocol's own problems.
const (
	codeBadRequest   = "BadRequest"
	codeTooLarge     = "RequestTooLarge"
	codeUnauthorized = "Unauthorized"
	codeLeaseLost    = "LeaseLost"
	codeCapability   = "CapabilityNotSupported"
	codeNotFound     = "NotFound"
	codeInternal     = "InternalServerError"
)

// statuses are the HTTP statuses of problems; others are 400.
var statuses = map[string]int{
	codeTooLarge:     http.StatusRequestEntityTooLarge,
	codeUnauthorized: http.StatusUnauthorized,
	codeLeaseLost:    http.StatusConflict,
	codeNotFound:     http.StatusNotFound,
	codeInternal:     http.StatusInternalServerError,
}

// call answers one decoded request. A nil response without an error is 204.
type call[In any] func(ctx context.Context, r *http.Request, in In) (any, error)

// answer reads the request as JSON, at most limit bytes, and writes the response.
func answer[In any](h *Hub, limit int64, do call[In]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit)).Decode(&in); err != nil {
			h.refuse(w, r, badBody(err))
			return
		}
		out, err := do(r.Context(), r, in)
		if err != nil {
			h.refuse(w, r, err)
			return
		}
		if out == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.write(w, r, http.StatusOK, out)
	})
}

func badBody(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &agentv1.Problem{Code: codeTooLarge, Message: fmt.Sprintf("the request is larger than %d bytes", tooLarge.Limit)}
	}
	return &agentv1.Problem{Code: codeBadRequest, Message: "the request is not valid JSON: " + err.Error()}
}

// refuse writes the problem in err. What is not a problem for the caller is
// logged and answered without its text.
func (h *Hub) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody listens any more
	}
	problem := &agentv1.Problem{Code: codeInternal, Message: "the service could not answer; try again", Retryable: true}
	switch {
	case errors.As(err, &problem):
	case errors.Is(err, agentops.ErrLeaseLost):
		problem = &agentv1.Problem{Code: codeLeaseLost, Message: "another worker holds the operation, or it has ended: stop working on it"}
	default:
		h.Log.Error("agent request failed", "path", r.URL.Path, "error", err)
	}
	status, ok := statuses[problem.Code]
	if !ok {
		status = http.StatusBadRequest
	}
	h.write(w, r, status, agentv1.ErrorResponse{Error: *problem})
}

func (h *Hub) write(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // certificates and grants
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		h.Log.Debug("answer to agent not written", "path", r.URL.Path, "error", err)
	}
}

func (h *Hub) unknown(w http.ResponseWriter, r *http.Request) {
	h.refuse(w, r, &agentv1.Problem{Code: codeNotFound, Message: fmt.Sprintf("%s %s is not part of the agent protocol", r.Method, r.URL.Path)})
}
