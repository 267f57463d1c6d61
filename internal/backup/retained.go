package backup

import "time"

// Tagging is set where the policy chose the tag of a backup, and not a person.
// Such backups count as the first of their day, week, month and year.
type Tagging struct {
	At     time.Time `json:"at"`     // the moment it was chosen for, when the backup began
	Reason string    `json:"reason"` // one clause, for people
	// Missed says that its copy did not get into the vault: the next one counts
	// instead.
	Missed bool `json:"missed,omitempty"`
}

// Onward is the copy to the vault that a recovery point in the operational tier
// is still to be given, as the retention says that it was taken under.
type Onward struct {
	Due         time.Time `json:"due"`
	DeleteAfter string    `json:"deleteAfter,omitempty"` // of the copy, see ParsePeriod; empty keeps it
	Tried       time.Time `json:"tried,omitzero"`        // when the copying was last begun
}

// Going is the deletion of a recovery point from a place, which has begun: it is
// listed there until it has gone, and cannot be restored from there.
type Going struct {
	Since   time.Time `json:"since"`
	Attempt int       `json:"attempt"` // from 1
	Reason  string    `json:"reason"`  // one clause, for people
	// After is when the next attempt may begin, when the last one failed, and
	// Problem why that was.
	After   time.Time `json:"after,omitzero"`
	Problem *Problem  `json:"problem,omitempty"`
}

// DeletionProblem says why the recovery point, whose time is over, could not be
// deleted; nil when it could, or need not be.
func (r *RecoveryPoint) DeletionProblem() *Problem {
	for _, s := range r.Stores {
		if s.Going != nil && s.Going.Problem != nil {
			return s.Going.Problem
		}
	}
	return nil
}

// DeleteAgain is how long after a deletion that failed it is tried again.
const DeleteAgain = time.Hour

// NotDeleted enters that a recovery point could not be deleted with its instance, which
// stays. Where the deletion was begun, nothing can be restored from any more: it goes on
// with what has expired.
func (r *RecoveryPoint) NotDeleted(now time.Time, why *Problem, begun bool) {
	r.State = StateSucceeded
	if here := r.Place(TierOperational); here != nil && begun {
		again, attempt := now.Add(DeleteAgain), 1
		if here.Going != nil {
			attempt = here.Going.Attempt + 1
		}
		here.Going = &Going{Since: again, Attempt: attempt, Reason: "the backup instance was being deleted", After: again, Problem: why}
	}
}

// Place returns the entry of a tier for changing, nil when there is none.
func (r *RecoveryPoint) Place(tier Tier) *RecoveryStore {
	for i := range r.Stores {
		if r.Stores[i].Tier == tier {
			return &r.Stores[i]
		}
	}
	return nil
}

// NewCopyJob returns the job that copies a recovery point to the vault on its
// own, some time after the backup. It has its second half only.
func (i *Instance) NewCopyJob(point *RecoveryPoint, onward Onward, now time.Time, random [10]byte) *Job {
	id := NewJobID(now, random)
	return &Job{
		Meta:       Meta{ID: i.VaultID() + "/backupJobs/" + id},
		InstanceID: i.ID, InstanceName: i.FriendlyName, Datasource: i.Datasource, PolicyID: point.PolicyID,
		Kind: JobBackup, Status: JobInProgress, Started: now, ActivityID: id, Tag: point.Tag,
		RecoveryPointID: point.Name(), RecoveryPointAt: point.Time,
		Vaulting: &Vaulting{Since: now, Attempt: 1, DeleteAfter: onward.DeleteAfter, Onward: true},
		Tasks:    []Task{{Name: TaskVaulting, Status: JobInProgress}},
		Details:  map[string]string{"vault": "its copy in the VaultStore was due on " + onward.Due.UTC().Format(time.RFC3339)},
	}
}
