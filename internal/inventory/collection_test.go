package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/resourceid"
)

const (
	vaultID   = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.DataProtection/backupVaults/V1"
	clusterID = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks1"
	accountID = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/acct"
	groupID   = "/subscriptions/S/resourceGroups/snap"
)

func update(t *testing.T, store catalog.Store, fn func(catalog.Tx) error) {
	t.Helper()
	if err := store.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestCollection(t *testing.T) {
	update(t, catalogtest.NewMemory(), func(tx catalog.Tx) error {
		v := &backup.Vault{Meta: backup.Meta{ID: vaultID, Location: "eastus"}}
		if err := Vaults.PutIf(tx, v, catalog.IfAbsent); err != nil {
			return err
		}
		first := v.ETag
		got, err := Vaults.Get(tx, strings.ToUpper(vaultID))
		if err != nil || got.ID != vaultID || got.ETag != first || first == "" {
			t.Errorf("%+v, %v", got, err)
		}
		if err := Vaults.PutIf(tx, v, catalog.IfAbsent); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("a second creation: %v", err)
		}
		if err := Vaults.PutIf(tx, v, first); err != nil || v.ETag == first {
			t.Errorf("over its ETag: %v", err)
		}
		if err := Vaults.PutIf(tx, v, first); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("over an old ETag: %v", err)
		}
		if err := Vaults.Delete(tx, strings.ToLower(vaultID)); err != nil {
			return err
		}
		if _, err := Vaults.Get(tx, vaultID); !errors.Is(err, catalog.ErrNotFound) || !strings.Contains(err.Error(), vaultID) {
			t.Errorf("after deletion: %v", err)
		}
		return nil
	})
}

func TestCollectionLists(t *testing.T) {
	update(t, catalogtest.NewMemory(), func(tx catalog.Tx) error {
		for n := range 1200 {
			p := &backup.RecoveryPoint{Meta: backup.Meta{ID: fmt.Sprintf("%s/backupInstances/i%d/recoveryPoints/%04d", vaultID, n%2, n)}}
			p.Stores = []backup.RecoveryStore{{Tier: backup.TierOperational, ContainerID: fmt.Sprintf("%s/C%d", accountID, n%3)}}
			if err := RecoveryPoints.Put(tx, p); err != nil {
				return err
			}
		}
		below, err := RecoveryPoints.Below(tx, vaultID)
		if err != nil || len(below) != 1200 {
			t.Errorf("%d below the vault, %v", len(below), err)
		}
		with, err := RecoveryPoints.With(tx, LabelContainer, backup.Key(accountID+"/C1"))
		if err != nil || len(with) != 400 {
			t.Errorf("%d in the container, %v", len(with), err)
		}
		var seen int
		for after, pages := "", 0; pages < 100; pages++ {
			page, next, err := RecoveryPoints.Page(tx, vaultID+"/backupInstances/i0", after, 70)
			if err != nil {
				return err
			}
			seen += len(page)
			if after = next; next == "" {
				break
			}
		}
		if seen != 600 {
			t.Errorf("%d in the pages of one instance", seen)
		}
		page, next, err := RecoveryPoints.PageWith(tx, LabelContainer, backup.Key(accountID+"/c2"), "", 5)
		if err != nil || len(page) != 5 || next == "" {
			t.Errorf("%d of the container, then %q, %v", len(page), next, err)
		}
		return nil
	})
}

func TestEnqueueOnce(t *testing.T) {
	store := catalogtest.NewMemory()
	update(t, store, func(tx catalog.Tx) error {
		for range 2 {
			if err := Enqueue(tx, backup.Work{Kind: backup.WorkBackup, Subject: vaultID, OperationID: "o1"}); err != nil {
				return err
			}
		}
		return Enqueue(tx, backup.Work{Kind: backup.WorkBackup, Subject: vaultID})
	})
	jobs := store.TakeJobs()
	if len(jobs) != 2 || jobs[0].UniqueKey != "o1" || jobs[1].UniqueKey != backup.Key(vaultID) || jobs[0].Kind != "backup" {
		t.Errorf("%+v", jobs)
	}
}

