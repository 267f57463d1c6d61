package console

import (
	"slices"
	"strings"
)

// Choices lists words as a sentence does: "A, B or C".
func Choices(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Choose refuses the value of a flag that is none of the words, whatever their
// case; an empty one is no choice, and good.
func Choose(flag, value string, words []string) error {
	if value == "" || slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, value) }) {
		return nil
	}
	return Usage("%s %q: choose %s", flag, value, Choices(words))
}
