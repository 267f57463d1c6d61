package resource

import (
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

func clusterPath(c *console.Console, name string) (string, error) {
	g, err := c.GroupPath()
	return console.Below(g, err, "providers/Microsoft.ContainerService/managedClusters", name)
}

func clusters(c *console.Console) *cobra.Command {
	k := console.Kind{Version: clusterVersion, Path: func(name string) (string, error) { return clusterPath(c, name) },
		Columns: []console.Column{{Title: "name", Path: "name"}, {Title: "location", Path: "location"},
			{Title: "kubernetes", Path: "properties.kubernetesVersion"}, {Title: "state", Path: "properties.provisioningState"},
			{Title: "connected", Path: "properties.holdfastConnection.state"}, {Title: "last seen", Path: "properties.holdfastConnection.lastSeen"},
			{Title: "reason", Path: "properties.holdfastConnection.reason.message"}}}
	return console.Noun("cluster", "Connected clusters", createCluster(c), connectCluster(c), disconnectCluster(c), k.Show(c), k.List(c), k.Delete(c, "Forget a cluster"))
}

func createCluster(c *console.Console) *cobra.Command {
	var name, location string
	cmd := &cobra.Command{Use: "create", Short: "Create the resource of a cluster, to be connected later", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := clusterPath(c, name)
			if err != nil {
				return err
			}
			out, err := c.Call(cmd.Context(), http.MethodPut, p, clusterVersion, newCluster(location))
			if err != nil {
				return err
			}
			return c.Print(out)
		}}
	console.NameFlag(cmd, &name, "name of the cluster")
	cmd.Flags().StringVarP(&location, "location", "l", "", "region")
	_ = cmd.MarkFlagRequired("location")
	return cmd
}
