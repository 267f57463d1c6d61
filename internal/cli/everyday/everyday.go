// Package everyday has the short verbs for daily work: login, context, status,
// backup and restore by a name people remember.
package everyday

import (
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/instance"
)

// Commands returns the everyday verbs.
func Commands(c *console.Console) []*cobra.Command {
	return []*cobra.Command{login(c), contexts(c), backup(c), restore(c), status(c), rest(c)}
}

func backup(c *console.Console) *cobra.Command {
	var rule, tag string
	cmd := &cobra.Command{Use: "backup NAME", Short: "Back up an instance now and watch it", Args: cobra.ExactArgs(1),
		Example: "  holdfast backup shop\n  holdfast backup shop --retention-tag Vault",
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := instance.Find(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return instance.Backup(cmd.Context(), c, name, rule, tag, !c.NoWait)
		}}
	cmd.Flags().StringVar(&rule, "rule-name", "", "backup rule of the policy (default: its first; also --rule)")
	cmd.Flags().StringVar(&tag, "retention-tag-override", "", "retention rule to keep the recovery point by; one with vault storage copies it into the vault (also --retention-tag)")
	return cmd
}

// restoreInput are the flags of restore.
type restoreInput struct {
	point, conflict    string
	from, cluster      string
	to, namespaces     []string
	withoutData        bool
	clusterScope       bool
	includeT, excludeT []string
	group, account     string
	keepStaging        bool
}

func restore(c *console.Console) *cobra.Command {
	var in restoreInput
	cmd := &cobra.Command{Use: "restore NAME", Short: "Restore an instance, by default its newest recovery point, and watch it", Args: cobra.ExactArgs(1),
		Example: "  holdfast restore shop\n  holdfast restore shop --to shop=shop-copy\n  holdfast restore shop --point 4f1c… --namespaces shop\n  holdfast restore shop --from vault --cluster second",
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := instance.Find(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			criteria, err := in.criteria()
			if err != nil {
				return err
			}
			store, err := storeOf(in.from)
			if err != nil {
				return err
			}
			from := instance.Source{Point: in.point, Store: store, Cluster: in.cluster, Secondary: strings.EqualFold(in.from, fromSecondary)}
			if from.Secondary && from.Cluster == "" {
				return console.Usage("--from secondary needs --cluster: one of the region that the vault is replicated into")
			}
			return instance.Restore(cmd.Context(), c, name, from, criteria, !c.NoWait)
		}}
	f := cmd.Flags()
	f.StringVar(&in.point, "point", "", "id of the recovery point (default: the newest)")
	f.StringVar(&in.from, "from", "operational", "where it is read from: operational (the snapshots, fast), vault (needs neither the cluster it came from nor its snapshots) or secondary (the vault's replica in the paired region)")
	f.StringVar(&in.cluster, "cluster", "", "name or ARM id of another cluster to restore to (default: the original)")
	f.StringVar(&in.conflict, "conflict-policy", "Skip", "what to do with objects that exist: Skip or Patch")
	f.StringArrayVar(&in.to, "to", nil, "OLD=NEW: restore a namespace under another name")
	f.StringArrayVar(&in.namespaces, "namespaces", nil, "only these namespaces, space separated")
	f.StringArrayVar(&in.includeT, "included-resource-type", nil, "only these kinds")
	f.StringArrayVar(&in.excludeT, "excluded-resource-type", nil, "all but these kinds")
	f.BoolVar(&in.withoutData, "without-volume-data", false, "restore claims empty")
	f.BoolVar(&in.clusterScope, "include-cluster-scope-resources", true, "cluster-scoped resources too")
	f.StringVar(&in.group, "staging-resource-group-id", "", "ARM id of a resource group near the target, for a restore from the vault through a staging storage account")
	f.StringVar(&in.account, "staging-storage-account-id", "", "ARM id of a storage account there; the recovery point is copied into it, and restored from there")
	f.BoolVar(&in.keepStaging, "keep-staging", false, "keep the copy in the staging storage account")
	return cmd
}

// fromSecondary says that the replica in the paired region is read.
const fromSecondary = "secondary"

// storeOf is the API's name of a tier as a person writes it.
func storeOf(from string) (string, error) {
	for name, store := range map[string]string{"operational": "OperationalStore", "vault": "VaultStore", fromSecondary: "VaultStore"} {
		if strings.EqualFold(from, name) || strings.EqualFold(from, store) {
			return store, nil
		}
	}
	return "", console.Usage("--from %q: choose operational, vault or secondary", from)
}

func (in *restoreInput) criteria() (map[string]any, error) {
	criteria := map[string]any{"includeClusterScopeResources": in.clusterScope, "conflictPolicy": in.conflict,
		"persistentVolumeRestoreMode": "RestoreWithVolumeData"}
	if in.withoutData {
		criteria["persistentVolumeRestoreMode"] = "RestoreWithoutVolumeData"
	}
	for key, list := range map[string][]string{"includedNamespaces": in.namespaces, "includedResourceTypes": in.includeT, "excludedResourceTypes": in.excludeT} {
		if len(list) > 0 {
			criteria[key] = list
		}
	}
	for key, id := range map[string]string{"stagingResourceGroupId": in.group, "stagingStorageAccountId": in.account} {
		if id != "" {
			criteria[key] = id
		}
	}
	if in.keepStaging {
		criteria["holdfastKeepStaging"] = true
	}
	if len(in.to) > 0 {
		m, err := console.Pairs(in.to)
		if err != nil {
			return nil, err
		}
		criteria["namespaceMappings"] = m
	}
	return criteria, nil
}

// rest sends any request, as az rest does.
func rest(c *console.Console) *cobra.Command {
	var method, url, body string
	cmd := &cobra.Command{Use: "rest", Short: "Send a request to the REST API", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var payload any
		if body != "" {
			var err error
			if payload, err = c.ReadJSONValue(body); err != nil {
				return err
			}
		}
		out, err := c.Call(cmd.Context(), strings.ToUpper(method), url, "", payload)
		if err != nil {
			return err
		}
		return c.Print(out)
	}}
	cmd.Flags().StringVarP(&method, "method", "m", http.MethodGet, "HTTP method")
	cmd.Flags().StringVarP(&url, "url", "u", "", "path with api-version")
	cmd.Flags().StringVarP(&body, "body", "b", "", "JSON, or a file")
	_ = cmd.MarkFlagRequired("url")
	return cmd
}
