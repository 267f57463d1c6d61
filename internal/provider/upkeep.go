package provider

import (
	"context"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// What Azure Backup does by itself and shows nobody: here people can ask for it,
// watch it as a job and read what it found.

// upkeepActions are the actions of a vault on the repositories in it.
func (p *Provider) upkeepActions() []arm.Action {
	return []arm.Action{
		{Name: "verify", Handler: p.verifyVault},
		{Name: "collect", Handler: p.collectVault},
		{Name: "repair", Handler: p.repairVault},
	}
}

// verifyVault starts a job that verifies what is in the vault.
func (p *Provider) verifyVault(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.VerifyRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	data, problem := backup.ParseVerifyData(in.Data)
	if problem != nil {
		return nil, refuse(problem)
	}
	return p.startUpkeep(ctx, r, backup.JobVerify, in.BackupInstanceName, backup.Upkeep{Data: data})
}

// collectVault starts a job that deletes what no recovery point in the vault needs.
func (p *Provider) collectVault(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.CollectRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return p.startUpkeep(ctx, r, backup.JobCollect, in.BackupInstanceName, backup.Upkeep{DryRun: in.DryRun})
}

// repairVault starts a job that brings back what is damaged, as far as it can be.
func (p *Provider) repairVault(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.RepairRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return p.startUpkeep(ctx, r, backup.JobRepair, in.BackupInstanceName, backup.Upkeep{Data: backup.VerifyAll, DryRun: in.DryRun})
}

// startUpkeep writes a job over one instance of the vault, or over all.
func (p *Provider) startUpkeep(ctx context.Context, r *arm.Request, kind backup.JobKind, name string, what backup.Upkeep) (*arm.Response, error) {
	var resp *arm.Response
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		vault, err := inventory.Vaults.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		job, err := p.upkeepJob(tx, r, vault, name, what)
		if err != nil {
			return err
		}
		job.Kind = kind
		jobs, err := inventory.Jobs.With(tx, inventory.LabelInstance, backup.Key(job.InstanceID))
		if err != nil {
			return err
		}
		if err := refuse(backup.CheckRunning(inVault(jobs, vault), kind)); err != nil {
			return err
		}
		op, err := p.writeJob(tx, r, vault.ID, vault.Location, job, typeVault+"/"+strings.ToLower(string(kind))+"/action")
		resp = arm.Accepted(op, pollVault)
		return err
	})
	return resp, err
}

// upkeepJob is a job with a task for each repository it is about: of an instance, and
// of its replica. Instances that were deleted and can be taken back have theirs too.
func (p *Provider) upkeepJob(tx catalog.Tx, r *arm.Request, vault *backup.Vault, name string, what backup.Upkeep) (*backup.Job, error) {
	now := p.Clock.Now()
	job := &backup.Job{
		Meta:   backup.Meta{ID: vault.ID + "/backupJobs/" + backup.NewJobID(now, random10())},
		Status: backup.JobInProgress, Started: now, UserTriggered: true, ActivityID: newGUID(), StartedBy: r.Principal.ObjectID,
	}
	if name == "" {
		all, err := instancesOf(tx, vault.ID)
		if err != nil {
			return nil, err
		}
		for _, id := range all {
			if err := addRepositories(tx, &what, id); err != nil {
				return nil, err
			}
		}
	} else {
		i, err := instanceOrDeleted(tx, vault.ID+"/backupInstances/"+name)
		if err != nil {
			return nil, err
		}
		if i == nil {
			return nil, missing("backupInstanceName", "backup instance", name)
		}
		job.InstanceID, job.InstanceName, job.Datasource, job.PolicyID = i.ID, i.FriendlyName, i.Datasource, i.PolicyID
		if err := addRepositories(tx, &what, i.ID); err != nil {
			return nil, err
		}
	}
	job.Upkeep, job.Tasks = backup.NewUpkeep(what)
	return job, nil
}

// instancesOf lists the ids of all instances of a vault, of the deleted ones last.
func instancesOf(tx catalog.Tx, vaultID string) (ids []string, err error) {
	all, err := inventory.Instances.Below(tx, vaultID)
	if err != nil {
		return nil, err
	}
	for i := range all {
		ids = append(ids, all[i].ID)
	}
	deleted, err := inventory.Deleted.Below(tx, vaultID)
	for i := range deleted {
		ids = append(ids, deleted[i].Instance.ID)
	}
	return ids, err
}

// instanceOrDeleted reads an instance, or what is left of a deleted one; nil when there
// is neither.
func instanceOrDeleted(tx catalog.Tx, id string) (*backup.Instance, error) {
	i, err := existing(inventory.Instances.Get(tx, id))
	if err != nil || i != nil {
		return i, err
	}
	d, err := existing(inventory.Deleted.Get(tx, backup.DeletedID(id)))
	if err != nil || d == nil {
		return nil, err
	}
	return &d.Instance, nil
}

func addRepositories(tx catalog.Tx, to *backup.Upkeep, instanceID string) error {
	region, err := inventory.ReplicaRegion(tx, instanceID)
	if err == nil {
		to.Add(instanceID, region)
	}
	return err
}

// inVault keeps the jobs of a vault: those over whole vaults have no instance.
func inVault(all []backup.Job, vault *backup.Vault) (own []backup.Job) {
	for _, j := range all {
		if backup.SameID(backup.ParentID(j.ID), vault.ID) {
			own = append(own, j)
		}
	}
	return own
}
