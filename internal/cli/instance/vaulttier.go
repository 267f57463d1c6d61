package instance

import (
	"encoding/json"
	"strings"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

// policyOf is the ARM id of the policy of an instance.
func policyOf(props map[string]any) string {
	info, _ := props["policyInfo"].(map[string]any)
	id, _ := info["policyId"].(string)
	return id
}

// usesVaultTier says whether a policy keeps recovery points in the vault.
func (g grants) usesVaultTier(policy string) (bool, error) {
	if policy == "" {
		return false, console.Usage("the backup instance names no policy")
	}
	raw, err := g.c.Get(g.ctx, policy, vault.Version)
	if err != nil {
		return false, err
	}
	var p struct {
		Properties struct {
			PolicyRules []struct {
				Lifecycles []struct {
					SourceDataStore struct {
						DataStoreType string `json:"dataStoreType"`
					} `json:"sourceDataStore"`
					TargetDataStoreCopySettings []any `json:"targetDataStoreCopySettings"`
				} `json:"lifecycles"`
			} `json:"policyRules"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return false, err
	}
	for _, r := range p.Properties.PolicyRules {
		for _, l := range r.Lifecycles {
			if l.SourceDataStore.DataStoreType == "VaultStore" || len(l.TargetDataStoreCopySettings) > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// giveVaultTier lets the vault read what it copies: snapshots in the group, and
// the storage account of the cluster's extension.
func (g grants) giveVaultTier(cluster, group string) error {
	account, err := g.operationalAccount(cluster)
	if err != nil {
		return err
	}
	vaultID, err := g.vaultIdentity()
	if err != nil {
		return err
	}
	if err := g.assign(group, vaultID, diskSnapshot); err != nil {
		return err
	}
	return g.assign(account, vaultID, blobDataReader)
}

const extensionVersion = "2024-11-01"

// extension is what is asked of a cluster's extensions.
type extension struct {
	ConfigurationSettings map[string]string `json:"configurationSettings"`
	AKSAssignedIdentity   struct {
		PrincipalID string `json:"principalId"`
	} `json:"aksAssignedIdentity"`
}

// operationalAccount is the ARM id of the storage account that a cluster's backup
// extension was given.
func (g grants) operationalAccount(cluster string) (string, error) {
	return g.ofExtension(cluster, "a storage account", func(e extension) string { return accountOf(e.ConfigurationSettings) })
}

// ofExtension finds something of a cluster's backup extension, which must have it.
func (g grants) ofExtension(cluster, what string, find func(extension) string) (string, error) {
	all, err := g.c.List(g.ctx, cluster+"/providers/Microsoft.KubernetesConfiguration/extensions", extensionVersion)
	if err != nil {
		return "", err
	}
	for _, raw := range all {
		var e struct {
			Properties extension `json:"properties"`
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return "", err
		}
		if found := find(e.Properties); found != "" {
			return found, nil
		}
	}
	return "", console.Usage("cluster %s has no backup extension with %s: install it first, with 'holdfast k8s-extension create'", console.Last(cluster), what)
}

// accountOf finds the storage account among settings, which may stand under
// their long or short names.
func accountOf(settings map[string]string) string {
	const long = "configuration.backupstoragelocation.config."
	get := func(names ...string) string {
		for key, value := range settings {
			for _, name := range names {
				if strings.EqualFold(key, name) {
					return value
				}
			}
		}
		return ""
	}
	name := get("storageAccount", long+"storageAccount")
	group := get("storageAccountResourceGroup", long+"resourceGroup")
	subscription := get("storageAccountSubscriptionId", long+"subscriptionId")
	if name == "" || group == "" || subscription == "" {
		return ""
	}
	return "/subscriptions/" + subscription + "/resourceGroups/" + group + "/providers/Microsoft.Storage/storageAccounts/" + name
}
