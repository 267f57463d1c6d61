package backup

import "testing"

const testAccount = "/subscriptions/S/resourceGroups/sarg/providers/Microsoft.Storage/storageAccounts/acct"

// goodFacts is a world in which the instance of goodInstance can be backed up.
func goodFacts() Facts {
	v := goodVault()
	v.ID, v.Identity = testVault, Identity{Type: IdentitySystem, PrincipalID: "vault-principal"}
	policy := goodPolicy()
	policy.Rules[1].Retention.Lifecycles = policy.Rules[2].Retention.Lifecycles
	cluster := &Cluster{Meta: Meta{ID: testCluster, Location: "eastus"}, Identity: Identity{Type: IdentitySystem, PrincipalID: "cluster-principal"}}
	extension := &Extension{Meta: Meta{ID: testCluster + "/providers/Microsoft.KubernetesConfiguration/extensions/azure-aks-backup", State: StateSucceeded}, ClusterPrincipal: "extension-principal"}
	return Facts{
		Vault: &v, Policy: policy, Cluster: cluster, Extension: extension, Connected: true, Health: &Health{Healthy: true},
		Bindings:      []TrustedAccessBinding{{SourceID: testVault, Roles: []string{BackupOperatorRole}}},
		Account:       &StorageAccount{Meta: Meta{ID: testAccount}},
		Container:     &Container{Meta: Meta{ID: ContainerID(testAccount, "c1")}},
		SnapshotGroup: true,
	}
}

func TestPreflight(t *testing.T) {
	if found := Preflight(goodInstance(), goodFacts()); len(found) != 0 {
		t.Fatal(found)
	}
	for want, change := range map[Code]func(*Instance, *Facts){
		CodeVaultIdentityOff:          func(_ *Instance, f *Facts) { f.Vault.Identity = Identity{} },
		CodeUserIdentityNotFound:      func(i *Instance, _ *Facts) { i.UserIdentityID = "/subscriptions/S/x" },
		CodeClusterRegionMismatch:     func(_ *Instance, f *Facts) { f.Cluster.Location = "westus" },
		CodeExtensionNotFound:         func(_ *Instance, f *Facts) { f.Extension = nil },
		CodeExtensionHasErrors:        func(_ *Instance, f *Facts) { f.Extension.State = StateFailed },
		CodeExtensionIdentityNotFound: func(_ *Instance, f *Facts) { f.Extension.ClusterPrincipal = "" },
		CodeExtensionUnhealthy: func(_ *Instance, f *Facts) {
			f.Health = &Health{Problems: []Problem{*NewProblem(CodeGenericWarning, "", "no snapshot class")}}
		},
		CodeClusterNotConnected:  func(_ *Instance, f *Facts) { f.Connected = false },
		CodeNoDefaultLocation:    func(_ *Instance, f *Facts) { f.Container = nil },
		CodeTrustedAccessMissing: func(_ *Instance, f *Facts) { f.Bindings[0].SourceID += "2" },
		CodeSnapshotGroupMissing: func(_ *Instance, f *Facts) { f.SnapshotGroup = false },
		CodeSnapshotGroupLocked:  func(_ *Instance, f *Facts) { f.Locked = true },
		CodeResourceNotFound:     func(_ *Instance, f *Facts) { f.Policy = nil },
		CodeLocationMissingRole: func(i *Instance, f *Facts) {
			f.Missing = extensionGrants(f.Extension, f.Account.ID)[:1]
		},
	} {
		i, f := goodInstance(), goodFacts()
		change(i, &f)
		found := Preflight(i, f)
		if len(found) != 1 || found[0].Code != want || len(found[0].Actions) == 0 {
			t.Errorf("want %s, found %v", want, found)
		}
	}
}

// A restore from the vault asks for the vault and the target cluster; what the
// backups came from may be gone.
func TestPreflightOfVaultRestore(t *testing.T) {
	gone := func(f *Facts) {
		f.Policy, f.Account, f.Container, f.SnapshotGroup, f.Locked = nil, nil, nil, false, true
	}
	f := goodFacts()
	gone(&f)
	if found := PreflightVaultRestore(goodInstance(), f); len(found) != 0 {
		t.Fatal(found)
	}
	for want, change := range map[Code]func(*Facts){
		CodeVaultIdentityOff:      func(f *Facts) { f.Vault.Identity = Identity{} },
		CodeClusterRegionMismatch: func(f *Facts) { f.Cluster.Location = "westus" },
		CodeResourceNotFound:      func(f *Facts) { f.Cluster = nil },
		CodeExtensionNotFound:     func(f *Facts) { f.Extension = nil },
		CodeClusterNotConnected:   func(f *Facts) { f.Connected = false },
		CodeTrustedAccessMissing:  func(f *Facts) { f.Bindings = nil },
		CodeListExtensions:        func(f *Facts) { f.Missing = VaultRestoreGrants(goodInstance(), *f) },
	} {
		f := goodFacts()
		gone(&f)
		change(&f)
		if found := PreflightVaultRestore(goodInstance(), f); len(found) != 1 || found[0].Code != want {
			t.Errorf("want %s, found %v", want, found)
		}
	}
}

func TestPreflightNamesEverything(t *testing.T) {
	found := Preflight(goodInstance(), Facts{})
	if len(found) < 5 {
		t.Errorf("in an empty world only %v is wrong", found)
	}
}

func TestBackupGrants(t *testing.T) {
	f := goodFacts()
	holders := map[string]int{}
	for _, g := range BackupGrants(goodInstance(), f) {
		holders[g.PrincipalID]++
		if g.Scope == "" || g.Action == "" || g.Role == "" || g.Code == "" {
			t.Errorf("incomplete grant %+v", g)
		}
	}
	if holders["vault-principal"] != 2 || holders["cluster-principal"] != 1 || holders["extension-principal"] != 2 {
		t.Errorf("grants by principal: %v", holders)
	}
	f.Policy = goodPolicy() // uses the vault tier
	roles := map[string]bool{}
	for _, g := range BackupGrants(goodInstance(), f)[5:] {
		roles[g.Role] = g.PrincipalID == "vault-principal"
	}
	if !roles["Disk Snapshot Contributor"] || !roles["Storage Blob Data Reader"] {
		t.Errorf("of the vault tier: %v", roles)
	}
	i := goodInstance()
	i.UserIdentityID = "/subscriptions/S/u"
	f.UserIdentity = &UserIdentity{PrincipalID: "user-principal"}
	if grants := BackupGrants(i, f); grants[0].PrincipalID != "user-principal" {
		t.Errorf("the vault works with %s", grants[0].PrincipalID)
	}
	if grants := BackupGrants(i, Facts{}); len(grants) != 0 {
		t.Errorf("nobody needs %v", grants)
	}
}

func TestEveryCodeHasAnAction(t *testing.T) {
	for code, facts := range codes {
		if len(facts.actions) == 0 {
			t.Errorf("%s does not say what to do", code)
		}
	}
}
