// Package vault has the commands for backup vaults, with the flags of
// az dataprotection backup-vault.
package vault

import (
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

// Version is the api-version of the data protection commands.
const Version = "2025-09-01"

var columns = []console.Column{{Title: "name", Path: "name"}, {Title: "location", Path: "location"},
	{Title: "redundancy", Path: "properties.storageSettings[0].type"},
	{Title: "soft delete", Path: "properties.securitySettings.softDeleteSettings.state"}, {Title: "state", Path: "properties.provisioningState"}}

// Command returns the backup-vault group.
func Command(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "backup-vault", Aliases: []string{"vault"}, Short: "Backup vaults"}
	cmd.AddCommand(create(c), update(c), show(c), list(c), remove(c))
	return cmd
}

// options are the flags that create and update share.
type options struct {
	location, identity, softDelete, immutability, alerts, crossRegion, crossSubscription, etag string
	retention                                                                                  float64
	storage, tags                                                                              []string
	uami                                                                                       string
}

func (o *options) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.identity, "type", "", "SystemAssigned, UserAssigned, \"SystemAssigned,UserAssigned\" or None")
	f.StringVar(&o.uami, "uami", "", "user assigned identities, as JSON")
	f.StringVar(&o.softDelete, "soft-delete-state", "", "On, Off or AlwaysOn")
	f.Float64Var(&o.retention, "retention-duration-in-days", 0, "`days` that deleted vaulted data is kept, 14 to 180")
	f.StringVar(&o.immutability, "immutability-state", "", "Disabled, Unlocked or Locked")
	f.StringVar(&o.alerts, "azure-monitor-alerts-for-job-failures", "", "Enabled or Disabled")
	f.StringVar(&o.crossRegion, "cross-region-restore-state", "", "Enabled or Disabled")
	f.StringVar(&o.crossSubscription, "cross-subscription-restore-state", "", "Enabled, Disabled or PermanentlyDisabled")
	f.StringVar(&o.etag, "e-tag", "", "accepted for compatibility")
	f.StringArrayVar(&o.tags, "tags", nil, "KEY=VALUE, space separated")
}

// body builds the request; only what was given is in it.
func (o *options) body(c *console.Console) (map[string]any, error) {
	props := map[string]any{}
	security := map[string]any{}
	soft := map[string]any{}
	set(soft, "state", o.softDelete)
	if o.retention > 0 {
		soft["retentionDurationInDays"] = o.retention
	}
	nest(security, "softDeleteSettings", soft)
	nest(security, "immutabilitySettings", one("state", o.immutability))
	nest(props, "securitySettings", security)
	features := map[string]any{}
	nest(features, "crossRegionRestoreSettings", one("state", o.crossRegion))
	nest(features, "crossSubscriptionRestoreSettings", one("state", o.crossSubscription))
	nest(props, "featureSettings", features)
	monitoring := map[string]any{}
	nest(monitoring, "azureMonitorAlertSettings", one("alertsForAllJobFailures", o.alerts))
	nest(props, "monitoringSettings", monitoring)
	out := map[string]any{"properties": props}
	if len(o.tags) > 0 {
		tags, err := console.Pairs(o.tags)
		if err != nil {
			return nil, err
		}
		out["tags"] = tags
	}
	return out, o.addIdentity(c, out)
}

func (o *options) addIdentity(c *console.Console, out map[string]any) error {
	if o.identity == "" {
		return nil
	}
	id := map[string]any{"type": o.identity}
	if o.uami != "" {
		ids, err := c.ReadJSON(o.uami)
		if err != nil {
			return err
		}
		id["userAssignedIdentities"] = ids
	}
	out["identity"] = id
	return nil
}

func create(c *console.Console) *cobra.Command {
	var o options
	cmd := &cobra.Command{Use: "create", Short: "Create a vault", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		path, err := c.VaultPath()
		if err != nil {
			return err
		}
		body, err := o.body(c)
		if err != nil {
			return err
		}
		settings, err := storageSettings(o.storage)
		if err != nil {
			return err
		}
		body["location"] = o.location
		body["properties"].(map[string]any)["storageSettings"] = settings
		out, err := c.Call(cmd.Context(), http.MethodPut, path, Version, body)
		if err != nil {
			return err
		}
		return c.Print(out, columns...)
	}}
	o.add(cmd)
	cmd.Flags().Lookup("type").DefValue = "SystemAssigned"
	o.identity = "SystemAssigned"
	cmd.Flags().StringVarP(&o.location, "location", "l", "", "region")
	cmd.Flags().StringArrayVar(&o.storage, "storage-settings", []string{"datastore-type=VaultStore", "type=LocallyRedundant"},
		"datastore-type=VaultStore type=LocallyRedundant|ZoneRedundant|GeoRedundant")
	_ = cmd.MarkFlagRequired("location")
	return cmd
}

// storageSettings reads "datastore-type=X type=Y", space separated or in one word.
func storageSettings(args []string) ([]any, error) {
	pairs, err := console.Pairs(strings.Fields(strings.Join(args, " ")))
	if err != nil {
		return nil, err
	}
	return []any{map[string]any{"datastoreType": strings.Trim(pairs["datastore-type"], `"`), "type": strings.Trim(pairs["type"], `"`)}}, nil
}

func update(c *console.Console) *cobra.Command {
	var o options
	cmd := &cobra.Command{Use: "update", Short: "Change a vault", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		path, err := c.VaultPath()
		if err != nil {
			return err
		}
		body, err := o.body(c)
		if err != nil {
			return err
		}
		out, err := c.Call(cmd.Context(), http.MethodPatch, path, Version, body)
		if err != nil {
			return err
		}
		return c.Print(out, columns...)
	}}
	o.add(cmd)
	return cmd
}

func show(c *console.Console) *cobra.Command {
	return &cobra.Command{Use: "show", Short: "Show a vault", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		path, err := c.VaultPath()
		if err != nil {
			return err
		}
		out, err := c.Get(cmd.Context(), path, Version)
		if err != nil {
			return err
		}
		return c.Print(out, columns...)
	}}
}

func list(c *console.Console) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List vaults, of a resource group with -g, else of the subscription", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.SubscriptionID()
			if err != nil {
				return err
			}
			path := "/subscriptions/" + s
			if c.Group != "" {
				path += "/resourceGroups/" + c.Group
			}
			out, err := c.List(cmd.Context(), path+"/providers/Microsoft.DataProtection/backupVaults", Version)
			if err != nil {
				return err
			}
			return c.Print(out, columns...)
		}}
}

func remove(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "delete", Short: "Delete an empty vault", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		path, err := c.VaultPath()
		if err != nil {
			return err
		}
		_, err = c.Call(cmd.Context(), http.MethodDelete, path, Version, nil)
		return err
	}}
	console.Confirm(c, cmd)
	return cmd
}

func set(m map[string]any, key, value string) {
	if value != "" {
		m[key] = value
	}
}

func one(key, value string) map[string]any {
	m := map[string]any{}
	set(m, key, value)
	return m
}

func nest(m map[string]any, key string, child map[string]any) {
	if len(child) > 0 {
		m[key] = child
	}
}
