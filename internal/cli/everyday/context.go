package everyday

import (
	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

func contexts(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "context", Short: "Where commands work: service, subscription, resource group, vault"}
	cmd.AddCommand(listContexts(c), useContext(c), setContext(c))
	return cmd
}

func listContexts(c *console.Console) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List contexts", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		cfg, err := c.LoadConfig()
		if err != nil {
			return err
		}
		rows := []map[string]any{}
		for _, x := range cfg.Contexts {
			rows = append(rows, map[string]any{"name": x.Name, "current": x.Name == cfg.Current, "address": x.Address,
				"subscription": x.Subscription, "resourceGroup": x.ResourceGroup, "vault": x.Vault})
		}
		return c.Print(rows, console.Column{Title: "current", Path: "current && '*' || ''"}, console.Column{Title: "name", Path: "name"},
			console.Column{Title: "address", Path: "address"}, console.Column{Title: "resource group", Path: "resourceGroup"}, console.Column{Title: "vault", Path: "vault"})
	}}
}

func useContext(c *console.Console) *cobra.Command {
	return &cobra.Command{Use: "use NAME", Short: "Make a context the current one", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		cfg, err := c.LoadConfig()
		if err != nil {
			return err
		}
		if cfg.Find(args[0]) == nil {
			return console.Usage("no context %q: see 'holdfast context list'", args[0])
		}
		cfg.Current = args[0]
		return c.SaveConfig(cfg)
	}}
}

func setContext(c *console.Console) *cobra.Command {
	return &cobra.Command{Use: "set", Short: "Set the defaults of the current context from --resource-group, --vault-name, --subscription", Args: cobra.NoArgs,
		Example: "  holdfast context set -g backup-rg --vault-name main",
		RunE: func(*cobra.Command, []string) error {
			x, err := c.Context()
			if err != nil {
				return err
			}
			cfg, err := c.LoadConfig()
			if err != nil {
				return err
			}
			current := cfg.Find(x.Name)
			for _, d := range []struct{ to, from *string }{{&current.ResourceGroup, &c.Group}, {&current.Vault, &c.Vault}, {&current.Subscription, &c.Subscription}} {
				if *d.from != "" {
					*d.to = *d.from
				}
			}
			return c.SaveConfig(cfg)
		}}
}
