// Package instance has the commands for backup instances, their recovery
// points, jobs and restores, with the flags of az dataprotection.
package instance

import (
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

var columns = []console.Column{{Title: "name", Path: "name"}, {Title: "friendly name", Path: "properties.friendlyName"},
	{Title: "datasource", Path: "properties.dataSourceInfo.resourceName"},
	{Title: "state", Path: "properties.currentProtectionState"},
	{Title: "error", Path: "properties.protectionErrorDetails.code"}}

// Commands returns the groups backup-instance, recovery-point and job.
func Commands(c *console.Console) []*cobra.Command {
	k := console.Kind{Version: vault.Version, Columns: columns, Resolve: resolve(c, present), Path: func(name string) (string, error) { return Path(c, name) }}
	instances := console.Noun("backup-instance", "Backup instances: what is protected, by which policy",
		backupConfig(c), initialize(c), validateForBackup(c), updatePermissions(c), create(c), k.Show(c), k.List(c),
		k.Delete(c, "Stop protection and delete all recovery points"),
		adhocBackup(c), updatePolicy(c), update(c), validateForUpdate(c), deletedInstances(c), restoreConfig(c), validateForRestore(c), restoreGroup(c),
		stateChange(c, "stop-protection", "stopProtection", "Stop backups and keep all recovery points for ever"),
		stateChange(c, "suspend-backup", "suspendBackups", "Stop backups and let retention go on"),
		stateChange(c, "resume-protection", "resumeProtection", "Take backups again"))
	return []*cobra.Command{instances, recoveryPoints(c), jobs(c)}
}

// Path is the ARM id of an instance of the current vault, or of all for "".
func Path(c *console.Console, name string) (string, error) {
	v, err := c.VaultPath()
	return console.Below(v, err, "backupInstances", name)
}

// named registers --name/-n, which az also calls --backup-instance-name.
func named(c *console.Console, cmd *cobra.Command, name *string) *cobra.Command {
	return byFriendlyName(c, present, console.NameFlag(cmd, name, instanceFlag))
}

const instanceFlag = "name or friendly name of the backup instance (also --backup-instance-name)"

// unwrap takes {"name":…, "properties":{…}} apart, as initialize prints it.
func unwrap(doc map[string]any) (name string, props map[string]any) {
	name, _ = doc["backup_instance_name"].(string)
	if name == "" {
		name, _ = doc["name"].(string)
	}
	if p, ok := doc["properties"].(map[string]any); ok {
		return name, p
	}
	return name, doc
}

func validateForBackup(c *console.Console) *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "validate-for-backup", Short: "Check whether a backup instance can be protected", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc, err := c.ReadJSON(file)
			if err != nil {
				return err
			}
			_, props := unwrap(doc)
			v, err := c.VaultPath()
			if err != nil {
				return err
			}
			out, err := c.Call(cmd.Context(), http.MethodPost, v+"/validateForBackup", vault.Version, map[string]any{"backupInstance": props})
			if err != nil {
				return err
			}
			return c.Print(out)
		}}
	cmd.Flags().StringVar(&file, "backup-instance", "", "JSON of the instance, or a file")
	_ = cmd.MarkFlagRequired("backup-instance")
	return cmd
}

func create(c *console.Console) *cobra.Command {
	var file string
	var skip bool
	cmd := &cobra.Command{Use: "create", Short: "Protect: validate, then create the backup instance", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc, err := c.ReadJSON(file)
			if err != nil {
				return err
			}
			name, props := unwrap(doc)
			if name == "" {
				return console.Usage("the backup instance has no name: use what 'backup-instance initialize' prints")
			}
			v, err := c.VaultPath()
			if err != nil {
				return err
			}
			if !skip {
				if _, err := c.Call(cmd.Context(), http.MethodPost, v+"/validateForBackup", vault.Version, map[string]any{"backupInstance": props}); err != nil {
					return err
				}
			}
			out, err := c.Call(cmd.Context(), http.MethodPut, v+"/backupInstances/"+name, vault.Version, map[string]any{"properties": props})
			if err != nil {
				return err
			}
			return c.Print(out, columns...)
		}}
	cmd.Flags().StringVar(&file, "backup-instance", "", "JSON of the instance, or a file")
	cmd.Flags().BoolVar(&skip, "skip-validation", false, "create without validating first; the service validates all the same")
	_ = cmd.MarkFlagRequired("backup-instance")
	return cmd
}
