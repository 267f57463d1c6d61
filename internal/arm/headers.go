package arm

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// Names of the headers that ARM clients know.
const (
	headerCorrelation   = "x-ms-correlation-request-id"
	headerRequest       = "x-ms-request-id"
	headerClientRequest = "x-ms-client-request-id"
	headerErrorCode     = "x-ms-error-code"
	headerAsync         = "Azure-AsyncOperation"
)

var clientRequestForm = regexp.MustCompile(`^[\x21-\x7e]{1,128}$`)

// commonHeaders sets what every answer carries, and returns the correlation
// id: the caller's when it is a GUID, else a new one.
func commonHeaders(h http.Header, in *http.Request) string {
	correlation := uuid.NewString()
	if given, err := uuid.Parse(in.Header.Get(headerCorrelation)); err == nil {
		correlation = given.String()
	}
	h.Set(headerCorrelation, correlation)
	h.Set(headerRequest, uuid.NewString())
	if id := in.Header.Get(headerClientRequest); clientRequestForm.MatchString(id) {
		h.Set(headerClientRequest, id)
	}
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	return correlation
}

// baseURL is the configured address, or that of the request.
func (s *Server) baseURL(in *http.Request) string {
	if s.config.BaseURL != "" {
		return strings.TrimSuffix(s.config.BaseURL, "/")
	}
	if in.TLS == nil {
		return "http://" + in.Host
	}
	return "https://" + in.Host
}
