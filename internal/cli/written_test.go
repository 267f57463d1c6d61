package cli

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/test/written"
)

// parses says why the command line is not taken.
func parses(l written.Line) error {
	if len(l.Words) == 0 || l.Words[0] != "rescue" {
		l.Words = console.SpreadLists(l.Words, listFlags)
	}
	return written.Check(command(console.New(), "test"), l)
}

// everyCommand calls do with every command there is.
func everyCommand(do func(*cobra.Command)) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		do(cmd)
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(command(console.New(), "test"))
}

func TestExamplesParse(t *testing.T) {
	examples := 0
	everyCommand(func(cmd *cobra.Command) {
		for _, l := range written.Shell("holdfast", cmd.Example) {
			examples++
			if err := parses(l); err != nil {
				t.Errorf("example of '%s': holdfast %s: %v", cmd.CommandPath(), l, err)
			}
		}
	})
	if examples < 20 {
		t.Errorf("only %d examples were found", examples)
	}
}

// Every command line in the README and the documents is taken.
func TestDocumentsParse(t *testing.T) {
	lines, err := written.Documents("holdfast", "../..")
	if err != nil || len(lines) < 100 {
		t.Errorf("%d command lines were found, %v", len(lines), err)
	}
	for _, l := range lines {
		if err := parses(l); err != nil {
			t.Errorf("%s: holdfast %s: %v", l.Where, l, err)
		}
	}
}

// Names that others gave stay; of our own there is one for each thing.
var (
	givenNames = regexp.MustCompile(`Storage Blob Data \w+|Azure Blob|blobContainer|blobServices`)
	otherWords = regexp.MustCompile(`(?i)\bblobs?\b|\bchunks?\b|snapshot id`)
)

// Help is complete, and in the words of the project.
func TestHelpTexts(t *testing.T) {
	everyCommand(func(cmd *cobra.Command) {
		name := cmd.CommandPath()
		if cmd.Short == "" || strings.ToUpper(cmd.Short[:1]) != cmd.Short[:1] || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("'%s': the short text %q does not begin with a capital, or ends with a full stop", name, cmd.Short)
		}
		texts := []string{cmd.Use, cmd.Short, cmd.Long, cmd.Example}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			texts = append(texts, f.Usage)
			kind, _ := pflag.UnquoteUsage(f)
			if f.Usage == "" || f.Usage == f.Name || strings.HasSuffix(strings.TrimSuffix(f.Usage, " ..."), ".") || strings.Contains(kind, "float") {
				t.Errorf("'%s --%s': the text %q of the kind %q is empty or its name, ends with a full stop, or tells of floats", name, f.Name, f.Usage, kind)
			}
		})
		shorts := map[string]string{}
		for _, sub := range cmd.Commands() {
			if other := shorts[sub.Short]; other != "" {
				t.Errorf("'%s': %s and %s have the same short text", name, other, sub.Name())
			}
			shorts[sub.Short] = sub.Name()
		}
		for _, text := range texts {
			if word := otherWords.FindString(givenNames.ReplaceAllString(text, "")); word != "" {
				t.Errorf("'%s' says %q in %q", name, word, text)
			}
		}
	})
}
