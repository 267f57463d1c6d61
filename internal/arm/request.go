package arm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/resourceid"
)

// MaxBody is the largest request body accepted, in bytes.
const MaxBody = 4 << 20

// Request is one authenticated and permitted request.
type Request struct {
	// ID is the resource, in canonical case except for names, which are as the
	// caller spelled them. For a list it is the scope listed.
	ID resourceid.ID
	// Params are the values of the template's parameters; "scope" is that of
	// an extension's template.
	Params     map[string]string
	Method     string
	Principal  access.Principal
	APIVersion string
	Query      url.Values
	Header     http.Header
	// Body is one well-formed JSON object, nil when none was sent.
	Body json.RawMessage
	// IfMatch and IfNoneMatch are the bare ETags of the headers: no quotes, no
	// W/; "*" stays, "" when absent.
	IfMatch, IfNoneMatch string
	// BaseURL is how the caller reaches this service, without a trailing slash.
	BaseURL string
	// CorrelationID is a GUID that stands in the answer and in the log.
	CorrelationID string

	path   string // as the caller spelled it, for nextLink
	after  string // decoded skip token
	limit  int
	filter *route // decides about each value of a list; nil when all may be shown
	paged  bool
	grants grants
}

// Decode reads the body into v. A missing body or a property of the wrong JSON
// type is InvalidRequestContent; unknown properties are ignored.
func (r *Request) Decode(v any) error {
	if len(r.Body) == 0 {
		return badContent("The request has no body.")
	}
	err := json.Unmarshal(r.Body, v)
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mismatch):
		e := badContent("The property %q cannot be a %s.", mismatch.Field, mismatch.Value)
		e.Target = mismatch.Field
		return e
	default:
		return badContent("The request content could not be read: %v.", err)
	}
}

// Match checks the preconditions of the request against what is stored: etag
// is the stored one, "" when nothing exists. The error is 412.
func (r *Request) Match(etag string) error {
	exists := etag != ""
	if want := r.IfMatch; want != "" && (!exists || (want != "*" && want != etag)) {
		return PreconditionFailed(r.ID)
	}
	if unwanted := r.IfNoneMatch; exists && unwanted != "" && (unwanted == "*" || unwanted == etag) {
		return PreconditionFailed(r.ID)
	}
	return nil
}

// After is where a list goes on: the value given as next with the page before,
// "" for the first.
func (r *Request) After() string { return r.after }

// Limit is how many values a page may have, 1 to 1,000.
func (r *Request) Limit() int { return r.limit }

// readQuery fills what stands in the query and in the conditional headers.
func (r *Request) readQuery(route *route) error {
	version, err := apiVersion(r.Query)
	if err != nil {
		return err
	}
	if route.typ != nil {
		if err := route.typ.accepts(version); err != nil {
			return err
		}
	}
	r.APIVersion = version
	r.IfMatch = bareETag(r.Header.Get("If-Match"))
	r.IfNoneMatch = bareETag(r.Header.Get("If-None-Match"))
	return r.readPaging()
}

// readBody fills Body. PUT and PATCH must have one.
func (r *Request) readBody(w http.ResponseWriter, in *http.Request) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, in.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge",
			Message: fmt.Sprintf("The request is larger than %d bytes.", MaxBody)}
	} else if err != nil {
		return badContent("The request body could not be read.")
	}
	body := strings.TrimSpace(string(raw))
	if body == "" || body == "null" {
		if in.Method == http.MethodPut || in.Method == http.MethodPatch {
			return badContent("The request has no body.")
		}
		return nil
	}
	if err := checkMediaType(in.Header.Get("Content-Type")); err != nil {
		return err
	}
	if !json.Valid([]byte(body)) {
		return badContent("The request content is not well-formed JSON.")
	}
	if body[0] != '{' {
		return badContent("The request content is not a JSON object.")
	}
	r.Body = json.RawMessage(body)
	return nil
}

func checkMediaType(header string) error {
	if header == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(header)
	if err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) {
		return nil
	}
	return &Error{Status: http.StatusUnsupportedMediaType, Code: "UnsupportedMediaType",
		Message: fmt.Sprintf("The content type %q is not supported; send application/json.", header)}
}

// bareETag takes quotes and the weakness mark off a header's ETag.
func bareETag(header string) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(header), "W/"), `"`)
}
