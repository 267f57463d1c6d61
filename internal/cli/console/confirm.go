package console

import (
	"bufio"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Confirm adds --yes to a command that destroys something, and asks first when
// it was not given. Without a terminal to ask on, --yes is required.
func Confirm(c *Console, cmd *cobra.Command) {
	var yes bool
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !yes {
			if err := c.ask(cmd.CommandPath()); err != nil {
				return err
			}
		}
		return run(cmd, args)
	}
}

func (c *Console) ask(what string) error {
	f, ok := c.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Usage("%s needs --yes when nobody can be asked", what)
	}
	c.Say("%s: are you sure? (y/N)", what)
	answer, _ := bufio.NewReader(c.In).ReadString('\n') // no answer means no
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return Usage("not confirmed, nothing was changed")
	}
	return nil
}
