package instance

import (
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

var deletedColumns = []console.Column{{Title: "name", Path: "name"}, {Title: "friendly name", Path: "properties.friendlyName"},
	{Title: "datasource", Path: "properties.dataSourceInfo.resourceName"}, {Title: "state", Path: "properties.currentProtectionState"},
	{Title: "deleted", Path: "properties.deletionInfo.deletionTime"}, {Title: "kept until", Path: "properties.deletionInfo.scheduledPurgeTime"}}

// deletedInstances are the commands for instances whose data in the vault is
// kept after their deletion.
func deletedInstances(c *console.Console) *cobra.Command {
	path := func(name string) (string, error) {
		v, err := c.VaultPath()
		return console.Below(v, err, deleted, name)
	}
	k := console.Kind{Version: vault.Version, Columns: deletedColumns, Path: path, Resolve: resolve(c, deleted)}
	var name string
	undelete := byFriendlyName(c, deleted, console.NameFlag(&cobra.Command{Use: "undelete", Short: "Bring a deleted backup instance back; its protection is stopped", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := path(name)
			if err != nil {
				return err
			}
			_, err = c.Call(cmd.Context(), http.MethodPost, p+"/undelete", vault.Version, nil)
			return err
		}}, &name, instanceFlag))
	return console.Noun("deleted-backup-instance", "Deleted backup instances whose data in the vault is still kept", k.List(c), k.Show(c), undelete)
}
