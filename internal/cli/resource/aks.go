package resource

import (
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

func aks(c *console.Console) *cobra.Command {
	return console.Noun("aks", "Trusted access of vaults to clusters", console.Noun("trustedaccess", "Trusted access", bindings(c), trustedRoles(c)))
}

func bindings(c *console.Console) *cobra.Command {
	var cluster string
	k := console.Kind{Version: clusterVersion, Render: flat, Path: func(name string) (string, error) {
		p, err := clusterPath(c, cluster)
		return console.Below(p, err, "trustedAccessRoleBindings", name)
	}, Columns: []console.Column{{Title: "name", Path: "name"}, {Title: "source", Path: "sourceResourceId"}, {Title: "state", Path: "provisioningState"}}}
	cmd := console.Noun("rolebinding", "Trusted access role bindings", createBinding(c, k.Path, "create", "Let a vault work on the cluster"),
		createBinding(c, k.Path, "update", "Change which vault works on the cluster by a binding"),
		k.Show(c), k.List(c), k.Delete(c, "Take the access back"))
	cmd.PersistentFlags().StringVar(&cluster, "cluster-name", "", "name of the cluster")
	_ = cmd.MarkPersistentFlagRequired("cluster-name")
	return cmd
}

func createBinding(c *console.Console, path func(string) (string, error), verb, short string) *cobra.Command {
	var name, source string
	var roles []string
	cmd := &cobra.Command{Use: verb, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(name)
		if err != nil {
			return err
		}
		body := map[string]any{"properties": map[string]any{"sourceResourceId": source, "roles": roles}}
		out, err := c.Call(cmd.Context(), http.MethodPut, p, clusterVersion, body)
		if err != nil {
			return err
		}
		return c.Print(flat(out))
	}}
	console.NameFlag(cmd, &name, "name of the binding")
	cmd.Flags().StringVar(&source, "source-resource-id", "", "ARM id of the vault")
	cmd.Flags().StringSliceVar(&roles, "roles", []string{"Microsoft.DataProtection/backupVaults/backup-operator"}, "roles to bind")
	_ = cmd.MarkFlagRequired("source-resource-id")
	return cmd
}

func trustedRoles(c *console.Console) *cobra.Command {
	var location string
	k := console.Kind{Version: clusterVersion, Path: func(string) (string, error) {
		s, err := c.SubscriptionID()
		return "/subscriptions/" + s + "/providers/Microsoft.ContainerService/locations/" + location + "/trustedAccessRoles", err
	}, Columns: []console.Column{{Title: "name", Path: "name"}, {Title: "source", Path: "sourceResourceType"}}}
	list := k.List(c)
	list.Flags().StringVarP(&location, "location", "l", "", "region")
	_ = list.MarkFlagRequired("location")
	return console.Noun("role", "Roles that trusted access can give", list)
}
