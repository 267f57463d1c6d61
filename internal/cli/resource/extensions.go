package resource

import (
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

func extensions(c *console.Console) *cobra.Command {
	var cluster, clusterType string
	k := console.Kind{Version: extensionVersion, Render: flat, Path: func(name string) (string, error) {
		p, err := clusterPath(c, cluster)
		return console.Below(p, err, "providers/Microsoft.KubernetesConfiguration/extensions", name)
	}, Columns: []console.Column{{Title: "name", Path: "name"}, {Title: "type", Path: "extensionType"}, {Title: "version", Path: "currentVersion"}, {Title: "state", Path: "provisioningState"},
		{Title: "reason", Path: "errorInfo.message || (statuses[?level=='Error'])[0].message"}}}
	cmd := console.Noun("k8s-extension", "Extensions of a cluster", createExtension(c, k.Path), updateExtension(c, k.Path),
		k.Show(c), k.List(c), k.Delete(c, "Remove an extension from its cluster"))
	cmd.PersistentFlags().StringVar(&cluster, "cluster-name", "", "name of the cluster")
	cmd.PersistentFlags().StringVar(&clusterType, "cluster-type", "managedClusters", "accepted for compatibility")
	_ = cmd.MarkPersistentFlagRequired("cluster-name")
	return cmd
}

// settings are the flags that carry configuration.
type settings struct{ plain, protected []string }

func (s *settings) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.plain, "configuration-settings", nil, "KEY=VALUE, space separated")
	cmd.Flags().StringArrayVar(&s.protected, "configuration-protected-settings", nil, "KEY=VALUE that is never shown again, space separated")
}

func (s *settings) into(props map[string]any) error {
	plain, err := console.Pairs(s.plain)
	if err != nil {
		return err
	}
	protected, err := console.Pairs(s.protected)
	if err != nil {
		return err
	}
	props["configurationSettings"] = plain
	if len(protected) > 0 {
		props["configurationProtectedSettings"] = protected
	}
	return nil
}

func createExtension(c *console.Console, path func(string) (string, error)) *cobra.Command {
	var name, kind, scope, train, version string
	var s settings
	cmd := &cobra.Command{Use: "create", Short: "Install an extension", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(name)
		if err != nil {
			return err
		}
		props := map[string]any{"extensionType": kind, "autoUpgradeMinorVersion": true, "releaseTrain": train}
		if version != "" {
			props["version"], props["autoUpgradeMinorVersion"] = version, false
		}
		if err := s.into(props); err != nil {
			return err
		}
		body := map[string]any{"identity": map[string]any{"type": "SystemAssigned"}, "properties": props}
		out, err := c.Call(cmd.Context(), http.MethodPut, p, extensionVersion, body)
		if err != nil {
			return err
		}
		return c.Print(flat(out))
	}}
	console.NameFlag(cmd, &name, "name of the extension")
	f := cmd.Flags()
	f.StringVar(&kind, "extension-type", "microsoft.dataprotection.kubernetes", "type of the extension")
	f.StringVar(&scope, "scope", "cluster", "accepted for compatibility: the extension is installed for the whole cluster")
	f.StringVar(&train, "release-train", "stable", "release train")
	f.StringVar(&version, "version", "", "pin this version")
	s.add(cmd)
	return cmd
}

func updateExtension(c *console.Console, path func(string) (string, error)) *cobra.Command {
	var name string
	var s settings
	cmd := &cobra.Command{Use: "update", Short: "Change an extension's settings", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(name)
		if err != nil {
			return err
		}
		props := map[string]any{}
		if err := s.into(props); err != nil {
			return err
		}
		out, err := c.Call(cmd.Context(), http.MethodPatch, p, extensionVersion, map[string]any{"properties": props})
		if err != nil {
			return err
		}
		return c.Print(flat(out))
	}}
	console.NameFlag(cmd, &name, "name of the extension")
	s.add(cmd)
	return cmd
}
