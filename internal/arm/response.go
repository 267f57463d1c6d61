package arm

import (
	"io"
	"net/http"
	"time"

	"holdfast.dev/holdfast/internal/operations"
)

// Response is what a handler answers with.
type Response struct {
	Status int    // HTTP status
	Body   any    // marshalled as JSON; nil sends no body
	ETag   string // bare, sent as a header when not empty
	Header http.Header
	// Stream writes a body that is no JSON document, such as a table for
	// downloading; its type stands in Header. An error cuts the answer off.
	Stream func(io.Writer) error

	operation *operations.Record
	poll      Poll
}

// OK answers 200 with a document.
func OK(body any) *Response { return &Response{Status: http.StatusOK, Body: body} }

// Created answers 201 with a document.
func Created(body any) *Response { return &Response{Status: http.StatusCreated, Body: body} }

// NoContent answers 204, as for a resource that was not there to delete.
func NoContent() *Response { return &Response{Status: http.StatusNoContent} }

// Accepted answers 202 without a body and with the addresses of the operation.
func Accepted(op operations.Record, at Poll) *Response {
	return (&Response{Status: http.StatusAccepted}).WithOperation(op, at)
}

// WithOperation adds the addresses of a long-running operation to any answer.
func (r *Response) WithOperation(op operations.Record, at Poll) *Response {
	r.operation, r.poll = &op, at
	return r
}

// WithETag adds the document's ETag.
func (r *Response) WithETag(etag string) *Response {
	r.ETag = etag
	return r
}

// timeFormat has seven fractional digits, as clients of ARM see them.
const timeFormat = "2006-01-02T15:04:05.0000000Z"

// FormatTime writes a time as the API does, in UTC with seven fractional
// digits; the zero time is "0001-01-01T00:00:00Z".
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return "0001-01-01T00:00:00Z"
	}
	return t.UTC().Format(timeFormat)
}
