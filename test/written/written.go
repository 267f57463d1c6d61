// Package written finds the command lines that stand in documents and help texts,
// and checks that a program takes them: an example that does not parse is worse
// than none.
package written

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// Line is one command line: its words without the program's name.
type Line struct {
	Words []string
	// Open says that something is left out, by "..." or a variable that may
	// stand for several words.
	Open  bool
	Where string // the document that it stands in
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

// Documents returns the lines of a program in all Markdown documents below a folder.
func Documents(program, folder string) ([]Line, error) {
	var all []Line
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != folder && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, l := range Document(program, string(text)) {
			l.Where = path
			all = append(all, l)
		}
		return err
	})
	return all, err
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
	if err := cmd.ParseFlags(rest); err != nil && (!l.Open || !strings.HasPrefix(err.Error(), "flag needs an argument")) {
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
