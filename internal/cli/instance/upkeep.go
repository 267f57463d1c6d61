package instance

import (
	"context"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

// VaultUpkeep returns the commands of the backup-vault group that look after
// what is in a vault. They are jobs that people watch, as backups are.
func VaultUpkeep(c *console.Console) []*cobra.Command {
	return []*cobra.Command{verifyVault(c), collectVault(c), repairVault(c)}
}

func verifyVault(c *console.Console) *cobra.Command {
	var name, data string
	cmd := &cobra.Command{Use: "verify", Short: "Verify what is in a vault, and watch it", Args: cobra.NoArgs,
		Long: "Verify what is in a vault: that everything that recovery points need is there and whole, and that they are those that were stored. " +
			"Recovery points that cannot be restored completely are named with the volume and the reason, and make the command fail.",
		Example: "  holdfast vault verify --vault-name main\n  holdfast vault verify --vault-name main --instance shop --data all",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return upkeep(cmd.Context(), c, "verify", name, map[string]any{"data": data})
		}}
	cmd.Flags().StringVar(&name, "instance", "", "name or friendly name of a backup instance (default: all of the vault)")
	cmd.Flags().StringVar(&data, "data", "sample", "how much of the data is read beside the structure: none, sample or all")
	return cmd
}

func collectVault(c *console.Console) *cobra.Command {
	var name string
	var dry bool
	cmd := &cobra.Command{Use: "collect", Short: "Delete what no recovery point in a vault needs, and watch it", Args: cobra.NoArgs,
		Example: "  holdfast vault collect --vault-name main --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return upkeep(cmd.Context(), c, "collect", name, map[string]any{"dryRun": dry})
		}}
	cmd.Flags().StringVar(&name, "instance", "", "name or friendly name of a backup instance (default: all of the vault)")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only tell what would be deleted, and why")
	return cmd
}

func repairVault(c *console.Console) *cobra.Command {
	var name string
	var dry bool
	cmd := &cobra.Command{Use: "repair", Short: "Bring back what is damaged in a vault, and watch it", Args: cobra.NoArgs,
		Long: "Read all that is in a vault, and bring back what is damaged: from what is stored twice, and from the replica in the paired region, which is " +
			"repaired from the vault in turn. Damaged packs are given up, and what is still needed of them is stored again. " +
			"Recovery points that cannot be restored completely afterwards are named with the volume and the reason, and marked.",
		Example: "  holdfast vault repair --vault-name main --instance shop --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return upkeep(cmd.Context(), c, "repair", name, map[string]any{"dryRun": dry})
		}}
	cmd.Flags().StringVar(&name, "instance", "", "name or friendly name of a backup instance (default: all of the vault)")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only tell what is lost, what can be brought back, and what would be rewritten")
	return cmd
}

// upkeep starts a job over a vault, or over what it has of one instance. One that was
// deleted and is kept has no other name than its own.
func upkeep(ctx context.Context, c *console.Console, action, typed string, body map[string]any) error {
	v, err := c.VaultPath()
	if err != nil {
		return err
	}
	if body["backupInstanceName"], err = resolve(c, present)(ctx, typed); err != nil {
		return err
	}
	return start(ctx, c, v+"/"+action, body, !c.NoWait)
}
