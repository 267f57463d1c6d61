package workflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// newDisaster is a world with a vaulted recovery point, in which everything it
// came from is gone, and a second cluster.
func newDisaster(t *testing.T) *world {
	w := newVaultWorld(t)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.lose(t)
	return w
}

// lose takes away everything that backups came from, and connects a second
// cluster.
func (w *world) lose(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(w.root, "acct")); err != nil {
		t.Fatal(err)
	}
	ext := otherID + "/providers/Microsoft.KubernetesConfiguration/extensions/ext"
	w.update(func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, instID)
		if err != nil {
			return err
		}
		i.SnapshotGroupID = "/subscriptions/S/resourceGroups/snapshots-that-were"
		at := func(id string) backup.Meta {
			return backup.Meta{ID: id, Location: "here", State: backup.StateSucceeded}
		}
		return errors.Join(inventory.Instances.Put(tx, i),
			inventory.Extensions.Delete(tx, extID), inventory.Clusters.Delete(tx, clusterID), inventory.Policies.Delete(tx, policyID),
			inventory.Connections.Delete(tx, backup.ConnectionID(clusterID, backup.RoleExtension)),
			inventory.Bindings.Delete(tx, clusterID+"/trustedAccessRoleBindings/b"),
			inventory.Containers.Delete(tx, backup.ContainerID(accountID, "box")), inventory.Accounts.Delete(tx, accountID),
			inventory.Clusters.Put(tx, &backup.Cluster{Meta: at(otherID), Identity: backup.Identity{Type: backup.IdentitySystem, PrincipalID: "other"}}),
			inventory.Extensions.Put(tx, &backup.Extension{Meta: at(ext), Type: backup.ExtensionType, ClusterPrincipal: "other extension"}),
			inventory.Connections.Put(tx, &backup.Connection{Meta: backup.Meta{ID: backup.ConnectionID(otherID, backup.RoleExtension)},
				Role: backup.RoleExtension, LastSeen: w.clock.Now(), Health: &backup.Health{Healthy: true}}),
			inventory.Bindings.Put(tx, &backup.TrustedAccessBinding{Meta: at(otherID + "/trustedAccessRoleBindings/b"),
				SourceID: vaultID, Roles: []string{backup.BackupOperatorRole}}),
		)
	})
}

// vaultRequest restores from the vault into the second cluster.
func vaultRequest() *backup.RestoreRequest {
	return &backup.RestoreRequest{RecoveryPointID: pointID, Tier: backup.TierVault, Target: backup.Datasource{ID: otherID},
		ConflictPolicy: backup.ConflictSkip, VolumeMode: backup.WithVolumeData}
}

// startVaultRestore starts it as a job, or its validation.
func (w *world) startVaultRestore(name string, validate bool) string {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		if err := w.operation(tx, "op-"+name); err != nil {
			return err
		}
		if validate {
			return inventory.Enqueue(tx, backup.Work{Kind: backup.WorkValidateRestore, Subject: instID, OperationID: "op-" + name, Restore: vaultRequest()})
		}
		job := &backup.Job{Meta: backup.Meta{ID: vaultID + "/backupJobs/" + name}, InstanceID: instID, Kind: backup.JobRestore, Status: backup.JobInProgress,
			Started: w.clock.Now(), OperationID: "op-" + name, RecoveryPointID: pointID, Restore: vaultRequest()}
		return errors.Join(inventory.Jobs.Put(tx, job), inventory.Enqueue(tx, job.Work()))
	})
	return "op-" + name
}

// Cluster, extension, container and snapshots are gone, and even the policy: the
// second cluster is given the vault's key and the right to read this repository.
func TestRestoreFromTheVaultAlone(t *testing.T) {
	for _, kind := range []agentv1.Kind{agentv1.KindRestore, agentv1.KindValidateRestore} {
		t.Run(string(kind), func(t *testing.T) {
			w := newDisaster(t)
			var spec agentv1.Restore
			w.answer = ofKind(kind, func(o agentv1.Operation) agentv1.FinishRequest {
				if err := json.Unmarshal(o.Spec, &spec); err != nil {
					t.Fatal(err)
				}
				got, err := w.gate.Verify(spec.Repository.Gate.Token)
				want := grants.Grant{Operation: o.ID, Cluster: otherID, Store: "vault", Prefix: vaultAt, Rights: grants.Read}
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("grant (-want +got): %v\n%s", err, diff)
				}
				if _, err := w.open(spec.Repository.Key, spec.Repository.Prefix).Manifest(t.Context(), pointID); err != nil {
					t.Error(err)
				}
				return succeed(o)
			}, w.move)
			operation := w.startVaultRestore("r", kind == agentv1.KindValidateRestore)
			w.turns(w.ended(operation))
			if r := w.record(operation); r.Status != operations.Succeeded || spec.RecoveryPointID != pointID || spec.Location != nil {
				t.Errorf("operation %+v (%+v), spec %+v", r, r.Problem, spec)
			}
		})
	}
}

