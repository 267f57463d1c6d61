package backup

import "strings"

// Facts is what is known about an instance and everything it depends on, at
// one moment. A nil pointer means that the resource does not exist.
type Facts struct {
	Vault     *Vault
	Policy    *Policy
	Cluster   *Cluster
	Extension *Extension
	// UserIdentity is the user-assigned identity that the instance names.
	UserIdentity *UserIdentity
	// Connected says whether the extension's agent was heard of lately.
	Connected bool
	// Ended says why that agent is turned away; nil while it may call.
	Ended *Problem
	// Health is what the extension last reported; nil when it has not.
	Health *Health
	// Bindings are the trusted access bindings of the cluster.
	Bindings []TrustedAccessBinding
	Account  *StorageAccount
	// Container is the backup storage location.
	Container *Container
	// SnapshotGroup says whether the snapshot resource group exists, Locked
	// whether it has a lock.
	SnapshotGroup, Locked bool
	// Missing are the required grants that no role assignment gives.
	Missing []Grant
}

// Preflight returns everything that stands in the way of backing up instance,
// the most basic first; empty means that nothing does. It is asked when
// protection is configured and again at every run.
func Preflight(instance *Instance, f Facts) []Problem {
	return f.found(f.checkVault(instance), f.checkPolicy(instance), f.checkCluster(instance), f.checkExtension(instance),
		f.checkLocation(instance), f.checkTrust(instance), f.checkSnapshotGroup(instance))
}

// PreflightVaultRestore returns everything that stands in the way of restoring
// from the vault to the cluster that the instance names here. It asks for the
// vault and that cluster alone: where the instance came from, the place of its
// operational backups and its snapshots may all be gone.
func PreflightVaultRestore(instance *Instance, f Facts) []Problem {
	return f.found(f.checkVault(instance), f.checkCluster(instance), f.checkExtension(instance), f.checkTrust(instance))
}

// found lists the problems there are, and the missing grants after them.
func (f Facts) found(problems ...*Problem) []Problem {
	for _, g := range f.Missing {
		problems = append(problems, NewProblem(g.Code, g.Scope, "%s lacks %s on %s (role %s)", g.Holder, g.Action, g.Scope, g.Role))
	}
	var out []Problem
	for _, p := range problems {
		if p != nil {
			out = append(out, *p)
		}
	}
	return out
}

func (f Facts) checkVault(i *Instance) *Problem {
	switch {
	case f.Vault == nil:
		return NewProblem(CodeResourceNotFound, i.VaultID(), "vault %s does not exist", i.VaultID())
	case i.UserIdentityID != "" && (f.UserIdentity == nil || !f.Vault.Identity.Has(i.UserIdentityID)):
		return NewProblem(CodeUserIdentityNotFound, i.UserIdentityID, "identity %s is not attached to vault %s", i.UserIdentityID, f.Vault.Name())
	case i.UserIdentityID == "" && !f.Vault.Identity.HasSystem():
		return NewProblem(CodeVaultIdentityOff, f.Vault.ID, "the system-assigned identity of vault %s is off", f.Vault.Name())
	default:
		return nil
	}
}

func (f Facts) checkPolicy(i *Instance) *Problem {
	if f.Policy == nil {
		return NewProblem(CodeResourceNotFound, i.PolicyID, "policy %s does not exist", i.PolicyID)
	}
	return nil
}

func (f Facts) checkCluster(i *Instance) *Problem {
	switch {
	case f.Cluster == nil:
		return NewProblem(CodeResourceNotFound, i.Datasource.ID, "cluster %s does not exist", i.Datasource.ID)
	case f.Vault != nil && !SameRegion(f.Vault.Location, f.Cluster.Location):
		return NewProblem(CodeClusterRegionMismatch, f.Cluster.ID, "cluster %s is in %s, the vault in %s", f.Cluster.Name(), f.Cluster.Location, f.Vault.Location)
	default:
		return nil
	}
}

func (f Facts) checkExtension(i *Instance) *Problem {
	e := f.Extension
	switch {
	case e == nil:
		return NewProblem(CodeExtensionNotFound, i.Datasource.ID, "the backup extension is not installed on cluster %s", i.Datasource.ID)
	case e.State == StateFailed:
		return NewProblem(CodeExtensionHasErrors, e.ID, "extension %s failed%s", e.Name(), because(e.Problem))
	case !e.State.Terminal():
		return NewProblem(CodeExtensionUnhealthy, e.ID, "extension %s is %s", e.Name(), strings.ToLower(string(e.State)))
	case e.ClusterPrincipal == "":
		return NewProblem(CodeExtensionIdentityNotFound, e.ID, "extension %s has no identity", e.Name())
	case f.Ended != nil:
		return NewProblem(CodeClusterNotConnected, i.Datasource.ID, "the extension's agent on cluster %s is turned away%s", i.Datasource.ID, because(f.Ended)).advise(f.Ended.Actions...)
	case !f.Connected:
		return NewProblem(CodeClusterNotConnected, i.Datasource.ID, "the extension's agent on cluster %s was not heard of lately", i.Datasource.ID)
	case f.Health != nil && !f.Health.Healthy:
		return NewProblem(CodeExtensionUnhealthy, e.ID, "extension %s is not healthy%s", e.Name(), f.Health.Why())
	default:
		return nil
	}
}

func (f Facts) checkLocation(i *Instance) *Problem {
	switch {
	case f.Extension == nil:
		return nil // said already
	case f.Account == nil || f.Container == nil:
		return NewProblem(CodeNoDefaultLocation, i.Datasource.ID, "the backup storage location of cluster %s does not exist", i.Datasource.ID)
	default:
		return nil
	}
}

func (f Facts) checkTrust(i *Instance) *Problem {
	for _, b := range f.Bindings {
		if b.Grants(i.VaultID()) {
			return nil
		}
	}
	return NewProblem(CodeTrustedAccessMissing, i.Datasource.ID, "cluster %s has no trusted access binding for vault %s", i.Datasource.ID, i.VaultID())
}

func (f Facts) checkSnapshotGroup(i *Instance) *Problem {
	switch {
	case !f.SnapshotGroup:
		return NewProblem(CodeSnapshotGroupMissing, i.SnapshotGroupID, "snapshot resource group %s does not exist", i.SnapshotGroupID)
	case f.Locked:
		return NewProblem(CodeSnapshotGroupLocked, i.SnapshotGroupID, "snapshot resource group %s has a lock", i.SnapshotGroupID)
	default:
		return nil
	}
}

func because(p *Problem) string {
	if p == nil {
		return ""
	}
	return ": " + p.Message
}

// Has says whether the user-assigned identity is attached.
func (i Identity) Has(userIdentityID string) bool {
	for _, id := range i.UserAssigned {
		if SameID(id, userIdentityID) {
			return true
		}
	}
	return false
}
