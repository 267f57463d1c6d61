// Package written finds the command lines that stand in documents and help texts,
// and checks that a program takes them: an example that does not parse is worse
// than none.
package written

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// Line is one command line: its words without the program's name.
type Line struct {
	Words []string
	// Open says that something is left out, by "..." or a variable that may
	// stand for several words.
	Open bool
}

// String is the line as it is typed.
func (l Line) String() string { return strings.Join(l.Words, " ") }

var (
	inline   = regexp.MustCompile("`[^`]+`")
	variable = regexp.MustCompile(`^\$\w+$`)
	assigned = regexp.MustCompile(`^\w+=`)
)

// Document returns the lines of a program in a Markdown document: those of code
// blocks, and those between backquotes, which may be parts only.
func Document(program, markdown string) []Line {
	var code, prose strings.Builder
	for line := range strings.Lines(markdown) {
		if strings.HasPrefix(line, "    ") {
			code.WriteString(line)
		} else {
			prose.WriteString(line)
		}
	}
	all := Shell(program, code.String())
	for _, quoted := range inline.FindAllString(prose.String(), -1) {
		for _, l := range Shell(program, strings.ReplaceAll(strings.Trim(quoted, "`"), "\n", " ")) {
			l.Open = true
			all = append(all, l)
		}
	}
	return all
}

// Shell returns the lines of a program in shell text, those of substitutions too.
func Shell(program, text string) []Line {
	s := &scanner{text: text, program: program}
	s.commands()
	return s.found
}

// Check says why root does not take a line; root must not have been used before.
// A line that is open may lack what is required.
func Check(root *cobra.Command, l Line) error {
	cmd, rest, err := root.Find(l.Words)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if help, _ := cmd.Flags().GetBool("help"); help {
		return nil
	}
	if args := cmd.Flags().Args(); !cmd.Runnable() && len(args) > 0 {
		return fmt.Errorf("%q is no command of %s", args[0], cmd.CommandPath())
	}
	if l.Open {
		return nil
	}
	if !cmd.Runnable() {
		return fmt.Errorf("%s is a group", cmd.CommandPath())
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return err
	}
	return cmd.ValidateFlagGroups()
}
