package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

// misspelt says which word is no command of the group that it was given to. The
// group alone would print its help and succeed, and a script would go on.
func misspelt(root *cobra.Command, args []string) error {
	cmd, rest, err := root.Find(args)
	if err != nil || cmd == root || cmd.Runnable() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil // the command itself tells
	}
	cmd.SuggestionsMinimumDistance = 2
	text := ""
	if near := cmd.SuggestionsFor(rest[0]); len(near) > 0 {
		text = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return console.Usage("%q is no command of '%s'%s\nsee '%s --help'", rest[0], cmd.CommandPath(), text, cmd.CommandPath())
}

// wronglyGiven are the beginnings of what is said about a command line before
// anything was done.
var wronglyGiven = []string{"required flag(s)", "unknown command", "accepts ", "if any flags in the group", "at least one of the flags"}

// given makes a UsageError of an error about the command line itself.
func given(cmd *cobra.Command, err error) error {
	var usage *console.UsageError
	if err == nil || errors.As(err, &usage) {
		return err
	}
	for _, begin := range wronglyGiven {
		if strings.HasPrefix(err.Error(), begin) {
			return console.Usage("%v\nsee '%s --help'", err, cmd.CommandPath())
		}
	}
	return err
}
