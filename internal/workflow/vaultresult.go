package workflow

import (
	"encoding/json"
	"errors"
	"strconv"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// How the second half of a backup job ends.

// finishVaulting enters the copy whose manifest exists in the vault now.
func (t *turn) finishVaulting(job *backup.Job, o agentops.Operation) error {
	var result agentv1.BackupResult
	if err := json.Unmarshal(o.Result, &result); err != nil || result.RecoveryPointID != job.RecoveryPointID {
		return t.missVault(job, backup.NewProblem(backup.CodeInternal, job.InstanceID, "the cluster reported no readable result"), nil)
	}
	point, err := t.pointOf(job)
	if problem, ok := backup.AsProblem(err); ok {
		return t.missVault(job, problem, nil)
	}
	if err != nil {
		return err
	}
	store, err := t.vaultedStore(job, point, result)
	if err != nil {
		return err
	}
	point.AddStore(store)
	job.Progress.BytesDone = result.BytesStored
	job.Details["vaultBytesStored"] = strconv.FormatInt(result.BytesStored, 10)
	job.Details["vaultVolumes"] = strconv.Itoa(protected(result.Volumes))
	if err := inventory.RecoveryPoints.Put(t.tx, point); err != nil {
		return err
	}
	if job.Vaulting.Attempt > 1 || o.Attempts > 1 { // whoever was cut off has left packs that nothing needs
		if err := t.enqueueCollect(job.InstanceID); err != nil {
			return err
		}
	}
	if err := t.enqueueReplicate(job.InstanceID); err != nil {
		return err
	}
	return t.endJobWell(job, vaultWarnings(o, store))
}

// vaultedStore is the entry of a recovery point's copy in the vault.
func (t *turn) vaultedStore(job *backup.Job, point *backup.RecoveryPoint, result agentv1.BackupResult) (backup.RecoveryStore, error) {
	instance, err := inventory.Instances.Get(t.tx, job.InstanceID)
	if err != nil {
		return backup.RecoveryStore{}, err
	}
	at, err := vaultOf(t.tx, instance)
	if err != nil {
		return backup.RecoveryStore{}, err
	}
	expires, err := expiry(point.Time, job.Vaulting.DeleteAfter)
	return backup.RecoveryStore{
		ID: guidOf(job.RecoveryPointID, string(backup.TierVault)), Tier: backup.TierVault, Created: t.now, Expires: expires,
		Prefix: at.Prefix, Root: result.Root, Bytes: result.BytesStored, LeftOut: leftOut(point, result.Volumes),
	}, err
}

// leftOut lists the volumes that a recovery point protects and its copy in the
// vault does not, whether or not the cluster names them.
func leftOut(point *backup.RecoveryPoint, copied []agentv1.Volume) []backup.RecoveryVolume {
	var out []backup.RecoveryVolume
	for _, v := range point.Volumes {
		if !v.Protected {
			continue
		}
		v.Protected = false
		for _, c := range copied {
			if c.Namespace == v.Namespace && c.Claim == v.Claim {
				v.Protected, v.Reason = c.State == agentv1.VolumeProtected, c.ReasonCode
			}
		}
		if !v.Protected {
			out = append(out, v)
		}
	}
	return out
}

func protected(volumes []agentv1.Volume) int {
	count := 0
	for _, v := range volumes {
		if v.State == agentv1.VolumeProtected {
			count++
		}
	}
	return count
}

// vaultWarnings are those of the cluster; were it to leave out volumes without a
// word, they are named all the same.
func vaultWarnings(o agentops.Operation, store backup.RecoveryStore) []backup.Warning {
	warnings := domainWarnings(o.Warnings)
	if len(warnings) > 0 {
		return warnings
	}
	for _, v := range store.LeftOut {
		warnings = append(warnings, backup.Warning{Resource: "v1/PersistentVolumeClaim " + v.Namespace + "/" + v.Claim,
			Problem: *backup.NewProblem(backup.CodeGenericWarning, "", "the volume is not in the VaultStore (%s)", v.Reason)})
	}
	return warnings
}

// missVault ends a job without its copy in the vault, and makes sure that none
// appears there later that nobody knows of.
func (t *turn) missVault(job *backup.Job, why *backup.Problem, warnings []backup.Warning) error {
	job.MissVault(t.now, why, warnings)
	t.missed = true
	return errors.Join(t.letNextGo(job), t.putEnded(job), t.succeed(operations.JobInfo(job.ID)), t.takeBack(job))
}

// letNextGo lets the next backup by the policy count as the first of its day in
// place of one that did not get into the vault.
func (t *turn) letNextGo(job *backup.Job) error {
	if job.Tagging == nil || job.Vaulting.Onward {
		return nil
	}
	point, err := t.pointOf(job)
	if _, isGone := backup.AsProblem(err); isGone {
		return nil
	}
	if err != nil || point.Tagging == nil {
		return err
	}
	point.Tagging.Missed = true
	job.Details["vault"] = "its copy is missing; the next backup by the policy is tagged, and goes to the VaultStore, in its place"
	return inventory.RecoveryPoints.Put(t.tx, point)
}

// cancelVaulting ends a job that was called off; its recovery point stays in the
// operational tier.
func (t *turn) cancelVaulting(job *backup.Job) error {
	return errors.Join(t.endJobCancelled(job), t.takeBack(job))
}

// takeBack makes sure that nothing of a copy that failed appears in the vault. A
// copy that will be begun again needs its name, and goes on with what there is.
func (t *turn) takeBack(job *backup.Job) error {
	if job.Vaulting.Onward {
		return nil
	}
	return t.enqueueUnvault(job)
}
