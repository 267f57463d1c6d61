// Package resourceid parses and builds resource ids and scopes, such as
//
//	/
//	/subscriptions/{subscription}
//	/subscriptions/{subscription}/resourceGroups/{group}
//	{scope}/providers/{namespace}/{type}/{name}[/{type}/{name}...]
//
// Ids compare without regard to case. The fixed words are echoed in their
// canonical case, everything else as it was given.
package resourceid

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrMalformed is in every error of Parse.
var ErrMalformed = errors.New("malformed resource id")

// Longest id and longest single segment that Parse accepts, in bytes.
const (
	MaxLength  = 2048
	MaxSegment = 260
)

// ID is a resource id or a scope. The zero value is Root.
type ID struct{ segments []string }

// Root is the scope "/" that contains everything.
var Root = ID{}

// Parse reads an id as it stands in a path or a body, already unescaped. One
// trailing slash is forgiven. Every error wraps ErrMalformed.
func Parse(text string) (ID, error) {
	if len(text) > MaxLength {
		return Root, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxLength)
	}
	if !strings.HasPrefix(text, "/") {
		return Root, fmt.Errorf("%w: %q does not start with a slash", ErrMalformed, text)
	}
	if text == "/" {
		return Root, nil
	}
	text = strings.TrimSuffix(text[1:], "/")
	segments := strings.Split(text, "/")
	for _, s := range segments {
		if err := CheckSegment(s); err != nil {
			return Root, err
		}
	}
	if err := canonicalise(segments); err != nil {
		return Root, fmt.Errorf("%w: /%s", err, text)
	}
	return ID{segments}, nil
}

// MustParse is Parse for ids known to be well formed; it panics otherwise.
func MustParse(text string) ID {
	id, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return id
}

// CheckSegment tells whether s may stand between two slashes: not empty, not
// "." or "..", no control character and none of <>%&\?#/, valid UTF-8.
func CheckSegment(s string) error {
	switch {
	case s == "" || s == "." || s == "..":
		return fmt.Errorf("%w: empty or dotted segment %q", ErrMalformed, s)
	case len(s) > MaxSegment:
		return fmt.Errorf("%w: segment longer than %d bytes", ErrMalformed, MaxSegment)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: segment is not UTF-8", ErrMalformed)
	}
	for _, r := range s {
		if r < 0x20 || r == 0x7f || strings.ContainsRune(`<>%&\?#/`, r) {
			return fmt.Errorf("%w: character %q not allowed", ErrMalformed, r)
		}
	}
	return nil
}

// canonicalise checks the grammar and rewrites the fixed words in place.
func canonicalise(segments []string) error {
	rest := segments
	if fixed(rest, "subscriptions") {
		rest = rest[2:]
		if fixed(rest, "resourceGroups") {
			rest = rest[2:]
		}
	}
	for len(rest) > 0 {
		if len(rest) < 4 || !fixed(rest, "providers") {
			return fmt.Errorf("%w: expected providers/{namespace}/{type}/{name}", ErrMalformed)
		}
		rest = rest[2:]
		for len(rest) > 0 && !strings.EqualFold(rest[0], "providers") {
			if len(rest) < 2 {
				return fmt.Errorf("%w: type %q has no name", ErrMalformed, rest[0])
			}
			rest = rest[2:]
		}
	}
	return nil
}

// fixed tells whether s starts with the word and a value, and sets the case of
// the word.
func fixed(s []string, word string) bool {
	if len(s) < 2 || !strings.EqualFold(s[0], word) {
		return false
	}
	s[0] = word
	return true
}

// String returns the id, "/" for Root.
func (id ID) String() string { return "/" + strings.Join(id.segments, "/") }

// Key is the id in lower case: equal ids have equal keys. It is what to store
// and look documents up by.
func (id ID) Key() string { return Key(id.String()) }

// Key returns the lower case of any id text, well formed or not.
func Key(text string) string { return strings.ToLower(text) }

// Equal compares without regard to case.
func (id ID) Equal(other ID) bool { return id.Key() == other.Key() }

// IsRoot tells whether the id is "/".
func (id ID) IsRoot() bool { return len(id.segments) == 0 }

// MarshalText writes the id as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote, with the checks of Parse.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
