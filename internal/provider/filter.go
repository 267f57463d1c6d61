package provider

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/arm"
)

// filter holds the conditions of a $filter query: name eq 'value', joined by and.
type filter map[string]string

// condition is one comparison of a $filter query.
type condition struct{ name, operator, value string }

var comparison = regexp.MustCompile(`(?i)^\s*(\w+)\s+(eq|ge|gt|le|lt)\s+(?:'([^']*)'|"([^"]*)"|([^\s'"]+))\s*$`)

var conjunction = regexp.MustCompile(`(?i)\s+and\s+`)

// readFilter parses the $filter of a request. An empty one, which clients
// always send, has no conditions; a name not in allowed is refused.
func readFilter(r *arm.Request, allowed ...string) (filter, error) {
	f := filter{}
	list, err := readConditions(r, allowed...)
	for _, c := range list {
		if c.operator != "eq" {
			return nil, badFilter("$filter can compare %s with eq only", c.name)
		}
		f[c.name] = c.value
	}
	return f, err
}

// readConditions is readFilter for those who can do more than compare for equality.
func readConditions(r *arm.Request, allowed ...string) ([]condition, error) {
	text := strings.TrimSpace(r.Query.Get("$filter"))
	if text == "" {
		return nil, nil
	}
	var list []condition
	for _, part := range conjunction.Split(text, -1) {
		m := comparison.FindStringSubmatch(part)
		if m == nil {
			return nil, badFilter("$filter %q must be written name eq 'value' and ...", text)
		}
		name, err := pickEnum("$filter", m[1], allowed...)
		if err != nil {
			return nil, badFilter("$filter cannot test %q; it can test %s", m[1], strings.Join(allowed, ", "))
		}
		list = append(list, condition{name, strings.ToLower(m[2]), m[3] + m[4] + m[5]})
	}
	return list, nil
}

func badFilter(format string, args ...any) error {
	return arm.Refused(http.StatusBadRequest, "InvalidQueryParameter", "$filter", format, args...)
}

// time returns the moment a condition names; ok is false when there is none.
func (f filter) time(name string) (t time.Time, ok bool, err error) {
	text := f[name]
	if text == "" {
		return t, false, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05", "2006-01-02 03:04:05 PM", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true, nil
		}
	}
	return t, false, badFilter("%s in $filter is not a time: %q", name, text)
}

// span returns the range of time between two conditions; an open end is far away.
func (f filter) span(from, to string) (start, end time.Time, err error) {
	end = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	start, _, err = f.time(from)
	if err != nil {
		return start, end, err
	}
	if t, ok, err := f.time(to); err != nil {
		return start, end, err
	} else if ok {
		end = t
	}
	return start, end, nil
}
