package instance

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

func restoreConfig(c *console.Console) *cobra.Command {
	var o filters
	var datasource, conflict, mode, hooks, modifier, group, account string
	var mappings []string
	var keep bool
	cmd := &cobra.Command{Use: "initialize-restoreconfig", Short: "Print a restore configuration", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			doc := o.document()
			doc["object_type"] = "KubernetesClusterRestoreCriteria"
			doc["conflict_policy"], doc["persistent_volume_restore_mode"] = conflict, mode
			doc["namespace_mappings"] = nil
			if len(mappings) > 0 {
				m, err := namespaceMappings(c, mappings)
				if err != nil {
					return err
				}
				doc["namespace_mappings"] = m
			}
			for key, id := range map[string]string{"staging_resource_group_id": group, "staging_storage_account_id": account} {
				if id != "" {
					doc[key] = id
				}
			}
			if keep {
				doc["holdfast_keep_staging"] = true
			}
			return addReferences(c, doc, hooks, modifier, c.Print)
		}}
	o.add(cmd)
	f := cmd.Flags()
	f.StringVar(&datasource, "datasource-type", "AzureKubernetesService", "AzureKubernetesService")
	f.StringVar(&conflict, "conflict-policy", "Skip", "Skip or Patch")
	f.StringVar(&mode, "persistent-volume-restore-mode", "RestoreWithVolumeData", "RestoreWithVolumeData or RestoreWithoutVolumeData")
	f.StringArrayVar(&mappings, "namespace-mappings", nil, "OLD=NEW, space separated, or JSON")
	f.StringVar(&hooks, "restore-hook-references", "", "JSON of name and namespace of RestoreHook resources")
	f.StringVar(&modifier, "resource-modifier-reference", "", "JSON of name and namespace of a ConfigMap")
	f.StringVar(&group, "staging-resource-group-id", "", "ARM id of a resource group for a restore from the vault; may be left out")
	f.StringVar(&account, "staging-storage-account-id", "", "ARM id of a storage account for a restore from the vault; may be left out")
	f.BoolVar(&keep, "keep-staging", false, "keep what was hydrated in the staging storage account")
	return cmd
}

func addReferences(c *console.Console, doc map[string]any, hooks, modifier string, print func(any, ...console.Column) error) error {
	for key, arg := range map[string]string{"restore_hook_references": hooks, "resource_modifier_reference": modifier} {
		if arg == "" {
			continue
		}
		ref, err := c.ReadJSONValue(arg)
		if err != nil {
			return err
		}
		if one, ok := ref.(map[string]any); ok && key == "restore_hook_references" {
			ref = []any{one}
		}
		doc[key] = ref
	}
	return print(doc)
}

func namespaceMappings(c *console.Console, args []string) (any, error) {
	if len(args) == 1 && len(args[0]) > 0 && args[0][0] == '{' {
		return c.ReadJSON(args[0])
	}
	return console.Pairs(args)
}

// request are the flags of the initialize-for commands.
type request struct{ kind, location, store, point, config, instance, target string }

func restoreGroup(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "restore", Short: "Restore a backup instance"}
	cmd.AddCommand(initializeRestore(c, "initialize-for-item-recovery", "Print a request that restores into the original cluster"),
		initializeRestore(c, "initialize-for-data-recovery", "Print a request that restores into another cluster"), triggerRestore(c))
	return cmd
}

func initializeRestore(c *console.Console, use, short string) *cobra.Command {
	var r request
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		doc, err := r.document(cmd.Context(), c)
		if err != nil {
			return err
		}
		return c.Print(doc)
	}}
	f := cmd.Flags()
	f.StringVar(&r.kind, "datasource-type", "AzureKubernetesService", "AzureKubernetesService")
	f.StringVar(&r.location, "restore-location", "", "region to restore in")
	f.StringVar(&r.store, "source-datastore", "OperationalStore", "OperationalStore or VaultStore")
	f.StringVar(&r.point, "recovery-point-id", "", "id of the recovery point")
	f.StringVar(&r.config, "restore-configuration", "", "JSON of the restore configuration, or a file")
	f.StringVar(&r.instance, "backup-instance-id", "", "ARM id of the backup instance")
	f.StringVar(&r.target, "target-resource-id", "", "ARM id of the target cluster (default: the original)")
	_ = cmd.MarkFlagRequired("recovery-point-id")
	cmd.MarkFlagsOneRequired("backup-instance-id", "target-resource-id")
	return cmd
}

func (r *request) document(ctx context.Context, c *console.Console) (map[string]any, error) {
	config := map[string]any{"include_cluster_scope_resources": true}
	if r.config != "" {
		var err error
		if config, err = c.ReadJSON(r.config); err != nil {
			return nil, err
		}
	}
	if r.target == "" {
		cluster, location, err := clusterOf(ctx, c, r.instance)
		if err != nil {
			return nil, err
		}
		r.target = cluster
		if r.location == "" {
			r.location = location
		}
	}
	return RestoreRequest(r.point, r.store, r.target, r.location, camelCase(config)), nil
}

