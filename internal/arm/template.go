package arm

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"holdfast.dev/holdfast/internal/resourceid"
)

// template is a parsed path: fixed words, and parameters in braces that stand
// for one segment each. With scope set, any scope may stand before it.
type template struct {
	scope    bool
	segments []string
}

const scopeParam = "{scope}"

func parseTemplate(text string) (template, error) {
	rest, scope := strings.CutPrefix(text, scopeParam)
	if !strings.HasPrefix(rest, "/") {
		return template{}, fmt.Errorf("path %q: must start with / or %s/", text, scopeParam)
	}
	t := template{scope: scope, segments: strings.Split(rest[1:], "/")}
	for _, s := range t.segments {
		if s == "" || (strings.ContainsAny(s, "{}") && !isParam(s)) {
			return template{}, fmt.Errorf("path %q: segment %q", text, s)
		}
	}
	return t, nil
}

func isParam(segment string) bool {
	return len(segment) > 2 && segment[0] == '{' && segment[len(segment)-1] == '}' && !strings.ContainsAny(segment[1:len(segment)-1], "{}")
}

func paramName(segment string) string { return segment[1 : len(segment)-1] }

// params returns the names of the parameters in order.
func (t template) params() []string {
	var names []string
	for _, s := range t.segments {
		if isParam(s) {
			names = append(names, paramName(s))
		}
	}
	return names
}

// String is what two templates for the same addresses have in common.
func (t template) String() string {
	var b strings.Builder
	if t.scope {
		b.WriteString(scopeParam)
	}
	for _, s := range t.segments {
		if isParam(s) {
			s = "{}"
		}
		b.WriteString("/" + strings.ToLower(s))
	}
	return b.String()
}

// match compares a path with the template. It returns the values of the
// parameters and the path with the template's words in canonical case.
func (t template) match(path []string) (params map[string]string, canonical []string, ok bool) {
	head := len(path) - len(t.segments)
	if head < 0 || (head > 0 && !t.scope) {
		return nil, nil, false
	}
	for i, s := range t.segments {
		if !isParam(s) && !strings.EqualFold(s, path[head+i]) {
			return nil, nil, false
		}
	}
	scope, err := resourceid.Parse("/" + strings.Join(path[:head], "/"))
	if err != nil {
		return nil, nil, false
	}
	params = map[string]string{}
	if t.scope {
		params["scope"] = scope.String()
	}
	if !scope.IsRoot() {
		canonical = strings.Split(scope.String()[1:], "/")
	}
	for i, s := range t.segments {
		if isParam(s) {
			params[paramName(s)] = path[head+i]
			s = path[head+i]
		}
		canonical = append(canonical, s)
	}
	return params, canonical, true
}

// expand fills the parameters in, escaped for a URL.
func (t template) expand(params map[string]string) (string, error) {
	var b strings.Builder
	for _, s := range t.segments {
		if isParam(s) {
			value := params[paramName(s)]
			if value == "" {
				return "", fmt.Errorf("no value for %s in %s", s, t)
			}
			s = url.PathEscape(value)
		}
		b.WriteString("/" + s)
	}
	return b.String(), nil
}

// splitPath unescapes the segments of a request's path. Doubled slashes are
// forgiven: clients put "/" before a scope that starts with one.
func splitPath(escaped string) ([]string, error) {
	var path []string
	for part := range strings.SplitSeq(escaped, "/") {
		if part == "" {
			continue
		}
		segment, err := url.PathUnescape(part)
		if err == nil {
			err = resourceid.CheckSegment(segment)
		}
		if err != nil || len(escaped) > 2*resourceid.MaxLength {
			return nil, &Error{Status: http.StatusBadRequest, Code: "InvalidRequestUri", Message: "The path of the request is not well formed."}
		}
		path = append(path, segment)
	}
	return path, nil
}
