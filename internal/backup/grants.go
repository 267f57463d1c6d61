package backup

// Grant is a right that some identity must hold for backups and restores to work.
type Grant struct {
	Holder      string // for people: whose identity
	PrincipalID string
	Action      string
	Data        bool // whether Action is an action on data
	Scope       string
	Role        string // the built-in role that gives it
	Code        Code   // of the problem when it is missing
}

const containerActions = "Microsoft.Storage/storageAccounts/blobServices/containers/"

// BackupGrants returns the rights that backups of an instance need: those of the
// operational tier, and more when its policy uses the vault tier.
func BackupGrants(i *Instance, f Facts) []Grant {
	grants := OperationalGrants(i, f)
	if principal := f.vaultPrincipal(i); principal != "" && f.Policy != nil && f.Policy.UsesVaultTier() {
		grants = append(grants, vaultTierGrants(f, principal, i.SnapshotGroupID)...)
	}
	return grants
}

// OperationalGrants returns the rights that backups to and restores from the
// operational tier need. Resources that do not exist, which Preflight reports,
// are left out.
func OperationalGrants(i *Instance, f Facts) []Grant {
	var grants []Grant
	if principal := f.vaultPrincipal(i); principal != "" {
		grants = append(grants, vaultGrants(f.Vault, principal, i.Datasource.ID, i.SnapshotGroupID)...)
	}
	if f.Cluster != nil {
		grants = append(grants, clusterGrants(f.Cluster, i.SnapshotGroupID)...)
	}
	if f.Extension != nil && f.Account != nil {
		grants = append(grants, extensionGrants(f.Extension, f.Account.ID)...)
	}
	return grants
}

// VaultRestoreGrants returns the rights that a restore from the vault needs; the
// cluster of the instance is the target.
func VaultRestoreGrants(i *Instance, f Facts) []Grant {
	principal := f.vaultPrincipal(i)
	if principal == "" {
		return nil
	}
	return []Grant{readsCluster(f.Vault, principal, i.Datasource.ID)}
}

// vaultPrincipal is the identity the vault works with for the instance; empty
// when it has none.
func (f Facts) vaultPrincipal(i *Instance) string {
	switch {
	case f.Vault == nil:
		return ""
	case i.UserIdentityID == "":
		return f.Vault.Identity.PrincipalID
	case f.UserIdentity == nil:
		return ""
	default:
		return f.UserIdentity.PrincipalID
	}
}

func vaultGrants(v *Vault, principal, clusterID, groupID string) []Grant {
	return []Grant{
		readsCluster(v, principal, clusterID),
		{Holder: identityOf(v), PrincipalID: principal, Scope: groupID, Role: "Reader",
			Action: "Microsoft.Resources/subscriptions/resourceGroups/read", Code: CodeVaultMissingRole},
	}
}

func readsCluster(v *Vault, principal, clusterID string) Grant {
	return Grant{Holder: identityOf(v), PrincipalID: principal, Scope: clusterID, Role: "Reader",
		Action: "Microsoft.KubernetesConfiguration/extensions/read", Code: CodeListExtensions}
}

func identityOf(v *Vault) string { return "the identity of vault " + v.Name() }

// vaultTierGrants let the vault read what it copies: the snapshots of volumes,
// and the operational repository.
func vaultTierGrants(f Facts, principal, groupID string) []Grant {
	grants := []Grant{{Holder: identityOf(f.Vault), PrincipalID: principal, Scope: groupID, Role: "Disk Snapshot Contributor",
		Action: "Microsoft.Compute/snapshots/beginGetAccess/action", Code: CodeVaultMissingRole}}
	if f.Account == nil {
		return grants
	}
	return append(grants, Grant{Holder: identityOf(f.Vault), PrincipalID: principal, Scope: f.Account.ID, Role: "Storage Blob Data Reader",
		Action: containerActions + "blobs/read", Data: true, Code: CodeVaultMissingRole})
}

func clusterGrants(c *Cluster, groupID string) []Grant {
	return []Grant{{Holder: "the identity of cluster " + c.Name(), PrincipalID: c.Identity.PrincipalID, Scope: groupID,
		Action: "Microsoft.Compute/snapshots/write", Role: "Contributor", Code: CodeClusterMissingRole}}
}

func extensionGrants(e *Extension, accountID string) []Grant {
	holder := "the identity of extension " + e.Name()
	grant := Grant{Holder: holder, PrincipalID: e.ClusterPrincipal, Scope: accountID,
		Role: "Storage Blob Data Contributor", Code: CodeLocationMissingRole}
	read, write := grant, grant
	read.Action = containerActions + "read"
	write.Action, write.Data = containerActions+"blobs/write", true
	return []Grant{read, write}
}
