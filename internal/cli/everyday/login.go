package everyday

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

// admin is the file in which a new service leaves the credentials of its first
// administrator.
type admin struct {
	URL          string `json:"url"`
	Tenant       string `json:"tenant"`
	Subscription string `json:"subscription"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	CAFile       string `json:"caFile"`
}

func login(c *console.Console) *cobra.Command {
	var in admin
	var file, name, secretFile string
	var principal bool
	cmd := &cobra.Command{Use: "login [ADDRESS]", Short: "Sign in to a service and remember it as a context", Args: cobra.MaximumNArgs(1),
		Example: "  holdfast login --admin-file /var/lib/holdfast/admin.json\n  holdfast login https://backup.example:8443 --tenant T --client-id ID --client-secret-file secret.txt --ca-file ca.crt",
		RunE: func(cmd *cobra.Command, args []string) error {
			if file != "" {
				if err := readAdmin(file, &in); err != nil {
					return err
				}
			}
			if len(args) == 1 {
				in.URL = args[0]
			}
			if secretFile != "" {
				data, err := os.ReadFile(secretFile)
				if err != nil {
					return console.Usage("%v", err)
				}
				in.ClientSecret = string(bytes.TrimSpace(data))
			}
			return signIn(cmd, c, name, in)
		}}
	f := cmd.Flags()
	f.StringVar(&file, "admin-file", "", "admin.json of a new service: address, tenant, credentials")
	f.BoolVar(&principal, "service-principal", true, "accepted for compatibility")
	f.StringVarP(&in.Tenant, "tenant", "t", "", "tenant id")
	f.StringVarP(&in.ClientID, "client-id", "u", "", "client id of the service principal (also --username)")
	f.StringVarP(&in.ClientSecret, "client-secret", "p", "", "its secret (also --password); better --client-secret-file")
	f.StringVar(&secretFile, "client-secret-file", "", "file that holds the secret")
	f.StringVar(&in.CAFile, "ca-file", "", "certificate the service is trusted by")
	f.StringVar(&name, "name", "default", "name of the context")
	return cmd
}

func readAdmin(file string, in *admin) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return console.Usage("%v", err)
	}
	if err := json.Unmarshal(data, in); err != nil {
		return console.Usage("%s: %v", file, err)
	}
	return nil
}

func signIn(cmd *cobra.Command, c *console.Console, name string, in admin) error {
	if in.URL == "" || in.Tenant == "" || in.ClientID == "" || in.ClientSecret == "" {
		return console.Usage("give --admin-file, or an address with --tenant, --client-id and --client-secret-file")
	}
	x := console.Context{Name: name, Address: in.URL, Tenant: in.Tenant, ClientID: in.ClientID,
		ClientSecret: in.ClientSecret, Subscription: in.Subscription}
	if in.CAFile != "" {
		ca, err := os.ReadFile(in.CAFile)
		if err != nil {
			return console.Usage("%v", err)
		}
		x.CA = string(ca)
	}
	cfg, err := c.LoadConfig()
	if err != nil {
		return err
	}
	if old := cfg.Find(name); old != nil && old.Address == x.Address {
		x.ResourceGroup, x.Vault = old.ResourceGroup, old.Vault
	}
	if err := checkSignIn(cmd, c, &x); err != nil {
		return err
	}
	cfg.Set(x)
	if err := c.SaveConfig(cfg); err != nil {
		return err
	}
	c.Say("signed in to %s, subscription %s, context %q", x.Address, x.Subscription, x.Name)
	return nil
}

// checkSignIn asks for the subscriptions: it proves address, certificate and
// credentials at once, and finds the subscription when none was given.
func checkSignIn(cmd *cobra.Command, c *console.Console, x *console.Context) error {
	cl, err := x.Client()
	if err != nil {
		return err
	}
	resp, err := cl.Do(cmd.Context(), http.MethodGet, "/subscriptions", "2022-12-01", nil)
	if err != nil {
		return err
	}
	var list struct {
		Value []struct {
			SubscriptionID string `json:"subscriptionId"`
		} `json:"value"`
	}
	if err := json.Unmarshal(resp.Body, &list); err != nil {
		return err
	}
	if x.Subscription == "" && len(list.Value) > 0 {
		x.Subscription = list.Value[0].SubscriptionID
	}
	return nil
}
