package inventory

import (
	"errors"
	"time"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/resourceid"
)

// Needs lists the rights that a piece of work needs, such as
// backup.BackupGrants.
type Needs func(*backup.Instance, backup.Facts) []backup.Grant

// GatherFacts reads everything that a preflight wants to know about an
// instance, which need not be stored.
func GatherFacts(tx catalog.Tx, i *backup.Instance, now time.Time, needs Needs) (backup.Facts, error) {
	vault, err := optional(Vaults.Get(tx, i.VaultID()))
	if err != nil {
		return backup.Facts{}, err
	}
	identity, err := IdentityOf(tx, i)
	if err != nil {
		return backup.Facts{}, err
	}
	return gatherFacts(tx, i, backup.Facts{Vault: vault, UserIdentity: identity}, now, needs)
}

// GatherSecondaryFacts is GatherFacts about an instance of another region, as it lies
// in the store of replicas with its vault.
func GatherSecondaryFacts(tx catalog.Tx, i *backup.Instance, vault *backup.Vault, now time.Time, needs Needs) (backup.Facts, error) {
	f := backup.Facts{Vault: vault}
	if i.UserIdentityID != "" {
		var err error
		if f.UserIdentity, err = optional(SecondaryIdentities.Get(tx, i.UserIdentityID)); err != nil {
			return f, err
		}
	}
	return gatherFacts(tx, i, f, now, needs)
}

func gatherFacts(tx catalog.Tx, i *backup.Instance, f backup.Facts, now time.Time, needs Needs) (backup.Facts, error) {
	for _, read := range []func() error{
		func() (err error) { f.Policy, err = optional(Policies.Get(tx, i.PolicyID)); return err },
		func() (err error) { f.Cluster, err = optional(Clusters.Get(tx, i.Datasource.ID)); return err },
		func() (err error) { f.Bindings, err = Bindings.Below(tx, i.Datasource.ID); return err },
		func() (err error) { f.SnapshotGroup, err = GroupExists(tx, i.SnapshotGroupID); return err },
		func() (err error) { f.Extension, err = ExtensionOf(tx, i.Datasource.ID); return err },
		func() error { return gatherConnection(tx, i.Datasource.ID, now, &f) },
		func() error { return gatherLocation(tx, &f) },
		func() error { return gatherMissing(tx, needs(i, f), &f) },
	} {
		if err := read(); err != nil {
			return backup.Facts{}, err
		}
	}
	return f, nil
}

// ExtensionOf returns the backup extension declared on a cluster, nil when
// there is none.
func ExtensionOf(tx catalog.Tx, clusterID string) (*backup.Extension, error) {
	all, err := Extensions.Below(tx, clusterID)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// optional turns the not-found error of a read into nil.
func optional[T any](v *T, err error) (*T, error) {
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

// IdentityOf reads the user-assigned identity that an instance names; nil when it names
// none, or one that does not exist.
func IdentityOf(tx catalog.Tx, i *backup.Instance) (*backup.UserIdentity, error) {
	if i.UserIdentityID == "" {
		return nil, nil
	}
	return optional(UserIdentities.Get(tx, i.UserIdentityID))
}

func gatherConnection(tx catalog.Tx, clusterID string, now time.Time, f *backup.Facts) error {
	c, err := optional(Connections.Get(tx, backup.ConnectionID(clusterID, backup.RoleExtension)))
	if err != nil || c == nil {
		return err
	}
	f.Connected, f.Ended, f.Health = c.Alive(now), c.Ended, c.Health
	return nil
}

func gatherLocation(tx catalog.Tx, f *backup.Facts) (err error) {
	if f.Extension == nil {
		return nil
	}
	id, problem := f.Extension.ContainerID()
	if problem != nil {
		return nil // Preflight says that there is no location
	}
	if f.Container, err = optional(Containers.Get(tx, id)); err != nil {
		return err
	}
	f.Account, err = optional(Accounts.Get(tx, backup.AccountOfContainer(id)))
	return err
}

// gatherMissing asks for every required right whether a role assignment gives it.
func gatherMissing(tx catalog.Tx, needed []backup.Grant, f *backup.Facts) error {
	for _, g := range needed {
		held, err := GrantsOf(tx, g.PrincipalID)
		if err != nil {
			return err
		}
		scope, err := resourceid.Parse(g.Scope)
		if err != nil {
			return err
		}
		who := access.Principal{ObjectID: g.PrincipalID, Kind: access.ServicePrincipal}
		decide := access.Decide
		if g.Data {
			decide = access.DecideData
		}
		if !decide(who, held, g.Action, scope).Allowed {
			f.Missing = append(f.Missing, g)
		}
	}
	return nil
}

// StagingFacts reads the places that a restore is to be hydrated in.
func StagingFacts(tx catalog.Tx, r *backup.RestoreRequest) (f backup.StagingFacts, err error) {
	group, err := optional(ResourceGroups.Get(tx, r.StagingGroupID))
	if err != nil {
		return f, err
	}
	if group != nil {
		f.Group = &group.Meta
	}
	f.Account, err = optional(Accounts.Get(tx, r.StagingAccountID))
	return f, err
}
