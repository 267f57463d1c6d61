// Package cli is the command line: the same nouns, verbs and flags as
// az dataprotection, so that a script works with the prefix replaced, plus
// short verbs for every day. A command parses, calls the REST API and prints;
// it holds no rule. Only rescue works without a service.
package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/everyday"
	"holdfast.dev/holdfast/internal/cli/instance"
	"holdfast.dev/holdfast/internal/cli/policy"
	"holdfast.dev/holdfast/internal/cli/rescue"
	"holdfast.dev/holdfast/internal/cli/resource"
	"holdfast.dev/holdfast/internal/cli/vault"
)

// listFlags take several words after them, as in az.
var listFlags = map[string]bool{
	"included-namespaces": true, "excluded-namespaces": true, "included-resource-type": true, "excluded-resource-type": true,
	"label-selectors": true, "configuration-settings": true, "configuration-protected-settings": true, "storage-settings": true,
	"schedule-days": true, "schedule": true, "roles": true, "tags": true, "namespaces": true, "namespace-mappings": true, "to": true, "requests": true,
}

// Run executes the command line and returns the exit code.
func Run(ctx context.Context, c *console.Console, version string, args []string) int {
	root := command(c, version)
	if len(args) == 0 || args[0] != "rescue" { // it has no lists, and a --to of one word
		args = console.SpreadLists(args, listFlags)
	}
	root.SetArgs(args)
	err := misspelt(root, args)
	if err == nil {
		var cmd *cobra.Command
		cmd, err = root.ExecuteContextC(ctx)
		err = given(cmd, err)
	}
	if err != nil {
		fmt.Fprintln(c.Err, console.Explain(err))
	}
	return console.ExitCode(err)
}

func command(c *console.Console, version string) *cobra.Command {
	root := &cobra.Command{Use: "holdfast", Short: "Back up and restore Kubernetes applications", Version: version,
		Long:          "holdfast speaks to a Holdfast service. Begin with 'holdfast login'.\n\nCommands are those of 'az dataprotection' with the prefix replaced; 'holdfast dataprotection ...' works too.",
		SilenceErrors: true, SilenceUsage: true}
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return console.Usage("%v\nsee '%s --help'", err, cmd.CommandPath())
	})
	root.SetGlobalNormalizationFunc(otherNames)
	c.AddFlags(root)
	root.AddCommand(protection(c)...)
	root.AddCommand(resource.Commands(c)...)
	root.AddCommand(everyday.Commands(c)...)
	root.AddCommand(rescue.Command(c))
	long := &cobra.Command{Use: "dataprotection", Short: "The same commands under the prefix of az", Hidden: true}
	long.AddCommand(protection(c)...)
	root.AddCommand(long)
	complete(c, root, "")
	return root
}

// protection are the commands of az dataprotection.
func protection(c *console.Console) []*cobra.Command {
	vaults := vault.Command(c)
	vaults.AddCommand(instance.VaultUpkeep(c)...)
	return append([]*cobra.Command{vaults, policy.Command(c)}, instance.Commands(c)...)
}

// otherNames lets flags be given under the second names that az has for them.
func otherNames(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "backup-instance-name", "job-id", "ids":
		name = "name"
	case "retention-tag":
		name = "retention-tag-override"
	case "rule":
		name = "rule-name"
	case "username":
		name = "client-id"
	case "password":
		name = "client-secret"
	}
	return pflag.NormalizedName(name)
}
