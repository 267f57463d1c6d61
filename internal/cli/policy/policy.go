// Package policy has the commands for backup policies, with the flags of
// az dataprotection backup-policy. Editing commands work on JSON documents and
// need no service.
package policy

import (
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

var columns = []console.Column{{Title: "name", Path: "name"},
	{Title: "schedule", Path: "properties.policyRules[?objectType=='AzureBackupRule'] | [0].trigger.schedule.repeatingTimeIntervals[0]"},
	{Title: "retention", Path: "properties.policyRules[?objectType=='AzureRetentionRule' && isDefault] | [0].lifecycles[0].deleteAfter.duration"}}

// Command returns the backup-policy group.
func Command(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "backup-policy", Short: "Backup policies"}
	cmd.AddCommand(template(c), create(c), show(c), list(c), remove(c), trigger(c), retentionRule(c), tag(c))
	return cmd
}

func path(c *console.Console, name string) (string, error) {
	v, err := c.VaultPath()
	return v + "/backupPolicies/" + name, err
}

func named(cmd *cobra.Command, name *string) *cobra.Command {
	cmd.Flags().StringVarP(name, "name", "n", "", "name of the policy")
	_ = cmd.MarkFlagRequired("name")
	return cmd
}

func create(c *console.Console) *cobra.Command {
	var name, file string
	cmd := &cobra.Command{Use: "create", Short: "Create or replace a policy", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(c, name)
		if err != nil {
			return err
		}
		props := Default()
		if file != "" {
			if props, err = c.ReadJSON(file); err != nil {
				return err
			}
		}
		// What "show" printed may be given back as it is.
		if inner, ok := props["properties"].(map[string]any); ok {
			props = inner
		}
		out, err := c.Call(cmd.Context(), http.MethodPut, p, vault.Version, map[string]any{"properties": props})
		if err != nil {
			return err
		}
		return c.Print(out, columns...)
	}}
	cmd.Flags().StringVar(&file, "policy", "", "JSON of the policy, or a file (default: the template)")
	return named(cmd, &name)
}

func show(c *console.Console) *cobra.Command {
	var name string
	return named(&cobra.Command{Use: "show", Short: "Show a policy", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(c, name)
		if err != nil {
			return err
		}
		out, err := c.Get(cmd.Context(), p, vault.Version)
		if err != nil {
			return err
		}
		return c.Print(out, columns...)
	}}, &name)
}

func list(c *console.Console) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the policies of a vault", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		v, err := c.VaultPath()
		if err != nil {
			return err
		}
		out, err := c.List(cmd.Context(), v+"/backupPolicies", vault.Version)
		if err != nil {
			return err
		}
		return c.Print(out, columns...)
	}}
}

func remove(c *console.Console) *cobra.Command {
	var name string
	cmd := named(&cobra.Command{Use: "delete", Short: "Delete a policy", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(c, name)
		if err != nil {
			return err
		}
		_, err = c.Call(cmd.Context(), http.MethodDelete, p, vault.Version, nil)
		return err
	}}, &name)
	console.Confirm(c, cmd)
	return cmd
}

func template(c *console.Console) *cobra.Command {
	var datasource string
	cmd := &cobra.Command{Use: "get-default-policy-template", Short: "Print a policy to start from", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.Print(Default()) }}
	cmd.Flags().StringVar(&datasource, "datasource-type", "AzureKubernetesService", "AzureKubernetesService")
	return cmd
}
