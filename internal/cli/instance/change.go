package instance

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

// stateChange is a command that moves the protection of an instance.
func stateChange(c *console.Console, use, action, short string) *cobra.Command {
	var name string
	return named(c, &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := Path(c, name)
		if err != nil {
			return err
		}
		_, err = c.Call(cmd.Context(), http.MethodPost, p+"/"+action, vault.Version, nil)
		return err
	}}, &name)
}

// changed reads the properties of an instance and applies a change to its
// policy information.
func changed(cmd *cobra.Command, c *console.Console, name string, change func(info map[string]any) error) (path string, props map[string]any, err error) {
	if path, err = Path(c, name); err != nil {
		return "", nil, err
	}
	raw, err := c.Get(cmd.Context(), path, vault.Version)
	if err != nil {
		return "", nil, err
	}
	var doc struct{ Properties map[string]any }
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "", nil, err
	}
	info, _ := doc.Properties["policyInfo"].(map[string]any)
	if info == nil {
		return "", nil, console.Usage("instance %s carries no policy", name)
	}
	return path, doc.Properties, change(info)
}

func updatePolicy(c *console.Console) *cobra.Command {
	var name, policy string
	cmd := named(c, &cobra.Command{Use: "update-policy", Short: "Put a backup instance under another policy; what is backed up already keeps its retention", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, props, err := changed(cmd, c, name, func(info map[string]any) error {
				info["policyId"] = policy
				return nil
			})
			if err != nil {
				return err
			}
			out, err := c.Call(cmd.Context(), http.MethodPut, path, vault.Version, map[string]any{"properties": props})
			if err != nil {
				return err
			}
			return c.Print(out, columns...)
		}}, &name)
	cmd.Flags().StringVar(&policy, "policy-id", "", "ARM id of the policy")
	_ = cmd.MarkFlagRequired("policy-id")
	return cmd
}

// configured registers the flag that names a backup configuration, and returns
// the change that it means: what it does not name stays.
func configured(c *console.Console, cmd *cobra.Command) func(info map[string]any) error {
	var config string
	cmd.Flags().StringVar(&config, "aks-backup-configuration", "", "JSON of the backup configuration, or a file, as initialize-backupconfig prints it")
	_ = cmd.MarkFlagRequired("aks-backup-configuration")
	return func(info map[string]any) error {
		given, err := c.ReadJSON(config)
		if err != nil {
			return err
		}
		parameters, _ := info["policyParameters"].(map[string]any)
		list, _ := parameters["backupDatasourceParametersList"].([]any)
		if len(list) == 0 {
			return console.Usage("the instance carries no backup configuration")
		}
		now, _ := list[0].(map[string]any)
		maps.Copy(now, camelCase(given))
		return nil
	}
}

func update(c *console.Console) *cobra.Command {
	return reconfiguring(c, &cobra.Command{Use: "update", Short: "Change what of the cluster is backed up"},
		http.MethodPut, "", "properties", columns...)
}

func validateForUpdate(c *console.Console) *cobra.Command {
	return reconfiguring(c, &cobra.Command{Use: "validate-for-update", Short: "Check whether a backup instance can be changed so"},
		http.MethodPost, "/validateForModifyBackup", "backupInstance")
}

// reconfiguring is a command that sends an instance with another backup
// configuration, under a name in the body.
func reconfiguring(c *console.Console, cmd *cobra.Command, method, suffix, property string, columns ...console.Column) *cobra.Command {
	var name string
	cmd.Args = cobra.NoArgs
	cmd = named(c, cmd, &name)
	change := configured(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path, props, err := changed(cmd, c, name, change)
		if err != nil {
			return err
		}
		out, err := c.Call(cmd.Context(), method, path+suffix, vault.Version, map[string]any{property: props})
		if err != nil {
			return err
		}
		return c.Print(out, columns...)
	}
	return cmd
}
