package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/instance"
	"holdfast.dev/holdfast/internal/cli/policy"
	"holdfast.dev/holdfast/internal/cli/vault"
)

// choices are the words that flags take, for shells.
var choices = map[string][]string{
	"output":            {"table", "json", "yaml", "tsv", "csv", "none"},
	"backup-strategy":   policy.Strategies,
	"source-datastore":  {"OperationalStore", "VaultStore"},
	"from":              {"operational", "vault", "secondary"},
	"conflict-policy":   {"Skip", "Patch"},
	"data":              {"none", "sample", "all"},
	"soft-delete-state": {"On", "Off", "AlwaysOn"},
	"operation":         instance.JobOperations,
	"status":            instance.JobStates,
	"absolute-criteria": {"AllBackup", "FirstOfDay", "FirstOfWeek", "FirstOfMonth", "FirstOfYear"},
	"copy-option":       {"ImmediateCopyOption", "CopyOnExpiryOption", "CustomCopyOption"},
}

// names says what --name of the commands of a group is a name of: a collection of
// the vault. The longest beginning of a command's path counts.
var names = []struct{ group, collection string }{
	{"backup-instance deleted-backup-instance", "deletedBackupInstances"},
	{"backup-instance", "backupInstances"}, {"recovery-point", "backupInstances"},
	{"job list", "backupInstances"}, {"job export", "backupInstances"}, {"job", "backupJobs"},
	{"backup-policy", "backupPolicies"}, {"backup", "backupInstances"}, {"restore", "backupInstances"},
}

// complete lets shells complete names and words. Names are asked of the service;
// where it does not answer there are none.
func complete(c *console.Console, cmd *cobra.Command, path string) {
	for flag, words := range choices {
		if cmd.LocalFlags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for _, n := range names {
		if path != n.group && !strings.HasPrefix(path, n.group+" ") {
			continue
		}
		if cmd.LocalFlags().Lookup("name") != nil {
			_ = cmd.RegisterFlagCompletionFunc("name", namesOf(c, n.collection))
		} else if path == n.group && !cmd.HasSubCommands() {
			cmd.ValidArgsFunction = namesOf(c, n.collection)
		}
		break
	}
	if cmd.LocalFlags().Lookup("instance") != nil {
		_ = cmd.RegisterFlagCompletionFunc("instance", namesOf(c, "backupInstances"))
	}
	for _, sub := range cmd.Commands() {
		complete(c, sub, strings.TrimSpace(strings.TrimPrefix(path+" "+sub.Name(), "dataprotection")))
	}
}

// namesOf completes the names of a collection of the vault: the friendly ones where
// there are.
func namesOf(c *console.Console, collection string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const nothing = cobra.ShellCompDirectiveNoFileComp
		v, err := c.VaultPath()
		if err != nil || len(args) > 0 {
			return nil, nothing
		}
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		items, err := c.List(ctx, v+"/"+collection, vault.Version)
		if err != nil {
			return nil, nothing
		}
		var found []string
		for _, raw := range items {
			var one struct {
				Name       string
				Properties struct{ FriendlyName string }
			}
			if json.Unmarshal(raw, &one) != nil {
				return nil, nothing
			}
			found = append(found, cmp.Or(instance.Friendly(one.Properties.FriendlyName), one.Name))
		}
		return found, nothing
	}
}
