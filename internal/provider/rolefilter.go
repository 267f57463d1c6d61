package provider

import (
	"net/http"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/arm"
)

// filterTerms are the terms of a $filter of roles or assignments, by their
// lower-case names: "principalId eq 'x'" is principalid with x, "assignedTo('x')"
// is assignedto() with x, "atScope()" is atscope() with "".
type filterTerms map[string]string

// parseFilter reads terms joined by "and". Names that are not allowed are
// refused: to ignore one would show more than was asked for.
func parseFilter(r *arm.Request, allowed ...string) (filterTerms, error) {
	terms := filterTerms{}
	for text := strings.TrimSpace(filterOf(r)); text != ""; {
		name, value, rest, ok := cutTerm(text)
		known := slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) })
		if !ok || !known {
			return nil, &arm.Error{Status: http.StatusBadRequest, Code: "UnsupportedQuery", Target: "$filter",
				Message: "The filter '" + filterOf(r) + "' is not supported. Terms joined by 'and' may be " + strings.Join(allowed, ", ") + "."}
		}
		terms[strings.ToLower(name)] = value
		text = rest
	}
	return terms, nil
}

func filterOf(r *arm.Request) string {
	for name, values := range r.Query {
		if strings.EqualFold(name, "$filter") {
			return values[0]
		}
	}
	return ""
}

// cutTerm takes one term off the front; rest is what follows "and".
func cutTerm(text string) (name, value, rest string, ok bool) {
	end := strings.IndexAny(text, " (")
	if end <= 0 {
		return "", "", "", false
	}
	name, rest = text[:end], text[end:]
	if after, call := strings.CutPrefix(rest, "()"); call {
		rest, ok = cutAnd(after)
		return name + "()", "", rest, ok
	}
	if after, call := strings.CutPrefix(rest, "("); call {
		value, rest, ok = cutQuoted(after)
		rest, call = strings.CutPrefix(rest, ")")
		if !ok || !call {
			return "", "", "", false
		}
		rest, ok = cutAnd(rest)
		return name + "()", value, rest, ok
	}
	after, equals := strings.CutPrefix(strings.TrimLeft(rest, " "), "eq ")
	if !equals {
		return "", "", "", false
	}
	if value, rest, ok = cutQuoted(strings.TrimLeft(after, " ")); !ok {
		return "", "", "", false
	}
	rest, ok = cutAnd(rest)
	return name, value, rest, ok
}

// cutQuoted reads 'text', in which two quotes stand for one.
func cutQuoted(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, "'") {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 == len(text) || text[i+1] != '\'' {
			return b.String(), text[i+1:], true
		}
		b.WriteByte('\'')
		i++
	}
	return "", "", false
}

// cutAnd takes the joining word off; nothing at all is fine too.
func cutAnd(text string) (rest string, ok bool) {
	if strings.TrimSpace(text) == "" {
		return "", true
	}
	words := strings.TrimLeft(text, " ")
	if len(words) == len(text) || len(words) < 4 || !strings.EqualFold(words[:4], "and ") {
		return "", false
	}
	rest = strings.TrimSpace(words[4:])
	return rest, rest != ""
}

// accept tells whether a value passes the term of that name, if there is one.
func (t filterTerms) accept(name, value string) bool {
	want, filtered := t[strings.ToLower(name)]
	return !filtered || strings.EqualFold(want, value)
}

func (t filterTerms) has(name string) bool {
	_, there := t[strings.ToLower(name)]
	return there
}
