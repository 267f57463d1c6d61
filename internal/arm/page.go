package arm

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"holdfast.dev/holdfast/internal/resourceid"
)

// How many values a page has when the caller does not say, and at most.
const (
	defaultPage = 200
	largestPage = 1000
)

// page is the document of a list.
type page[T any] struct {
	Value    []T    `json:"value"`
	NextLink string `json:"nextLink,omitempty"`
}

// Page answers a list with the values from Request.After on, in a stable order
// and at most Request.Limit of them. id gives each value's resource id; values
// that the caller may not read are left out. next comes back as Request.After
// when the caller asks for more; "" when this is the last page.
func Page[T any](r *Request, values []T, id func(T) string, next string) (*Response, error) {
	r.paged = true
	doc := page[T]{Value: make([]T, 0, len(values))}
	for _, v := range values {
		if r.mayRead(id(v)) {
			doc.Value = append(doc.Value, v)
		}
	}
	if next != "" {
		doc.NextLink = r.nextLink(next)
	}
	return OK(doc), nil
}

// PageOf is Page for lists that are short enough to be made whole each time:
// it orders all values by id, and takes the page out of them.
func PageOf[T any](r *Request, all []T, id func(T) string) (*Response, error) {
	key := func(v T) string { return resourceid.Key(id(v)) }
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	start, _ := slices.BinarySearchFunc(sorted, r.After(), func(v T, after string) int {
		if key(v) <= after {
			return -1
		}
		return 1
	})
	if r.After() == "" {
		start = 0
	}
	rest := sorted[start:]
	if len(rest) <= r.Limit() {
		return Page(r, rest, id, "")
	}
	rest = rest[:r.Limit()]
	return Page(r, rest, id, key(rest[len(rest)-1]))
}

func (r *Request) nextLink(next string) string {
	query := url.Values{}
	for name, values := range r.Query {
		if !strings.EqualFold(name, "$skipToken") {
			query[name] = values
		}
	}
	query.Set("$skipToken", base64.RawURLEncoding.EncodeToString([]byte(next)))
	return r.BaseURL + r.path + "?" + query.Encode()
}

// readPaging takes $skipToken and $top from the query.
func (r *Request) readPaging() error {
	r.limit = defaultPage
	for name, values := range r.Query {
		switch strings.ToLower(name) {
		case "$skiptoken":
			after, err := base64.RawURLEncoding.DecodeString(values[0])
			if err != nil {
				return invalidQuery("$skipToken", values[0])
			}
			r.after = string(after)
		case "$top":
			n, err := strconv.Atoi(values[0])
			if err != nil || n < 1 {
				return invalidQuery("$top", values[0])
			}
			r.limit = min(n, largestPage)
		}
	}
	return nil
}

func invalidQuery(name, value string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "InvalidQueryParameter", Target: name,
		Message: "The query parameter '" + name + "' cannot be '" + value + "'."}
}
