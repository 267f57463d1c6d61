package objstore

import (
	"fmt"
	"strings"
)

// MaxName is the longest object name in bytes.
const MaxName = 1000

// CheckName refuses, with ErrName, what is not a plain relative path: a name
// has one or more segments parted by "/", each of them letters, digits and
// "._-" and not starting with a dot. So no name can leave a folder, and every
// store takes every name.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("%w: %d bytes long", ErrName, len(name))
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment[0] == '.' || strings.ContainsFunc(segment, forbidden) {
			return fmt.Errorf("%w: %q", ErrName, name)
		}
	}
	return nil
}

func forbidden(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("._-", r)
}
