package retention

import (
	"fmt"
	"time"

	"holdfast.dev/holdfast/internal/backup"
)

// Terms are what a policy promises to a recovery point when it is taken. They
// stay with it: later changes of the policy are for later points.
type Terms struct {
	Rule        string // retention rule
	Operational Stay
	Vault       *VaultTerms // nil: it does not go to the vault
}

// Stay is how long a copy stays, counted from the moment the point stands for.
// Without a period it stays for good.
type Stay struct {
	Text   string // as the policy has it, see backup.ParsePeriod
	Period backup.Period
}

// Until is the end of a stay that counts from a moment; zero: never.
func (s Stay) Until(from time.Time) time.Time {
	if s.Period == (backup.Period{}) {
		return time.Time{}
	}
	return s.Period.After(from)
}

// VaultTerms say when a point is copied to the vault, and for how long.
type VaultTerms struct {
	AtOnce   bool
	OnExpiry bool // of the operational copy, before it goes
	After    Stay // else, so long after the moment it stands for
	Stay     Stay
}

// Due is when a point is to be copied to the vault; zero: at once, or never.
func (t Terms) Due(taken time.Time) time.Time {
	switch {
	case t.Vault == nil || t.Vault.AtOnce:
		return time.Time{}
	case t.Vault.OnExpiry:
		return t.Operational.Until(taken)
	default:
		return t.Vault.After.Until(taken)
	}
}

// TermsOf returns what a policy promises to points of a tag: what the retention
// rule of that name says, and for the rest the default one. An error means that
// the policy never passed its check.
func TermsOf(p *backup.Policy, tag string) (Terms, error) {
	rule, ok := p.RetentionOf(tag)
	if !ok {
		return Terms{}, fmt.Errorf("policy %s has no retention rule for tag %q", p.Name(), tag)
	}
	out := Terms{Rule: rule.Name}
	var err error
	if out.Operational, err = stay(p.OperationalStay(rule)); err != nil {
		return out, fmt.Errorf("retention rule %s: %w", rule.Name, err)
	}
	if out.Vault, err = vaultTerms(p, rule); err != nil {
		return out, fmt.Errorf("retention rule %s: %w", rule.Name, err)
	}
	return out, nil
}

func stay(text string) (Stay, error) {
	if text == "" {
		return Stay{}, nil
	}
	period, err := backup.ParsePeriod(text)
	return Stay{text, period}, err
}

func vaultTerms(p *backup.Policy, rule backup.Rule) (*VaultTerms, error) {
	copied := copyOf(rule)
	kept, ok := rule.Retention.In(backup.TierVault)
	if !ok && copied == nil {
		return nil, nil
	}
	if standard, found := p.DefaultRetention(); !ok && found {
		kept, _ = standard.Retention.In(backup.TierVault)
	}
	out := &VaultTerms{AtOnce: copied == nil || copied.Option == backup.CopyAtOnce}
	var err error
	if out.Stay, err = stay(kept.DeleteAfter); err != nil || out.AtOnce {
		return out, err
	}
	out.OnExpiry = copied.Option == backup.CopyOnExpiry
	if !out.OnExpiry {
		out.After, err = stay(copied.After)
	}
	return out, err
}

// copyOf is how a rule's points go from the operational tier to the vault, nil
// when it does not say.
func copyOf(rule backup.Rule) *backup.Copy {
	here, _ := rule.Retention.In(backup.TierOperational)
	for i := range here.Copies {
		if here.Copies[i].Target == backup.TierVault {
			return &here.Copies[i]
		}
	}
	return nil
}
