package workflow

import (
	"errors"
	"fmt"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/retention"
)

// Which retention rule a backup falls under, when nobody has named one. That is
// decided when the backup begins, so that its recovery point can carry it.

// tag lets the policy choose the tag of a backup.
func (t *turn) tag(job *backup.Job) error {
	if job.Tag != "" || job.Tagging != nil {
		return nil
	}
	policy, err := inventory.Policies.Get(t.tx, job.PolicyID)
	if err != nil {
		return gone(err)
	}
	rule := triggerOf(policy, job.RuleName)
	if rule == nil || len(rule.Tags) == 0 {
		return nil
	}
	choice, err := t.choose(job, rule)
	if err != nil {
		return err
	}
	job.Tag, job.Tagging = choice.Tag, &backup.Tagging{At: t.now, Reason: choice.Reason}
	return inventory.Jobs.Put(t.tx, job)
}

// triggerOf is the backup rule of that name, or the first; nil when there is none.
func triggerOf(p *backup.Policy, name string) *backup.BackupRule {
	if rule, ok := p.BackupRule(name); ok {
		return rule.Backup
	}
	for _, r := range p.Rules {
		if r.Backup != nil {
			return r.Backup
		}
	}
	return nil
}

// choose tags a backup of now. Criteria that cannot be read must not end it: it
// gets the default tag, and says why.
func (t *turn) choose(job *backup.Job, rule *backup.BackupRule) (retention.Choice, error) {
	zone, unread := rule.Zone()
	var tags []retention.Tag
	if unread == nil {
		tags, unread = retention.Tags(rule, zone)
	}
	if unread != nil {
		for _, r := range rule.Tags {
			if r.IsDefault {
				return retention.Choice{Tag: r.Name, Reason: fmt.Sprintf("the tagging criteria of the policy cannot be read: %v", unread)}, nil
			}
		}
		return retention.Choice{}, nil
	}
	last, err := t.lastTagged(job.InstanceID)
	if err != nil || last.IsZero() {
		return retention.Choose(tags, t.now, nil, zone), err
	}
	return retention.Choose(tags, t.now, []time.Time{last}, zone), nil
}

// lastTagged is the moment of the newest successful backup that the policy
// tagged, and that is in the vault if it was to be; zero when there is none. Recovery points list newest first.
func (t *turn) lastTagged(instanceID string) (time.Time, error) {
	for after := ""; ; {
		points, next, err := inventory.RecoveryPoints.Page(t.tx, instanceID, after, 50)
		if err != nil {
			return time.Time{}, err
		}
		for i := range points {
			if g := points[i].Tagging; g != nil && !g.Missed {
				return points[i].Tagging.At, nil
			}
		}
		if after = next; after == "" {
			return time.Time{}, nil
		}
	}
}

// decideTagged bounds what a policy sends to the vault by itself: one backup a
// day, and not now what is to be copied later.
func (t *turn) decideTagged(job *backup.Job, policy *backup.Policy, d backup.VaultDecision) (backup.VaultDecision, error) {
	if job.Tagging == nil || !d.Copy {
		return d, nil
	}
	other, err := t.sentOn(job, policy)
	if err != nil {
		return d, err
	}
	if other != "" {
		return backup.VaultDecision{Reason: fmt.Sprintf("one backup a day goes to the VaultStore, which is recovery point %s of this day", other)}, nil
	}
	terms, err := retention.TermsOf(policy, job.Tag)
	if err != nil {
		return d, err
	}
	if due := terms.Due(job.Tagging.At); !due.IsZero() {
		return backup.VaultDecision{Reason: fmt.Sprintf("retention rule %s copies recovery points to the VaultStore later, this one on %s", terms.Rule, due.Format(time.DateOnly))}, nil
	}
	return d, nil
}

// sentOn returns the other recovery point of the day of a job that the policy has
// sent to the vault, is sending there or is to send later; empty when there is none.
func (t *turn) sentOn(job *backup.Job, policy *backup.Policy) (string, error) {
	if job.Tagging == nil {
		return "", nil // people send as many as they like
	}
	zone := time.UTC
	if rule := triggerOf(policy, job.RuleName); rule != nil {
		if z, err := rule.Zone(); err == nil {
			zone = z
		}
	}
	sameDay := func(g *backup.Tagging) bool {
		return g != nil && g.At.In(zone).Format(time.DateOnly) == job.Tagging.At.In(zone).Format(time.DateOnly)
	}
	open, err := openJobs(t.tx, job.InstanceID)
	if err != nil {
		return "", err
	}
	for i := range open {
		if open[i].Vaulting != nil && sameDay(open[i].Tagging) {
			return open[i].RecoveryPointID, nil
		}
	}
	return t.firstPoint(job.InstanceID, job.Tagging.At.Add(-48*time.Hour), func(p *backup.RecoveryPoint) bool {
		_, vaulted := p.Store(backup.TierVault)
		here := p.Place(backup.TierOperational)
		return p.Name() != job.RecoveryPointID && sameDay(p.Tagging) && (vaulted || here != nil && here.Onward != nil)
	})
}

// firstPoint returns the name of the newest recovery point of an instance that is
// such, among those since a moment; empty when none is.
func (t *turn) firstPoint(instanceID string, since time.Time, such func(*backup.RecoveryPoint) bool) (string, error) {
	for after := ""; ; {
		points, next, err := inventory.RecoveryPoints.Page(t.tx, instanceID, after, 50) // newest first
		if err != nil {
			return "", err
		}
		for i := range points {
			switch p := &points[i]; {
			case such(p):
				return p.Name(), nil
			case p.Time.Before(since):
				return "", nil
			}
		}
		if after = next; after == "" {
			return "", nil
		}
	}
}

// onward is the copy to the vault that the retention of a job's recovery point
// has planned for later; nil when it has none.
func (t *turn) onward(job *backup.Job, cut time.Time) (*backup.Onward, error) {
	policy, err := inventory.Policies.Get(t.tx, job.PolicyID)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if _, ok := policy.RetentionOf(job.Tag); !ok {
		return nil, nil
	}
	terms, err := retention.TermsOf(policy, job.Tag)
	if err != nil || terms.Due(cut).IsZero() {
		return nil, err
	}
	if other, err := t.sentOn(job, policy); err != nil || other != "" {
		return nil, err
	}
	return &backup.Onward{Due: terms.Due(cut), DeleteAfter: terms.Vault.Stay.Text}, nil
}
