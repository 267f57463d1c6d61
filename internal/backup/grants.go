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

// BackupGrants returns the rights that operational backups of an instance
// need. Resources that do not exist, which Preflight reports, are left out.
func BackupGrants(i *Instance, f Facts) []Grant {
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
	holder := "the identity of vault " + v.Name()
	return []Grant{
		{Holder: holder, PrincipalID: principal, Scope: clusterID, Role: "Reader",
			Action: "Microsoft.KubernetesConfiguration/extensions/read", Code: CodeListExtensions},
		{Holder: holder, PrincipalID: principal, Scope: groupID, Role: "Reader",
			Action: "Microsoft.Resources/subscriptions/resourceGroups/read", Code: CodeVaultMissingRole},
	}
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