// RestoreRequest builds a restore request. criteria are those of the API
// without their objectType.
func RestoreRequest(point, store, cluster, location string, criteria map[string]any) map[string]any {
	criteria["objectType"] = "KubernetesClusterRestoreCriteria"
	if store == "VaultStore" {
		criteria["objectType"] = "KubernetesClusterVaultTierRestoreCriteria"
	}
	return map[string]any{
		"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": point, "sourceDataStoreType": store,
		"restoreTargetInfo": map[string]any{
			"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists", "restoreLocation": location,
			"datasourceInfo":    Datasource("Datasource", cluster, location),
			"datasourceSetInfo": Datasource("DatasourceSet", cluster, location),
			"restoreCriteria":   []any{criteria},
		}}
}

// clusterOf is the ARM id and the region of the cluster an instance protects.
func clusterOf(ctx context.Context, c *console.Console, instance string) (cluster, location string, err error) {
	raw, err := c.Get(ctx, instance, vault.Version)
	if err != nil {
		return "", "", err
	}
	var doc struct {
		Properties struct {
			DataSourceInfo struct {
				ResourceID       string `json:"resourceID"`
				ResourceLocation string `json:"resourceLocation"`
			} `json:"dataSourceInfo"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "", "", err
	}
	info := doc.Properties.DataSourceInfo
	return info.ResourceID, info.ResourceLocation, nil
}

func restoreRequest(c *console.Console, cmd *cobra.Command, name, file *string) func() (string, map[string]any, error) {
	named(c, cmd, name)
	cmd.Flags().StringVar(file, "restore-request-object", "", "JSON of the restore request, or a file")
	_ = cmd.MarkFlagRequired("restore-request-object")
	return func() (string, map[string]any, error) {
		path, err := Path(c, *name)
		if err != nil {
			return "", nil, err
		}
		body, err := c.ReadJSON(*file)
		return path, body, err
	}
}

func validateForRestore(c *console.Console) *cobra.Command {
	var name, file string
	var secondary bool
	cmd := &cobra.Command{Use: "validate-for-restore", Short: "Check whether a restore can be done", Args: cobra.NoArgs}
	read := restoreRequest(c, cmd, &name, &file)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path, body, err := read()
		if err != nil {
			return err
		}
		var out json.RawMessage
		if secondary {
			out, err = validateSecondary(cmd.Context(), c, path, body)
		} else {
			out, err = c.Call(cmd.Context(), http.MethodPost, path+"/validateRestore", vault.Version, map[string]any{"restoreRequestObject": body})
		}
		if err != nil {
			return err
		}
		return c.Print(out)
	}
	secondaryFlag(cmd, &secondary)
	return cmd
}

func triggerRestore(c *console.Console) *cobra.Command {
	var name, file string
	var watch, secondary bool
	cmd := &cobra.Command{Use: "trigger", Short: "Restore as a request says", Args: cobra.NoArgs}
	read := restoreRequest(c, cmd, &name, &file)
	cmd.Flags().BoolVar(&watch, "watch", false, "show progress until the job ends")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path, body, err := read()
		if err != nil {
			return err
		}
		if secondary {
			return startSecondary(cmd.Context(), c, path, body, watch)
		}
		return start(cmd.Context(), c, path+"/restore", body, watch)
	}
	secondaryFlag(cmd, &secondary)
	return cmd
}

// Source says what is restored, and where to.
type Source struct {
	Point   string // id of a recovery point; empty means the newest in the store
	Store   string // OperationalStore or VaultStore
	Cluster string // name or ARM id of the target; empty means the original
	// Secondary reads the replica in the paired region, where the target must be.
	Secondary bool
}

// Restore starts a restore of an instance; see RestoreRequest.
func Restore(ctx context.Context, c *console.Console, name string, from Source, criteria map[string]any, watch bool) error {
	path, err := Path(c, name)
	if err != nil {
		return err
	}
	if from.Point == "" {
		if from.Point, err = newestPoint(ctx, c, name, from.Store, from.Secondary); err != nil {
			return err
		}
	}
	cluster, location, err := from.target(ctx, c, path)
	if err != nil {
		return err
	}
	if from.Secondary {
		return startSecondary(ctx, c, path, RestoreRequest(from.Point, from.Store, cluster, location, criteria), watch)
	}
	return start(ctx, c, path+"/restore", RestoreRequest(from.Point, from.Store, cluster, location, criteria), watch)
}

// target is the ARM id and the region of the cluster that is restored to.
func (s Source) target(ctx context.Context, c *console.Console, instance string) (cluster, location string, err error) {
	if s.Cluster == "" {
		return clusterOf(ctx, c, instance)
	}
	cluster = s.Cluster
	if !strings.HasPrefix(cluster, "/") {
		group, err := c.GroupPath()
		if err != nil {
			return "", "", err
		}
		cluster = group + "/providers/" + datasourceType + "/" + cluster
	}
	raw, err := c.Get(ctx, cluster, clusterVersion)
	if err != nil {
		return "", "", err
	}
	var doc struct {
		Location string `json:"location"`
	}
	err = json.Unmarshal(raw, &doc)
	return cluster, doc.Location, err
}
