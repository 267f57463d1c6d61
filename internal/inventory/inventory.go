package inventory

import (
	"encoding/json"
	"fmt"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// Labels that Collection.With looks documents up by. Values are ids as
// backup.Key writes them.
const (
	LabelCluster   = "cluster"   // instances: the protected cluster
	LabelPolicy    = "policy"    // instances, deleted ones too
	LabelSnapshots = "snapshots" // instances: the snapshot resource group
	LabelInstance  = "instance"  // jobs
	LabelStatus    = "status"    // jobs: backup.JobStatus; replicas and recovery points: that something is amiss
	LabelHolding   = "holding"   // jobs that others of their instance wait for: backup.JobKind
	LabelContainer = "container" // extensions, recovery points: the backup storage location
	LabelSource    = "source"    // trusted access bindings: the vault
	LabelName      = "name"      // storage accounts: the name alone
	LabelUID       = "uid"       // clusters: the Kubernetes cluster they stand for
	LabelStaging   = "staging"   // jobs: the storage account that something is to be deleted from
)

// The collections.
var (
	Vaults         = Collection[backup.Vault, *backup.Vault]{kind: "vault"}
	Policies       = Collection[backup.Policy, *backup.Policy]{kind: "policy"}
	Instances      = Collection[backup.Instance, *backup.Instance]{kind: "instance", labels: instanceLabels, written: plan}
	Deleted        = Collection[backup.DeletedInstance, *backup.DeletedInstance]{kind: "deleted-instance", labels: deletedLabels}
	Jobs           = Collection[backup.Job, *backup.Job]{kind: "job", labels: jobLabels}
	RecoveryPoints = Collection[backup.RecoveryPoint, *backup.RecoveryPoint]{kind: "recovery-point", labels: pointLabels}
	Clusters       = Collection[backup.Cluster, *backup.Cluster]{kind: "cluster", labels: clusterLabels}
	Connections    = Collection[backup.Connection, *backup.Connection]{kind: "connection"}
	Extensions     = Collection[backup.Extension, *backup.Extension]{kind: "extension", labels: extensionLabels}
	Bindings       = Collection[backup.TrustedAccessBinding, *backup.TrustedAccessBinding]{kind: "trusted-access", labels: bindingLabels}
	Accounts       = Collection[backup.StorageAccount, *backup.StorageAccount]{kind: "storage-account", labels: accountLabels}
	Containers     = Collection[backup.Container, *backup.Container]{kind: "container"}
	Replicas       = Collection[backup.Replica, *backup.Replica]{kind: "replica", labels: replicaLabels}
	UserIdentities = Collection[backup.UserIdentity, *backup.UserIdentity]{kind: "user-identity"}
)

// What lies in the stores of replicas, as the service reads it there: documents of
// another region, which nothing but restores from there looks at.
var (
	SecondaryRegions    = Collection[backup.RegionView, *backup.RegionView]{kind: "secondary-region"}
	SecondaryVaults     = Collection[backup.Vault, *backup.Vault]{kind: "secondary-vault"}
	SecondaryInstances  = Collection[backup.Instance, *backup.Instance]{kind: "secondary-instance"}
	SecondaryIdentities = Collection[backup.UserIdentity, *backup.UserIdentity]{kind: "secondary-user-identity"}
	SecondaryPoints     = Collection[backup.RecoveryPoint, *backup.RecoveryPoint]{kind: "secondary-recovery-point"}
)

func replicaLabels(r *backup.Replica) map[string]string {
	if !r.Done.IsZero() {
		return nil
	}
	return map[string]string{LabelStatus: ReplicaPending}
}

// ReplicaPending is the LabelStatus of replicas that are on their way.
const ReplicaPending = "Pending"

func instanceLabels(i *backup.Instance) map[string]string {
	return map[string]string{LabelCluster: backup.Key(i.Datasource.ID), LabelPolicy: backup.Key(i.PolicyID),
		LabelSnapshots: backup.Key(i.SnapshotGroupID)}
}

func deletedLabels(d *backup.DeletedInstance) map[string]string {
	return map[string]string{LabelPolicy: backup.Key(d.Instance.PolicyID)}
}

func jobLabels(j *backup.Job) map[string]string {
	labels := map[string]string{LabelInstance: backup.Key(j.InstanceID), LabelStatus: string(j.Status)}
	if j.HoldsInstance() {
		labels[LabelHolding] = string(j.Kind)
	}
	if j.Staging.Holds() {
		labels[LabelStaging] = backup.Key(backup.AccountOfContainer(j.Staging.ContainerID))
	}
	return labels
}

func extensionLabels(e *backup.Extension) map[string]string {
	id, p := e.ContainerID()
	if p != nil {
		return nil
	}
	return map[string]string{LabelContainer: backup.Key(id)}
}

func pointLabels(r *backup.RecoveryPoint) map[string]string {
	store, ok := r.Store(backup.TierOperational)
	if !ok {
		return nil
	}
	labels := map[string]string{LabelContainer: backup.Key(store.ContainerID)}
	if r.DeletionProblem() != nil {
		labels[LabelStatus] = deletionFailed
	}
	return labels
}

// deletionFailed is the LabelStatus of recovery points whose time is over and that
// could not be deleted.
const deletionFailed = "DeletionFailed"

// FailedDeletions reads the recovery points below an instance or a vault whose time
// is over and that could not be deleted.
func FailedDeletions(tx catalog.Tx, parent string) ([]backup.RecoveryPoint, error) {
	return RecoveryPoints.all(tx, catalog.Query{Prefix: backup.Key(parent) + "/", Labels: map[string]string{LabelStatus: deletionFailed}})
}

func accountLabels(a *backup.StorageAccount) map[string]string {
	return map[string]string{LabelName: backup.Key(a.Name())}
}

func bindingLabels(b *backup.TrustedAccessBinding) map[string]string {
	return map[string]string{LabelSource: backup.Key(b.SourceID)}
}

// Enqueue asks for work in the transaction that changes the documents it is
// about. While work of the same kind on the same operation or subject waits,
// it wakes that instead.
func Enqueue(tx catalog.Tx, w backup.Work) error {
	job, err := JobOf(w)
	if err != nil {
		return err
	}
	if err := tx.Enqueue(job); err != nil {
		return fmt.Errorf("enqueue %s on %s: %w", w.Kind, w.Subject, err)
	}
	return nil
}

// JobOf returns the job that carries out w, for those who enqueue it later.
func JobOf(w backup.Work) (catalog.Job, error) {
	args, err := json.Marshal(w)
	if err != nil {
		return catalog.Job{}, fmt.Errorf("encode %s on %s: %w", w.Kind, w.Subject, err)
	}
	key := w.OperationID
	if key == "" {
		key = backup.Key(w.Subject)
	}
	return catalog.Job{Kind: string(w.Kind), Args: args, UniqueKey: key}, nil
}
