package backup

import "strings"

// OneOf returns the canonical spelling of a word out of a closed set, "" for "".
// The error is a *Problem.
func OneOf(target, word string, allowed ...string) (string, error) {
	if word == "" {
		return "", nil
	}
	for _, a := range allowed {
		if strings.EqualFold(a, word) {
			return a, nil
		}
	}
	return "", Invalid(target, "%q is not one of %s", word, strings.Join(allowed, ", "))
}

// ExpectObject is OneOf for the objectType of the object at target, which must be
// given.
func ExpectObject(target, word string, allowed ...string) (string, error) {
	if word == "" {
		return "", Invalid(target+".objectType", "objectType is required: %s", strings.Join(allowed, " or "))
	}
	return OneOf(target+".objectType", word, allowed...)
}

// Required is the problem of a property that is missing.
func Required(target string) *Problem {
	return Invalid(target, "%s is required", target[strings.LastIndexByte(target, '.')+1:])
}
