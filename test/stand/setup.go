package stand

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Names of the resources a stand sets up.
const (
	Region    = "local"
	Group     = "backup"
	Snapshots = "snapshots"
	Account   = "operational"
	Vault     = "main"
	Policy    = "standard"
	Extension = "azure-aks-backup"
)

// location is where everything of the stand is.
func (s *Stand) location() string {
	return cmp.Or(s.Location, Region)
}

// ClusterID is the ARM id of a connected cluster.
func (s *Stand) ClusterID(name string) (string, error) {
	a, err := s.Admin()
	if err != nil {
		return "", err
	}
	return "/subscriptions/" + a.Subscription + "/resourceGroups/" + Group +
		"/providers/Microsoft.ContainerService/managedClusters/" + name, nil
}

// all runs commands of the command line in order.
func (s *Stand) all(ctx context.Context, commands ...string) error {
	for _, c := range commands {
		if _, err := s.Holdfast(ctx, strings.Fields(c)...); err != nil {
			return err
		}
	}
	return nil
}

// Setup makes the groups, the storage account, the vault and a policy, and
// connects the cluster under a name, as a person would from the command line.
func (s *Stand) Setup(ctx context.Context, cluster string) error {
	err := s.all(ctx,
		"group create -n "+Group+" -l "+s.location(),
		"group create -n "+Snapshots+" -l "+s.location(),
		"context set -g "+Group+" --vault-name "+Vault,
		"storage account create -n "+Account+" -l "+s.location()+" --sku Standard_LRS"+s.Store,
	)
	if err != nil {
		return err
	}
	if err := s.Connect(ctx, cluster); err != nil {
		return err
	}
	return s.all(ctx,
		"backup-vault create -l "+s.location()+" --type SystemAssigned --storage-settings datastore-type=VaultStore type=LocallyRedundant",
		"backup-policy create -n "+Policy,
	)
}

// Connect connects the cluster under a name and declares the extension, with a
// container of its own.
func (s *Stand) Connect(ctx context.Context, cluster string) error {
	connect := "cluster connect --name " + cluster + " -l " + s.location() +
		" --kubeconfig " + s.Kubeconfig + " --requests cpu=50m --requests memory=64Mi --agent-address " + s.AgentURL()
	err := s.all(ctx, connect, "storage container create -n "+cluster+" --account-name "+Account+" --auth-mode login")
	if err != nil {
		return err
	}
	a, err := s.Admin()
	if err != nil {
		return err
	}
	err = s.all(ctx, "k8s-extension create --name "+Extension+" --extension-type microsoft.dataprotection.kubernetes"+
		" --scope cluster --cluster-type managedClusters --cluster-name "+cluster+" --release-train stable"+
		" --configuration-settings blobContainer="+cluster+" storageAccount="+Account+
		" storageAccountResourceGroup="+Group+" storageAccountSubscriptionId="+a.Subscription+
		" resources.requests.cpu=50m resources.requests.memory=64Mi")
	if err != nil {
		return err
	}
	return s.AllowStorage(ctx, cluster, Account)
}

// AllowVault lets the vault restore into a cluster.
func (s *Stand) AllowVault(ctx context.Context, cluster string) error {
	id, err := s.ClusterID(cluster)
	if err != nil {
		return err
	}
	identity, err := s.Holdfast(ctx, "backup-vault", "show", "--query", "identity.principalId", "-o", "tsv")
	if err != nil {
		return err
	}
	return s.all(ctx,
		"aks trustedaccess rolebinding create --cluster-name "+cluster+" --name vault --roles Microsoft.DataProtection/backupVaults/backup-operator --source-resource-id "+s.vaultID(id),
		"role assignment create --role Reader --scope "+id+" --assignee-object-id "+strings.TrimSpace(identity))
}

// vaultID is the ARM id of the vault, which is in the group of every cluster.
func (s *Stand) vaultID(clusterID string) string {
	group, _, _ := strings.Cut(clusterID, "/providers/")
	return group + "/providers/Microsoft.DataProtection/backupVaults/" + cmp.Or(s.VaultName, Vault)
}

