package resource

import (
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

func storage(c *console.Console) *cobra.Command {
	return console.Noun("storage", "Storage accounts and containers", accounts(c), containers(c))
}

func accountPath(c *console.Console, name string) (string, error) {
	g, err := c.GroupPath()
	return console.Below(g, err, "providers/Microsoft.Storage/storageAccounts", name)
}

func accounts(c *console.Console) *cobra.Command {
	k := console.Kind{Version: storageVersion, Render: flat, Path: func(name string) (string, error) { return accountPath(c, name) },
		Columns: []console.Column{{Title: "name", Path: "name"}, {Title: "location", Path: "location"}, {Title: "sku", Path: "sku.name"}, {Title: "kind", Path: "kind"}}}
	return console.Noun("account", "Storage accounts", createAccount(c), k.Show(c), k.List(c), k.Delete(c, "Forget a storage account; what lies in it stays"))
}

func createAccount(c *console.Console) *cobra.Command {
	var name, location, sku, kind, url, account, key string
	cmd := &cobra.Command{Use: "create", Short: "Create a storage account", Args: cobra.NoArgs,
		Long: "Create a storage account: a name for a place where containers lie. Without --store-url the service\nkeeps it in its own data directory.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := accountPath(c, name)
			if err != nil {
				return err
			}
			props := map[string]any{}
			if url != "" {
				store := map[string]any{"url": url}
				for name, value := range map[string]string{"accountName": account, "accountKey": key} {
					if value != "" {
						store[name] = value
					}
				}
				props["holdfastStore"] = store
			}
			body := map[string]any{"location": location, "kind": kind, "sku": map[string]any{"name": sku}, "properties": props}
			out, err := c.Call(cmd.Context(), http.MethodPut, p, storageVersion, body)
			if err != nil {
				return err
			}
			return c.Print(flat(out))
		}}
	console.NameFlag(cmd, &name, "name of the account")
	f := cmd.Flags()
	f.StringVarP(&location, "location", "l", "", "region")
	f.StringVar(&sku, "sku", "Standard_LRS", "Standard_LRS, Standard_ZRS, Standard_GRS ...")
	f.StringVar(&kind, "kind", "StorageV2", "kind of account")
	f.StringVar(&url, "store-url", "", "where it lies: file:///folder, https://account.host (Azure Blob), s3://bucket or gs://bucket")
	f.StringVar(&account, "store-account", "", "account name at the store, or the id of an S3 access key")
	f.StringVar(&key, "store-key", "", "account key at the store, the secret of an S3 access key, or the JSON key of a Google service account")
	_ = cmd.MarkFlagRequired("location")
	return cmd
}

func containers(c *console.Console) *cobra.Command {
	var account, auth string
	k := console.Kind{Version: storageVersion, Render: flat, Path: func(name string) (string, error) {
		p, err := accountPath(c, account)
		return console.Below(p, err, "blobServices/default/containers", name)
	}, Columns: []console.Column{{Title: "name", Path: "name"}}}
	cmd := console.Noun("container", "Containers of a storage account", createContainer(c, k.Path),
		k.Show(c), k.List(c), k.Delete(c, "Forget a container; what lies in it stays"))
	cmd.PersistentFlags().StringVar(&account, "account-name", "", "name of the storage account")
	cmd.PersistentFlags().StringVar(&auth, "auth-mode", "login", "accepted for compatibility")
	_ = cmd.MarkPersistentFlagRequired("account-name")
	return cmd
}

func createContainer(c *console.Console, path func(string) (string, error)) *cobra.Command {
	var name string
	cmd := &cobra.Command{Use: "create", Short: "Create a container", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(name)
		if err != nil {
			return err
		}
		out, err := c.Call(cmd.Context(), http.MethodPut, p, storageVersion, map[string]any{"properties": map[string]any{}})
		if err != nil {
			return err
		}
		return c.Print(flat(out))
	}}
	console.NameFlag(cmd, &name, "name of the container")
	return cmd
}