// A backup that waits for a cluster that is no more holds up no restore from the
// vault into another.
func TestRestoreFromTheVaultDoesNotWaitForBackups(t *testing.T) {
	w := newVaultWorld(t)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.answer = ofKind(agentv1.KindBackup, silent, w.move)
	stuck := w.startPoint("j2", strings.Repeat("1", 32))
	asked := len(w.asked)
	w.turns(func() bool { return len(w.asked) > asked })
	w.lose(t)
	operation := w.startVaultRestore("r", false)
	w.turns(w.ended(operation))
	if r := w.record(operation); r.Status != operations.Succeeded || w.job(stuck.ID).Status != backup.JobInProgress {
		t.Errorf("operation %+v (%+v), backup %s", r, r.Problem, w.job(stuck.ID).Status)
	}
}

// What stands in the way of it is told before the cluster is asked.
func TestRestoreFromTheVaultRefused(t *testing.T) {
	for code, spoil := range map[backup.Code]func(*world, catalog.Tx) error{
		backup.CodeTrustedAccessMissing: func(_ *world, tx catalog.Tx) error {
			return inventory.Bindings.Delete(tx, otherID+"/trustedAccessRoleBindings/b")
		},
		backup.CodeVaultIdentityOff: func(_ *world, tx catalog.Tx) error {
			v, err := inventory.Vaults.Get(tx, vaultID)
			if err != nil {
				return err
			}
			v.Identity = backup.Identity{}
			return inventory.Vaults.Put(tx, v)
		},
		backup.CodeClusterNotConnected: func(w *world, _ catalog.Tx) error { w.clock.Advance(time.Hour); return nil },
		backup.CodeResourceNotFound: func(w *world, _ catalog.Tx) error {
			return w.cave.Delete(w.t.Context(), vaultAt+"manifests/"+pointID)
		},
		backup.CodeInvalidInput: func(_ *world, tx catalog.Tx) error {
			p, err := inventory.RecoveryPoints.Get(tx, instID+"/recoveryPoints/"+pointID)
			if err != nil {
				return err
			}
			p.Stores = p.Stores[:1]
			return inventory.RecoveryPoints.Put(tx, p)
		},
	} {
		t.Run(string(code), func(t *testing.T) {
			w := newDisaster(t)
			w.update(func(tx catalog.Tx) error { return spoil(w, tx) })
			asked := len(w.asked)
			for _, validate := range []bool{false, true} {
				operation := w.startVaultRestore(fmt.Sprint("validate ", validate), validate)
				w.turns(w.ended(operation))
				if r := w.record(operation); r.Status != operations.Failed || r.Problem.Code != string(code) {
					t.Errorf("operation %+v: %+v", r.Status, r.Problem)
				}
			}
			if len(w.asked) != asked {
				t.Error("the cluster was asked")
			}
		})
	}
}

// Without the rights of the vault tier an instance whose policy uses it is not
// backed up.
func TestVaultTierNeedsItsRoles(t *testing.T) {
	w := newVaultWorld(t)
	w.update(func(tx catalog.Tx) error {
		all, err := inventory.RoleAssignments.With(tx, inventory.LabelPrincipal, "vault")
		for _, a := range all {
			err = errors.Join(err, inventory.RoleAssignments.Delete(tx, a.ID))
		}
		return errors.Join(err, w.assignRole(tx, "vault", "Reader"))
	})
	job := w.startJob("j1", backup.JobBackup)
	w.turns(w.ended(job.OperationID))
	if p := w.job(job.ID).Problem; p == nil || p.Code != backup.CodeVaultMissingRole || !strings.Contains(p.Message, "Disk Snapshot Contributor") {
		t.Errorf("job = %+v", w.job(job.ID))
	}
}

// A recovery point that is in the vault only needs no cluster to be deleted.
func TestDeleteWithoutACluster(t *testing.T) {
	w := newDisaster(t)
	w.update(func(tx catalog.Tx) error {
		p, err := inventory.RecoveryPoints.Get(tx, instID+"/recoveryPoints/"+pointID)
		if err != nil {
			return err
		}
		p.Stores = p.Stores[1:]
		return errors.Join(inventory.RecoveryPoints.Put(tx, p), w.startDelete(tx))
	})
	asked := len(w.asked)
	w.turns(func() bool { w.clock.Advance(time.Minute); return w.ended("op")() && len(w.queue) == 0 })
	if len(w.asked) != asked || len(w.names()) != 0 || w.instance() != nil {
		t.Errorf("asked %d times, left %v", len(w.asked)-asked, w.names())
	}
}
