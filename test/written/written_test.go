package written

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestDocument(t *testing.T) {
	const text = "Use `hf list` first, and `other` never, `hf\nshow -n X`:\n\n" +
		"    ID=$(hf show -n \"a b\" --query id | cut -d/ -f3)   # hf is not this\n" +
		"    (umask 077; hf create --name ci \\\n      --role R > ci.json)\n" +
		"    hf list $STORE\n    hf show --id $ID ...\n    KEY=x hf list 'it # is'\n    other hf\n"
	want := []string{"show -n a b --query id false", "create --name ci --role R false", "list true", "show --id $ID true", "list it # is false",
		"list true", "show -n X true"}
	var got []string
	for _, l := range Document("hf", text) {
		got = append(got, fmt.Sprint(l, " ", l.Open))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found\n%s", strings.Join(got, "\n"))
	}
}

func TestCheck(t *testing.T) {
	root := func() *cobra.Command {
		root := &cobra.Command{Use: "hf"}
		group := &cobra.Command{Use: "thing"}
		show := &cobra.Command{Use: "show", Args: cobra.NoArgs, Run: func(*cobra.Command, []string) {}}
		show.Flags().StringP("name", "n", "", "")
		_ = show.MarkFlagRequired("name")
		group.AddCommand(show)
		root.AddCommand(group)
		return root
	}
	for line, good := range map[string]bool{
		"hf thing show -n x": true, "hf thing show ...": true, "hf thing ...": true, "hf thing show --help": true, "hf --help": true,
		"hf thing show": false, "hf thing shw -n x": false, "hf thing": false, "hf thng": false, "hf thing show -n x --nam y": false, "hf thing show -n x y": false,
	} {
		lines := Shell("hf", line)
		if len(lines) != 1 {
			t.Fatalf("%s: %v", line, lines)
		}
		if err := Check(root(), lines[0]); (err == nil) != good {
			t.Errorf("%s: %v", line, err)
		}
	}
}
