package provider

import (
	"context"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// triggerBackup starts an on-demand backup.
func (p *Provider) triggerBackup(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.TriggerBackupRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	options := in.BackupRuleOptions
	switch {
	case options == nil:
		return nil, required("backupRuleOptions")
	case options.RuleName == "":
		return nil, required("backupRuleOptions.ruleName")
	case options.TriggerOption == nil:
		return nil, required("backupRuleOptions.triggerOption")
	}
	return p.startJob(ctx, r, "backup", func(tx catalog.Tx, i *backup.Instance, policy *backup.Policy) (*backup.Job, error) {
		if err := refuse(i.MayBackUp()); err != nil {
			return nil, err
		}
		rule, tag, problem := policy.Choose(options.RuleName, options.TriggerOption.RetentionTagOverride)
		if problem != nil {
			return nil, refuse(problem)
		}
		job := p.newJob(r, i, backup.JobBackup, "Trigger Backup")
		job.RuleName, job.Tag = rule, tag
		job.RecoveryPointID = backup.NewRecoveryPointID(job.Started, random10())
		return job, nil
	})
}

// makeJob applies the rules of one action and returns the job to start.
type makeJob func(tx catalog.Tx, i *backup.Instance, policy *backup.Policy) (*backup.Job, error)

// startJob writes a job and its operation and enqueues the work, in one
// transaction, and answers 202.
func (p *Provider) startJob(ctx context.Context, r *arm.Request, action string, build makeJob) (*arm.Response, error) {
	var resp *arm.Response
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		vault, err := parentVault(tx, r)
		if err != nil {
			return err
		}
		policy, err := existing(inventory.Policies.Get(tx, i.PolicyID))
		if err != nil {
			return err
		}
		if policy == nil {
			return missing("properties.policyInfo.policyId", "policy", i.PolicyID)
		}
		job, err := build(tx, i, policy)
		if err != nil {
			return err
		}
		if err := p.checkOtherJobs(tx, job); err != nil {
			return err
		}
		op, err := p.writeJob(tx, r, job.InstanceID, vault.Location, job, typeInstance+"/"+action+"/action")
		resp = arm.Accepted(op, pollInstanceAction)
		return err
	})
	return resp, err
}

// checkOtherJobs keeps the number of jobs per day within its limit, and refuses
// a backup beside a running one. A restore waits for its turn instead.
func (p *Provider) checkOtherJobs(tx catalog.Tx, job *backup.Job) error {
	jobs, err := inventory.Jobs.With(tx, inventory.LabelInstance, backup.Key(job.InstanceID))
	if err != nil {
		return err
	}
	if job.Kind == backup.JobBackup {
		if err := refuse(backup.CheckRunning(jobs, job.Kind)); err != nil {
			return err
		}
	}
	return refuse(backup.CheckDaily(jobs, job.Kind, job.Started, p.Daily))
}

// writeJob writes a job on a resource with its operation, and asks for the work.
func (p *Provider) writeJob(tx catalog.Tx, r *arm.Request, resource, location string, job *backup.Job, action string) (operations.Record, error) {
	op, err := operations.Start(tx, job.Started, operations.Record{
		Action: action, Resource: resource, Location: location,
		Starter: r.Principal.ObjectID, Properties: operations.JobInfo(job.ID),
	})
	if err != nil {
		return op, err
	}
	job.OperationID = op.ID
	if err := inventory.Jobs.PutIf(tx, job, catalog.IfAbsent); err != nil {
		return op, err
	}
	return op, inventory.Enqueue(tx, job.Work())
}

// newJob returns a job that a user starts now on an instance.
func (p *Provider) newJob(r *arm.Request, i *backup.Instance, kind backup.JobKind, task string) *backup.Job {
	now := p.Clock.Now()
	job := &backup.Job{
		InstanceID: i.ID, InstanceName: i.FriendlyName, Datasource: i.Datasource, PolicyID: i.PolicyID,
		Kind: kind, Status: backup.JobInProgress, Started: now, UserTriggered: true,
		ActivityID: newGUID(), StartedBy: r.Principal.ObjectID,
		Tasks: []backup.Task{{Name: task, Status: backup.JobInProgress}},
	}
	job.ID = i.VaultID() + "/backupJobs/" + backup.NewJobID(now, random10())
	return job
}
