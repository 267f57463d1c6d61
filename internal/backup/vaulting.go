package backup

import (
	"fmt"
	"time"
)

// TaskVaulting names the half of a backup job that copies the recovery point
// into the vault.
const TaskVaulting = "Vaulting"

// VaultDecision says whether a recovery point is copied into the vault when it
// has been made, and why.
type VaultDecision struct {
	Copy   bool
	Reason string // one clause, for people
	// DeleteAfter is how long the copy stays, see ParsePeriod; empty keeps it.
	DeleteAfter string
}

// VaultOnDemand decides about the recovery point of an on-demand backup under a
// retention rule of the policy. Whoever names a rule that has vault storage, or
// one that copies at once, means the vault.
func (p Policy) VaultOnDemand(rule Rule) VaultDecision {
	stay, kept := rule.Retention.In(TierVault)
	if !kept && !rule.Retention.copiesAtOnce() {
		return VaultDecision{Reason: fmt.Sprintf("retention rule %s keeps no recovery points in the VaultStore", rule.Name)}
	}
	d := VaultDecision{Copy: true, DeleteAfter: stay.DeleteAfter,
		Reason: fmt.Sprintf("retention rule %s keeps recovery points in the VaultStore", rule.Name)}
	if kept {
		return d
	}
	d.Reason = fmt.Sprintf("retention rule %s copies recovery points to the VaultStore at once", rule.Name)
	if standard, ok := p.DefaultRetention(); ok {
		stay, _ = standard.Retention.In(TierVault)
		d.DeleteAfter = stay.DeleteAfter
	}
	return d
}

func (r RetentionRule) copiesAtOnce() bool {
	stay, _ := r.In(TierOperational)
	for _, c := range stay.Copies {
		if c.Target == TierVault && c.Option == CopyAtOnce {
			return true
		}
	}
	return false
}

// RetentionOf returns the rule that a backup of a tag falls under: the tag's
// own or, without one, the default.
func (p Policy) RetentionOf(tag string) (Rule, bool) {
	if rule, ok := p.RetentionRule(tag); ok {
		return rule, true
	}
	return p.DefaultRetention()
}

// OperationalStay is how long recovery points of a rule stay in the operational
// tier, see ParsePeriod. A rule for the vault alone says nothing of it: then
// the default rule does. Empty keeps them.
func (p Policy) OperationalStay(rule Rule) string {
	if stay, ok := rule.Retention.In(TierOperational); ok {
		return stay.DeleteAfter
	}
	if standard, ok := p.DefaultRetention(); ok {
		stay, _ := standard.Retention.In(TierOperational)
		return stay.DeleteAfter
	}
	return ""
}

// Vaulting is the second half of a backup job: its recovery point exists, and
// is copied into the vault.
type Vaulting struct {
	Since   time.Time `json:"since"`
	Began   time.Time `json:"began,omitzero"` // when the cluster took it up first
	Attempt int       `json:"attempt"`        // from 1
	// DeleteAfter is how long the copy stays in the vault, see ParsePeriod;
	// empty keeps it.
	DeleteAfter string `json:"deleteAfter,omitempty"`
	// Onward says that the copy is made some time after the backup, and begun again
	// with another job when it fails: nothing of it is taken back.
	Onward bool `json:"onward,omitempty"`
}

// BeginVaulting ends the first half of a backup job; the second lets other jobs
// of the instance go on.
func (j *Job) BeginVaulting(now time.Time, d VaultDecision, warnings []Warning) {
	j.Warnings = append(j.Warnings, warnings...)
	for i := range j.Tasks {
		j.Tasks[i].Status, j.Tasks[i].Bytes, j.Tasks[i].Ended = JobCompleted, j.Progress.BytesDone, now.UTC()
	}
	j.Tasks = append(j.Tasks, Task{Name: TaskVaulting, Status: JobInProgress})
	j.Progress = Progress{}
	j.Vaulting = &Vaulting{Since: now.UTC(), Attempt: 1, DeleteAfter: d.DeleteAfter}
}

// VaultingLimit is how long after its recovery point was made, or its time had come,
// a copy into the vault must have begun.
const VaultingLimit = 4 * time.Hour

// Overdue says whether the copying has not begun within VaultingLimit.
func (v *Vaulting) Overdue(now time.Time) bool {
	return v.Began.IsZero() && now.Sub(v.Since) > VaultingLimit
}

// VaultingBegan notes that the cluster has taken up the copying, with a warning
// when that is late.
func (j *Job) VaultingBegan(now time.Time) {
	if j.Vaulting.Overdue(now) {
		j.Warnings = append(j.Warnings, Warning{Resource: string(TierVault), Problem: *NewProblem(CodeVaultingLate, j.InstanceID,
			"the copying of recovery point %s to the VaultStore began %s after it was due, which is more than %s",
			j.RecoveryPointID, now.Sub(j.Vaulting.Since).Round(time.Second), VaultingLimit)})
	}
	j.Vaulting.Began = now.UTC()
}

// MissVault ends a job whose recovery point did not get into the vault: it can
// be restored from the operational tier, so the job has not failed as a whole,
// and it is not complete.
func (j *Job) MissVault(now time.Time, why *Problem, warnings []Warning) {
	if j.Status.Terminal() {
		return
	}
	missing := NewProblem(CodeVaultCopyMissing, j.InstanceID,
		"recovery point %s is in the OperationalStore only, it could not be copied to the VaultStore: %s (%s)", j.RecoveryPointID, why.Message, why.Code)
	missing.Actions = append(append([]string{}, why.Actions...), missing.Actions...)
	j.Tasks[len(j.Tasks)-1].Status = JobFailed
	if j.Vaulting != nil && j.Vaulting.Onward { // there was nothing else to do
		j.Warnings = append(j.Warnings, warnings...)
		j.Fail(now, missing)
		return
	}
	j.Complete(now, append([]Warning{{Resource: string(TierVault), Problem: *missing}}, warnings...))
}
