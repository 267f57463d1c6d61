// Package policy has the commands for backup policies, with the flags of
// az dataprotection backup-policy. Editing commands work on JSON documents and
// need no service.
package policy

import (
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/policy/preview"
	"holdfast.dev/holdfast/internal/cli/vault"
)

var columns = []console.Column{{Title: "name", Path: "name"},
	{Title: "schedule", Path: "properties.policyRules[?objectType=='AzureBackupRule'] | [0].trigger.schedule.repeatingTimeIntervals[0]"},
	// By rule, how long which tier keeps: "Default OperationalStore P7D, Daily VaultStore P90D".
	{Title: "retention", Path: "join(', ', properties.policyRules[?objectType=='AzureRetentionRule'].join(' ', [name, " +
		"join(' + ', lifecycles[].join(' ', [not_null(sourceDataStore.dataStoreType, ''), not_null(deleteAfter.duration, '')]))]))"}}

// Command returns the backup-policy group.
func Command(c *console.Console) *cobra.Command {
	k := console.Kind{Version: vault.Version, Columns: columns, Path: func(name string) (string, error) { return path(c, name) }}
	return console.Noun("backup-policy", "Backup policies", template(c), create(c), preview.Command(c, k.Path), k.Show(c), k.List(c), k.Delete(c, "Delete a policy that no instance uses"),
		trigger(c), retentionRule(c), tag(c), vaultLimits(c))
}

func path(c *console.Console, name string) (string, error) {
	v, err := c.VaultPath()
	return console.Below(v, err, "backupPolicies", name)
}

func create(c *console.Console) *cobra.Command {
	var name, file string
	var strategy func() (object, error)
	cmd := &cobra.Command{Use: "create", Short: "Create or replace a policy", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(c, name)
		if err != nil {
			return err
		}
		read := strategy
		if file != "" {
			read = func() (object, error) { return c.ReadJSON(file) }
		}
		props, err := read()
		if err != nil {
			return err
		}
		// What "show" printed may be given back as it is.
		out, err := c.Call(cmd.Context(), http.MethodPut, p, vault.Version, map[string]any{"properties": inner(props)})
		if err != nil {
			return err
		}
		return c.Print(out, columns...)
	}}
	cmd.Flags().StringVar(&file, "policy", "", "JSON of the policy, or a file (default: that of the strategy)")
	strategy = strategyFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("policy", "backup-strategy")
	return console.NameFlag(cmd, &name, "name of the policy")
}

func template(c *console.Console) *cobra.Command {
	var datasource string
	var strategy func() (object, error)
	cmd := &cobra.Command{Use: "get-default-policy-template", Short: "Print a policy to start from", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p, err := strategy()
			if err != nil {
				return err
			}
			return c.Print(p)
		}}
	cmd.Flags().StringVar(&datasource, "datasource-type", "AzureKubernetesService", "AzureKubernetesService")
	strategy = strategyFlag(cmd)
	return cmd
}
