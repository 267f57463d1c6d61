package instance

import (
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

const datasourceType = "Microsoft.ContainerService/managedClusters"

// filters are the flags that select what is backed up or restored.
type filters struct {
	includedNamespaces, excludedNamespaces, includedTypes, excludedTypes, labels []string
	clusterScope                                                                 bool
}

func (o *filters) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.includedNamespaces, "included-namespaces", nil, "namespaces, space separated (default: all)")
	f.StringArrayVar(&o.excludedNamespaces, "excluded-namespaces", nil, "namespaces, space separated")
	f.StringArrayVar(&o.includedTypes, "included-resource-type", nil, "kinds, space separated")
	f.StringArrayVar(&o.excludedTypes, "excluded-resource-type", nil, "kinds, space separated")
	f.StringArrayVar(&o.labels, "label-selectors", nil, "KEY=VALUE, space separated, all must match")
	f.BoolVar(&o.clusterScope, "include-cluster-scope-resources", true, "cluster-scoped resources too")
}

func (o *filters) document() map[string]any {
	return map[string]any{
		"included_namespaces": orNil(o.includedNamespaces), "excluded_namespaces": orNil(o.excludedNamespaces),
		"included_resource_types": orNil(o.includedTypes), "excluded_resource_types": orNil(o.excludedTypes),
		"label_selectors": orNil(o.labels), "include_cluster_scope_resources": o.clusterScope,
	}
}

func orNil(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

func backupConfig(c *console.Console) *cobra.Command {
	var o filters
	var datasource, hooks string
	var volumes bool
	cmd := &cobra.Command{Use: "initialize-backupconfig", Short: "Print a backup configuration", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			doc := o.document()
			doc["snapshot_volumes"] = volumes
			if hooks != "" {
				refs, err := c.ReadJSONValue(hooks)
				if err != nil {
					return err
				}
				if one, ok := refs.(map[string]any); ok {
					refs = []any{one}
				}
				doc["backup_hook_references"] = refs
			}
			return c.Print(doc)
		}}
	o.add(cmd)
	cmd.Flags().BoolVar(&volumes, "snapshot-volumes", true, "persistent volumes too")
	cmd.Flags().StringVar(&hooks, "backup-hook-references", "", "JSON of name and namespace of BackupHook resources")
	cmd.Flags().StringVar(&datasource, "datasource-type", "AzureKubernetesService", "AzureKubernetesService")
	return cmd
}

// initInput are the flags of initialize.
type initInput struct{ datasource, location, policy, config, friendly, snapshotGroup, kind string }

func initialize(c *console.Console) *cobra.Command {
	var in initInput
	cmd := &cobra.Command{Use: "initialize", Short: "Print a backup instance to be created", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			doc, err := in.document(c)
			if err != nil {
				return err
			}
			return c.Print(doc)
		}}
	f := cmd.Flags()
	f.StringVar(&in.kind, "datasource-type", "AzureKubernetesService", "AzureKubernetesService")
	f.StringVar(&in.datasource, "datasource-id", "", "ARM id of the cluster")
	f.StringVarP(&in.location, "datasource-location", "l", "", "region of the cluster")
	f.StringVar(&in.policy, "policy-id", "", "ARM id of the policy")
	f.StringVar(&in.config, "backup-configuration", "", "JSON of the backup configuration, or a file")
	f.StringVar(&in.friendly, "friendly-name", "", "a name for people")
	f.StringVar(&in.snapshotGroup, "snapshot-resource-group-name", "", "resource group of the snapshots; cannot be changed later")
	for _, name := range []string{"datasource-id", "policy-id", "snapshot-resource-group-name"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

func (in *initInput) document(c *console.Console) (map[string]any, error) {
	config := map[string]any{"snapshot_volumes": true, "include_cluster_scope_resources": true}
	if in.config != "" {
		var err error
		if config, err = c.ReadJSON(in.config); err != nil {
			return nil, err
		}
	}
	subscription, err := c.SubscriptionID()
	if err != nil {
		return nil, err
	}
	cluster := console.Last(in.datasource)
	if in.friendly == "" {
		in.friendly = cluster
	}
	snapshots := in.snapshotGroup
	if !strings.HasPrefix(snapshots, "/") {
		snapshots = "/subscriptions/" + subscription + "/resourceGroups/" + snapshots
	}
	parameters := camelCase(config)
	parameters["objectType"] = "KubernetesClusterBackupDatasourceParameters"
	props := map[string]any{
		"objectType": "BackupInstance", "friendlyName": in.friendly,
		"dataSourceInfo":    Datasource("Datasource", in.datasource, in.location),
		"dataSourceSetInfo": Datasource("DatasourceSet", in.datasource, in.location),
		"policyInfo": map[string]any{"policyId": in.policy, "policyParameters": map[string]any{
			"dataStoreParametersList": []any{map[string]any{"objectType": "AzureOperationalStoreParameters",
				"dataStoreType": "OperationalStore", "resourceGroupId": snapshots}},
			"backupDatasourceParametersList": []any{parameters},
		}},
	}
	return map[string]any{"backup_instance_name": cluster + "-" + cluster + "-" + uuid.NewString(), "properties": props}, nil
}

// Datasource describes a cluster the way the API wants it.
func Datasource(objectType, id, location string) map[string]any {
	return map[string]any{"objectType": objectType, "datasourceType": datasourceType, "resourceID": id, "resourceUri": id,
		"resourceName": console.Last(id), "resourceType": "Microsoft.ContainerService/managedclusters", "resourceLocation": location}
}

// camelCase turns the keys that the command line prints into those of the API.
func camelCase(doc map[string]any) map[string]any {
	out := make(map[string]any, len(doc))
	for k, v := range doc {
		parts := strings.Split(k, "_")
		for i := 1; i < len(parts); i++ {
			if parts[i] != "" {
				parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
			}
		}
		out[strings.Join(parts, "")] = v
	}
	return out
}

func updatePermissions(c *console.Console) *cobra.Command {
	var kind, operation, scope, instance, request, snapshots string
	cmd := &cobra.Command{Use: "update-msi-permissions", Short: "Give vault, cluster and extension the roles that they need, and say which", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g := grants{c: c, ctx: cmd.Context()}
			if strings.EqualFold(operation, "Restore") {
				return g.forRestore(request, snapshots)
			}
			return g.forBackup(instance)
		}}
	f := cmd.Flags()
	f.StringVar(&kind, "datasource-type", "AzureKubernetesService", "AzureKubernetesService")
	f.StringVar(&operation, "operation", "Backup", "Backup or Restore")
	f.StringVar(&scope, "permissions-scope", "Resource", "accepted for compatibility: roles are given over the resource itself")
	f.StringVar(&instance, "backup-instance", "", "JSON of the instance, or a file")
	f.StringVar(&request, "restore-request-object", "", "JSON of the restore request, or a file")
	f.StringVar(&snapshots, "snapshot-resource-group-id", "", "ARM id of the snapshot resource group")
	console.Confirm(c, cmd)
	return cmd
}
