package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
)

var backupPatience = patience{whole: 12 * time.Hour, silence: 30 * time.Minute}

// backup makes a recovery point of an instance: when it is the instance's
// turn, nothing stands in the way and the location can be used, the cluster
// is asked; when the cluster has written the manifest, the recovery point is
// entered and the job ends.
func (w *Workflow) backup(ctx context.Context, work backup.Work) (jobs.Result, error) {
	refused, err := w.mayStart(ctx, work, w.prepareBackup)
	if err != nil {
		return jobs.Result{}, err
	}
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		return t.jobStep(refused, backupErrand, finishBackup)
	})
}

// prepareBackup checks what must hold at every run.
func (w *Workflow) prepareBackup(ctx context.Context, job *backup.Job) error {
	instance, err := w.preflight(ctx, job.InstanceID, job.Datasource.ID, forBackup)
	if err != nil {
		return err
	}
	if problem := instance.MayBackUp(); problem != nil {
		return problem
	}
	return w.prepare(ctx, instance)
}

// purpose is what a preflight is for: which rights are needed, and what stands
// in the way.
type purpose struct {
	needs  inventory.Needs
	stands func(*backup.Instance, backup.Facts) []backup.Problem
}

var (
	forBackup       = purpose{backup.BackupGrants, backup.Preflight}
	forRestore      = purpose{backup.OperationalGrants, backup.Preflight}
	forVaultRestore = purpose{backup.VaultRestoreGrants, backup.PreflightVaultRestore}
)

// preflight asks for everything that stands in the way of backing up an
// instance, or of restoring it to another cluster.
func (w *Workflow) preflight(ctx context.Context, instanceID, clusterID string, p purpose) (*backup.Instance, error) {
	var instance *backup.Instance
	err := w.Store.View(ctx, func(tx catalog.Tx) (err error) {
		instance, err = inventory.Instances.Get(tx, instanceID)
		if errors.Is(err, catalog.ErrNotFound) {
			return backup.NewProblem(backup.CodeResourceNotFound, instanceID, "instance %s does not exist any more", instanceID)
		}
		if err != nil {
			return err
		}
		there := *instance
		there.Datasource.ID = clusterID
		return check(tx, &there, w.Clock.Now(), p)
	})
	return instance, err
}

// check returns the first thing that stands in the way, as a *backup.Problem.
func check(tx catalog.Tx, instance *backup.Instance, now time.Time, p purpose) error {
	facts, err := inventory.GatherFacts(tx, instance, now, p.needs)
	if err != nil {
		return err
	}
	if found := p.stands(instance, facts); len(found) > 0 {
		return &found[0]
	}
	return nil
}

// backupErrand is the operation of a backup job.
func backupErrand(t *turn, job *backup.Job) (errand, error) {
	instance, err := inventory.Instances.Get(t.tx, job.InstanceID)
	if err != nil {
		return errand{}, err
	}
	if problem := instance.MayBackUp(); problem != nil { // stopped in this moment
		return errand{}, problem
	}
	container, err := containerOf(t.tx, instance.Datasource.ID)
	if err != nil {
		return errand{}, err
	}
	if err := t.tag(job); err != nil {
		return errand{}, err
	}
	spec := wireBackup(instance, job.RecoveryPointID)
	if spec.Keep, err = t.keepsake(job, instance, container); err != nil {
		return errand{}, err
	}
	o, err := newOperation(job.ID, instance.Datasource.ID, agentv1.KindBackup, spec)
	o.Refs = refs{Repository: instance.UID, Container: container}.pack()
	return errand{Operation: o, started: job.Started, patience: backupPatience}, err
}

func wireBackup(i *backup.Instance, point string) agentv1.Backup {
	return agentv1.Backup{
		InstanceID: i.ID, RecoveryPointID: point, Selection: wireSelection(i.Parameters.Selection),
		SnapshotVolumes: i.Parameters.SnapshotVolumes,
		Repository:      agentv1.RepositoryGrant{Prefix: prefixOf(i.UID)},
	}
}

// newOperation returns an operation for the extension of a cluster. Its id
// follows from the work and the kind.
func newOperation(workID, clusterID string, kind agentv1.Kind, spec any) (agentops.Operation, error) {
	body, err := json.Marshal(spec)
	if err != nil {
		return agentops.Operation{}, fmt.Errorf("spec of %s for %s: %w", kind, workID, err)
	}
	return agentops.Operation{
		ID: agentops.NewID(workID, string(kind)), ClusterID: clusterID, Role: agentv1.RoleExtension, Kind: kind, Spec: body,
	}, nil
}

// finishBackup enters the recovery point whose manifest exists now, and ends the
// job or begins its second half.
func finishBackup(t *turn, job *backup.Job, o agentops.Operation) error {
	var result agentv1.BackupResult
	if err := json.Unmarshal(o.Result, &result); err != nil || result.RecoveryPointID != job.RecoveryPointID {
		return errors.Join(t.endJobBadly(job, backup.NewProblem(backup.CodeInternal, job.InstanceID,
			"the cluster reported a backup without a readable result for recovery point %s", job.RecoveryPointID)), t.enqueueDiscard(job))
	}
	point, err := t.recoveryPoint(job, o, result)
	if err != nil {
		return err
	}
	if err := inventory.RecoveryPoints.Put(t.tx, point); err != nil {
		return err
	}
	job.RecoveryPointAt = point.Time
	job.Progress.BytesDone = result.BytesStored
	job.Tasks[0].Size = sizeOfVolumes(result.Volumes)
	job.Details = map[string]string{
		"objects": strconv.FormatInt(result.Objects, 10), "volumes": strconv.Itoa(len(result.Volumes)),
		"bytesStored": strconv.FormatInt(result.BytesStored, 10),
	}
	decision, err := t.decideVault(job)
	if err != nil {
		return err
	}
	if job.Tagging != nil {
		job.Details["tag"] = job.Tagging.Reason
	}
	if decision.Reason != "" {
		job.Details["vault"] = decision.Reason
	}
	if decision.Copy {
		return t.beginVaulting(job, decision, domainWarnings(o.Warnings))
	}
	return t.endJobWell(job, domainWarnings(o.Warnings))
}

// sizeOfVolumes is how large the volumes are that a backup protects.
func sizeOfVolumes(volumes []agentv1.Volume) (sum int64) {
	for _, v := range volumes {
		if v.State == agentv1.VolumeProtected {
			sum += v.SizeBytes
		}
	}
	return sum
}
