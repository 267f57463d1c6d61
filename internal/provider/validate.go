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

// validateForBackup checks an instance that does not exist yet: what is wrong
// with the body at once, what depends on the cluster in an operation.
func (p *Provider) validateForBackup(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	instance, err := decodeCandidate(r)
	if err != nil {
		return nil, err
	}
	// The candidate has no name yet; a name of its own keeps it apart from the
	// instances that exist.
	instance.ID = r.ID.String() + "/backupInstances/validate-" + newHex()
	instance.UID = newHex()
	return p.startValidation(ctx, r, instance, nil)
}

// validateForModify checks a change of an instance.
func (p *Provider) validateForModify(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	instance, err := decodeCandidate(r)
	if err != nil {
		return nil, err
	}
	instance.ID = r.ID.String()
	return p.startValidation(ctx, r, instance, instance)
}

func decodeCandidate(r *arm.Request) (*backup.Instance, error) {
	var in v1.ValidateForBackupRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return instanceFrom(in.BackupInstance, "backupInstance")
}

// startValidation checks the candidate and starts the operation that looks at
// the cluster. changing is the candidate when it changes an instance that exists.
func (p *Provider) startValidation(ctx context.Context, r *arm.Request, candidate, changing *backup.Instance) (*arm.Response, error) {
	var resp *arm.Response
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		vault, err := inventory.Vaults.Get(tx, candidate.VaultID())
		if err != nil {
			return err
		}
		var old *backup.Instance
		if changing != nil {
			if old, err = inventory.Instances.Get(tx, candidate.ID); err != nil {
				return err
			}
			candidate.Adopt(old)
			if err := refuse(old.May(backup.EventConfigure)); err != nil {
				return err
			}
		}
		if err := checkInstance(tx, r, candidate, old); err != nil {
			return err
		}
		resp, err = p.acceptValidation(tx, r, vault, backup.Work{
			Kind: backup.WorkValidateBackup, Subject: candidate.ID, Instance: candidate})
		return err
	})
	return resp, err
}

func (p *Provider) acceptValidation(tx catalog.Tx, r *arm.Request, vault *backup.Vault, w backup.Work) (*arm.Response, error) {
	op, err := operations.Start(tx, p.Clock.Now(), operations.Record{
		Action: string(w.Kind), Resource: r.ID.String(), Location: vault.Location, Starter: r.Principal.ObjectID,
	})
	if err != nil {
		return nil, err
	}
	w.OperationID = op.ID
	return arm.Accepted(op, pollInstanceAction), inventory.Enqueue(tx, w)
}
