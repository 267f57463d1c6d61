package backup

import "time"

// Deletion is how an instance goes. What it has in the vault may be kept for
// some days, in which the deletion can be taken back.
type Deletion struct {
	Asked      time.Time `json:"asked"`
	ActivityID string    `json:"activityId"` // GUID shown to support
	// KeepDays is how long data in the vault is kept; 0 means not at all.
	KeepDays float64 `json:"keepDays,omitempty"`
}

// DeletedInstance is an instance of which only what lies in the vault is left,
// until it is undeleted or its days are over. Its recovery points stay under
// the id of the instance, which nothing else may take meanwhile.
type DeletedInstance struct {
	Meta
	Instance   Instance  `json:"instance"`
	Deleted    time.Time `json:"deleted"`
	Purge      time.Time `json:"purge"` // when its days are over
	ActivityID string    `json:"activityId"`
}

// DefaultSoftDeleteDays is how long a vault that says nothing else keeps what
// was deleted.
const DefaultSoftDeleteDays = 14

// SoftDeleteDays is how long the vault keeps the data of deleted instances; 0
// means not at all. A vault that says nothing keeps it.
func (v Vault) SoftDeleteDays() float64 {
	switch {
	case v.SoftDelete == nil:
		return DefaultSoftDeleteDays
	case v.SoftDelete.State == "Off":
		return 0
	case v.SoftDelete.Days == 0:
		return DefaultSoftDeleteDays
	default:
		return v.SoftDelete.Days
	}
}

// CheckDelete returns why an instance with these recovery points must not be
// deleted from the vault: an immutable vault keeps what it has until it expires.
func (v Vault) CheckDelete(i *Instance, points []RecoveryPoint, now time.Time) *Problem {
	if v.Immutability != "Unlocked" && v.Immutability != "Locked" {
		return nil
	}
	for _, p := range points {
		s, ok := p.Store(TierVault)
		if !ok || (!s.Expires.IsZero() && !s.Expires.After(now)) {
			continue
		}
		until := "for ever"
		if !s.Expires.IsZero() {
			until = "until " + s.Expires.UTC().Format(time.RFC3339)
		}
		return NewProblem(CodeVaultImmutable, i.ID, "vault %s is immutable, and recovery point %s of instance %s is kept in it %s",
			v.Name(), p.Name(), i.Name(), until)
	}
	return nil
}

// DeletedID is the id under which a deleted instance is found.
func DeletedID(instanceID string) string {
	return ParentID(instanceID) + "/deletedBackupInstances/" + lastSegment(instanceID)
}

// SoftDeleted is what is left of the instance when everything outside of the
// vault has gone.
func (i *Instance) SoftDeleted(now time.Time) *DeletedInstance {
	d := &DeletedInstance{Meta: i.Meta, Instance: *i, Deleted: now.UTC(), ActivityID: i.Deletion.ActivityID}
	d.Purge = d.Deleted.Add(time.Duration(i.Deletion.KeepDays * float64(24*time.Hour)))
	d.ID, d.State, d.ETag = DeletedID(i.ID), StateSucceeded, ""
	d.Instance.Protection, d.Instance.Error = SoftDeleted, nil
	d.Instance.State, d.Instance.OperationID, d.Instance.Deletion = StateSucceeded, "", nil
	return d
}

// Undeleted takes the deletion back: the instance is there again, and stopped.
// It returns a problem once its data is being removed.
func (d *DeletedInstance) Undeleted() (*Instance, *Problem) {
	if d.State == StateDeleting {
		return nil, NewProblem(CodeResourceNotFound, d.ID, "the days of deleted instance %s are over, and its data is being removed", d.Name())
	}
	i := d.Instance
	i.Protection = ProtectionStopped
	return &i, nil
}

// NameTaken refuses an instance that would take the place of a deleted one.
func (d *DeletedInstance) NameTaken() *Problem {
	return NewProblem(CodeSoftDeleted, d.Instance.ID, "instance %s was deleted, and its data in the vault is kept until %s",
		d.Name(), d.Purge.Format(time.RFC3339))
}
