package provider

import (
	"context"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// cancelJob asks for a job to be called off. It is our own: Azure Backup has no
// such action for clusters. The operation succeeds when the job was cancelled
// and fails when the job ended otherwise first. Asked for again it answers with
// the same operation.
func (p *Provider) cancelJob(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var op operations.Record
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		job, err := inventory.Jobs.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		if job.CancelOperationID != "" && !job.Status.Terminal() {
			op, err = operations.Get(tx, job.CancelOperationID)
			return err
		}
		op, err = p.callOff(tx, r, job)
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Accepted(op, pollVault), nil
}

func (p *Provider) callOff(tx catalog.Tx, r *arm.Request, job *backup.Job) (operations.Record, error) {
	location, err := jobLocation(tx, r, job)
	if err != nil {
		return operations.Record{}, err
	}
	op, err := operations.Start(tx, p.Clock.Now(), operations.Record{
		Action: typeJob + "/cancel/action", Resource: job.ID, Location: location,
		Starter: r.Principal.ObjectID, ResultIsResource: true,
	})
	if err != nil {
		return op, err
	}
	if err := refuse(job.CallOff(op.ID)); err != nil {
		return op, err
	}
	if err := inventory.Jobs.Put(tx, job); err != nil {
		return op, err
	}
	return op, inventory.Enqueue(tx, job.Work())
}

// jobLocation is where a job is carried out. That of a cross region restore is not where
// its vault is, which may be lost.
func jobLocation(tx catalog.Tx, r *arm.Request, job *backup.Job) (string, error) {
	if job.Restore != nil && job.Restore.Region != "" {
		return job.Restore.Region, nil
	}
	vault, err := parentVault(tx, r)
	if err != nil {
		return "", err
	}
	return vault.Location, nil
}
