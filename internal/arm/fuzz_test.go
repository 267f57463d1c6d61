package arm_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// No path, query or body makes the server fail: it answers something other
// than a 500.
func FuzzServer(f *testing.F) {
	f.Add("PUT", boxesAt+"/b1", "api-version=2025-07-01", `{"properties":{"size":1}}`)
	f.Add("GET", "/providers/Contoso.Widgets/marks/m", "api-version=2025-07-01&$top=1&$skipToken=", "")
	f.Add("GET", boxesAt+"/b1/operationResults/x", "api-version=2025-07-01-preview", "null")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		w := newWorld(t)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		parsed, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		r.Method, r.URL.Path, r.URL.RawPath, r.URL.RawQuery = method, parsed.Path, parsed.RawPath, query
		r.Body = http.NoBody
		if body != "" {
			r.Body = io.NopCloser(strings.NewReader(body))
		}
		r.Header.Set("Authorization", "Bearer owner")
		rec := httptest.NewRecorder()
		w.Config.Handler.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Errorf("%s %s?%s: %d %s", method, path, query, rec.Code, rec.Body)
		}
	})
}
