package resource

import (
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

func groups(c *console.Console) *cobra.Command {
	k := console.Kind{Version: groupVersion, Path: func(name string) (string, error) {
		s, err := c.SubscriptionID()
		return console.Below("/subscriptions/"+s, err, "resourceGroups", name)
	}, Columns: []console.Column{{Title: "name", Path: "name"}, {Title: "location", Path: "location"}, {Title: "state", Path: "properties.provisioningState"}}}
	return console.Noun("group", "Resource groups", createGroup(c, k.Path), k.Show(c), k.List(c), k.Delete(c, "Delete an empty resource group"))
}

func createGroup(c *console.Console, path func(string) (string, error)) *cobra.Command {
	var name, location string
	var tags []string
	cmd := &cobra.Command{Use: "create", Short: "Create a resource group", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(name)
		if err != nil {
			return err
		}
		t, err := console.Pairs(tags)
		if err != nil {
			return err
		}
		out, err := c.Call(cmd.Context(), http.MethodPut, p, groupVersion, map[string]any{"location": location, "tags": t})
		if err != nil {
			return err
		}
		return c.Print(out)
	}}
	console.NameFlag(cmd, &name, "name of the group")
	cmd.Flags().StringVarP(&location, "location", "l", "", "region")
	cmd.Flags().StringArrayVar(&tags, "tags", nil, "KEY=VALUE, space separated")
	_ = cmd.MarkFlagRequired("location")
	return cmd
}