// TestGatherFacts builds the world of one instance and looks at it whole and
// with a role missing.
func TestGatherFacts(t *testing.T) {
	store := catalogtest.NewMemory()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	i := &backup.Instance{Datasource: backup.Datasource{ID: clusterID}, PolicyID: vaultID + "/backupPolicies/p", SnapshotGroupID: groupID}
	i.ID = vaultID + "/backupInstances/i"
	update(t, store, func(tx catalog.Tx) error {
		f, err := GatherFacts(tx, i, now, backup.BackupGrants)
		if err != nil || len(backup.Preflight(i, f)) < 5 {
			t.Errorf("in an empty catalog: %+v, %v", f, err)
		}
		return buildWorld(tx, now)
	})
	update(t, store, func(tx catalog.Tx) error {
		f, err := GatherFacts(tx, i, now, backup.BackupGrants)
		if err != nil {
			return err
		}
		found := backup.Preflight(i, f)
		if len(found) != 1 || found[0].Code != backup.CodeClusterMissingRole {
			t.Errorf("without the cluster's role: %v", found)
		}
		if err := assign(tx, "cluster", access.RoleContributor, groupID); err != nil {
			return err
		}
		if f, err = GatherFacts(tx, i, now, backup.BackupGrants); err != nil || len(backup.Preflight(i, f)) != 0 {
			t.Errorf("with every role: %v, %v", backup.Preflight(i, f), err)
		}
		if f, err = GatherFacts(tx, i, now.Add(time.Hour), backup.BackupGrants); err != nil || f.Connected {
			t.Errorf("after an hour of silence: connected=%v, %v", f.Connected, err)
		}
		return nil
	})
}

func buildWorld(tx catalog.Tx, now time.Time) error {
	extension := &backup.Extension{ClusterPrincipal: "extension", Settings: map[string]string{
		"blobContainer": "c01", "storageAccount": "acct", "storageAccountResourceGroup": "rg", "storageAccountSubscriptionId": "S"}}
	extension.ID = clusterID + "/providers/Microsoft.KubernetesConfiguration/extensions/e"
	container := backup.ContainerID(accountID, "c01")
	for _, put := range []func() error{
		func() error { return ResourceGroups.Put(tx, &ResourceGroup{Meta: backup.Meta{ID: groupID}}) },
		func() error {
			return Vaults.Put(tx, &backup.Vault{Meta: backup.Meta{ID: vaultID}, Identity: backup.Identity{Type: backup.IdentitySystem, PrincipalID: "vault"}})
		},
		func() error {
			return Policies.Put(tx, &backup.Policy{Meta: backup.Meta{ID: vaultID + "/backupPolicies/p"}})
		},
		func() error {
			return Clusters.Put(tx, &backup.Cluster{Meta: backup.Meta{ID: clusterID}, Identity: backup.Identity{Type: backup.IdentitySystem, PrincipalID: "cluster"}})
		},
		func() error {
			return Bindings.Put(tx, &backup.TrustedAccessBinding{Meta: backup.Meta{ID: clusterID + "/trustedAccessRoleBindings/b"}, SourceID: vaultID, Roles: []string{backup.BackupOperatorRole}})
		},
		func() error {
			return Connections.Put(tx, &backup.Connection{Meta: backup.Meta{ID: backup.ConnectionID(clusterID, backup.RoleExtension)}, LastSeen: now})
		},
		func() error { return Extensions.Put(tx, extension) },
		func() error {
			return Accounts.Put(tx, &backup.StorageAccount{Meta: backup.Meta{ID: accountID}})
		},
		func() error { return Containers.Put(tx, &backup.Container{Meta: backup.Meta{ID: container}}) },
		func() error { return assign(tx, "vault", access.RoleReader, clusterID) },
		func() error { return assign(tx, "vault", access.RoleReader, groupID) },
		func() error { return assign(tx, "extension", access.RoleStorageBlobDataContrib, accountID) },
	} {
		if err := put(); err != nil {
			return err
		}
	}
	return nil
}

func assign(tx catalog.Tx, principal, roleName, scope string) error {
	role, _ := access.RoleByName(roleName)
	id, err := resourceid.MustParse(scope).Resource("Microsoft.Authorization/roleAssignments", principal)
	if err != nil {
		return err
	}
	return RoleAssignments.Put(tx, &RoleAssignment{Meta: backup.Meta{ID: id.String()}, Scope: scope, RoleID: role.ID, PrincipalID: principal})
}