// VaultedPolicy makes a policy with a retention rule Vault, whose recovery
// points are copied into the vault.
func (s *Stand) VaultedPolicy(ctx context.Context, name string) error {
	policy, lifecycle, vaulted := filepath.Join(s.Dir, "policy.json"), filepath.Join(s.Dir, "lifecycle.json"), filepath.Join(s.Dir, "vaulted.json")
	for _, step := range []struct{ file, command string }{
		{policy, "backup-policy get-default-policy-template"},
		{lifecycle, "backup-policy retention-rule create-lifecycle --count 90 --retention-duration-type Days --source-datastore VaultStore"},
		{vaulted, "backup-policy retention-rule set --name Vault --lifecycles " + lifecycle + " --policy " + policy},
	} {
		if err := s.save(ctx, step.file, step.command); err != nil {
			return err
		}
	}
	return s.all(ctx, "backup-policy create -n "+name+" --policy "+vaulted)
}

// AllowStorage lets the extension of a cluster write to a storage account.
func (s *Stand) AllowStorage(ctx context.Context, cluster, account string) error {
	identity, err := s.Holdfast(ctx, "k8s-extension", "show", "--name", Extension, "--cluster-name", cluster,
		"--query", "aksAssignedIdentity.principalId", "-o", "tsv")
	if err != nil {
		return err
	}
	scope, err := s.Holdfast(ctx, "storage", "account", "show", "--name", account, "--query", "id", "-o", "tsv")
	if err != nil {
		return err
	}
	_, err = s.Holdfast(ctx, "role", "assignment", "create", "--role", "Storage Blob Data Contributor",
		"--scope", strings.TrimSpace(scope), "--assignee-object-id", strings.TrimSpace(identity))
	return err
}

// Protection says what to protect.
type Protection struct {
	Cluster    string // name of the connected cluster; default the stand's name
	Friendly   string
	Namespaces []string
	Policy     string // default Policy
}

// Protect lets the vault work on the cluster and creates a backup instance,
// unless one of that friendly name exists.
func (s *Stand) Protect(ctx context.Context, p Protection) error {
	if p.Cluster == "" {
		p.Cluster = s.Name
	}
	if p.Policy == "" {
		p.Policy = Policy
	}
	exists, err := s.protected(ctx, p.Friendly)
	if err != nil || exists {
		return err
	}
	cluster, err := s.ClusterID(p.Cluster)
	if err != nil {
		return err
	}
	base := s.vaultID(cluster)
	config, instance := filepath.Join(s.Dir, "config.json"), filepath.Join(s.Dir, "instance.json")
	if err := s.save(ctx, config, "backup-instance initialize-backupconfig --datasource-type AzureKubernetesService --included-namespaces "+strings.Join(p.Namespaces, " ")); err != nil {
		return err
	}
	if err := s.save(ctx, instance, "backup-instance initialize --datasource-type AzureKubernetesService --datasource-id "+cluster+
		" --datasource-location "+s.location()+" --policy-id "+base+"/backupPolicies/"+p.Policy+" --backup-configuration "+config+
		" --friendly-name "+p.Friendly+" --snapshot-resource-group-name "+Snapshots); err != nil {
		return err
	}
	return s.all(ctx,
		"aks trustedaccess rolebinding create --cluster-name "+p.Cluster+" --name vault --roles Microsoft.DataProtection/backupVaults/backup-operator --source-resource-id "+base,
		"backup-instance update-msi-permissions --datasource-type AzureKubernetesService --operation Backup --permissions-scope Resource --yes --backup-instance "+instance,
		"backup-instance create --backup-instance "+instance)
}

func (s *Stand) protected(ctx context.Context, friendly string) (bool, error) {
	out, err := s.Holdfast(ctx, "status", "-o", "json")
	if err != nil {
		return false, err
	}
	var rows []struct{ Instance string }
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		return false, err
	}
	for _, r := range rows {
		if strings.HasSuffix(r.Instance, friendly) {
			return true, nil
		}
	}
	return false, nil
}

// save keeps what a command prints in a file.
func (s *Stand) save(ctx context.Context, file, command string) error {
	out, err := s.Holdfast(ctx, strings.Fields(command)...)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(out), 0o600)
}

// WaitProtected waits until an instance is protected.
func (s *Stand) WaitProtected(ctx context.Context, friendly string) error {
	return Eventually(ctx, "instance "+friendly+" protected", 5*time.Minute, func() (bool, error) {
		out, err := s.Holdfast(ctx, "status", "-o", "tsv", "--query", "[?ends_with(instance, '"+friendly+"')].state")
		return strings.TrimSpace(out) == "ProtectionConfigured", fmt.Errorf("state %q: %w", out, err)
	})
}
