package backup

import "reflect"

// DatasourceAKS is the only datasource type that policies and instances name.
const DatasourceAKS = "Microsoft.ContainerService/managedClusters"

// Policy says when instances are backed up and how long recovery points stay.
type Policy struct {
	Meta
	DatasourceTypes []string `json:"datasourceTypes"`
	// Rules are kept in the order they were sent.
	Rules []Rule `json:"rules"`
	// VaultLimits bound what is copied to the vault; nil leaves that to the service.
	VaultLimits *VaultLimits `json:"vaultLimits,omitempty"`
}

// Rule is one rule of a policy: Backup or Retention is set.
type Rule struct {
	Name      string         `json:"name"`
	Backup    *BackupRule    `json:"backup,omitempty"`
	Retention *RetentionRule `json:"retention,omitempty"`
}

// BackupRule says when a backup is taken, and which tags it gets.
type BackupRule struct {
	BackupType string        `json:"backupType"` // Incremental
	Tier       Tier          `json:"tier"`       // where the backup goes first
	Intervals  []string      `json:"intervals"`  // see ParseInterval
	TimeZone   *string       `json:"timeZone"`   // Windows time zone name; nil or empty means UTC
	Tags       []TaggingRule `json:"tags"`
}

// TaggingRule gives a tag, and so a retention rule, to the backups that meet
// its criteria. The lowest priority number wins.
type TaggingRule struct {
	Name      string     `json:"name"`
	ID        string     `json:"id,omitempty"`
	ETag      string     `json:"etag,omitempty"`
	IsDefault bool       `json:"isDefault"`
	Priority  int64      `json:"priority"`
	Criteria  []Criteria `json:"criteria"`
}

// Criteria picks backups by being the first of a period, or by calendar.
type Criteria struct {
	Absolute     []string     `json:"absolute"` // FirstOfDay ...
	DaysOfWeek   []string     `json:"daysOfWeek"`
	DaysOfMonth  []DayOfMonth `json:"daysOfMonth"`
	WeeksOfMonth []string     `json:"weeksOfMonth"`
	Months       []string     `json:"months"`
	Times        []string     `json:"times"`
}

// DayOfMonth is a date, or the last day of the month.
type DayOfMonth struct {
	Date   int  `json:"date,omitempty"`
	IsLast bool `json:"isLast,omitempty"`
}

// RetentionRule says how long the recovery points of its tag stay in each tier.
type RetentionRule struct {
	IsDefault  bool        `json:"isDefault"`
	Lifecycles []Lifecycle `json:"lifecycles"`
}

// Lifecycle is the stay in one tier.
type Lifecycle struct {
	Source      Tier   `json:"source"`
	DeleteAfter string `json:"deleteAfter"` // see ParsePeriod
	Copies      []Copy `json:"copies"`
}

// When recovery points are copied to another tier.
const (
	CopyAtOnce   = "ImmediateCopyOption"
	CopyOnExpiry = "CopyOnExpiryOption"
	CopyAfter    = "CustomCopyOption" // the time that Copy.After has
)

// Copy moves a recovery point to another tier.
type Copy struct {
	Target Tier   `json:"target"`
	Option string `json:"option"` // one of the Copy constants
	After  string `json:"after,omitempty"`
}

// BackupRule returns the backup rule of that name, compared without case.
func (p Policy) BackupRule(name string) (Rule, bool) {
	for _, r := range p.Rules {
		if r.Backup != nil && equalFold(r.Name, name) {
			return r, true
		}
	}
	return Rule{}, false
}

// RetentionRule returns the retention rule of that name, compared without case.
func (p Policy) RetentionRule(name string) (Rule, bool) {
	for _, r := range p.Rules {
		if r.Retention != nil && equalFold(r.Name, name) {
			return r, true
		}
	}
	return Rule{}, false
}

// DefaultRetention returns the retention rule of backups that no tag claims.
// Every policy that passed Check has one.
func (p Policy) DefaultRetention() (Rule, bool) {
	for _, r := range p.Rules {
		if r.Retention != nil && r.Retention.IsDefault {
			return r, true
		}
	}
	return Rule{}, false
}

// In returns the lifecycle in a tier.
func (r RetentionRule) In(tier Tier) (Lifecycle, bool) {
	for _, l := range r.Lifecycles {
		if l.Source == tier {
			return l, true
		}
	}
	return Lifecycle{}, false
}

// UsesVaultTier says whether any rule keeps recovery points in the vault.
func (p Policy) UsesVaultTier() bool {
	for _, r := range p.Rules {
		if r.Retention == nil {
			continue
		}
		for _, l := range r.Retention.Lifecycles {
			if l.Source == TierVault || len(l.Copies) > 0 {
				return true
			}
		}
	}
	return false
}

// SameRules says whether two policies do the same.
func (p *Policy) SameRules(other *Policy) bool {
	return reflect.DeepEqual(p.DatasourceTypes, other.DatasourceTypes) && reflect.DeepEqual(p.Rules, other.Rules) &&
		reflect.DeepEqual(p.VaultLimits, other.VaultLimits)
}

// Choose resolves the rule and the tag that an on-demand backup names. An
// empty override leaves the tag to the policy's schedule, as "".
func (p *Policy) Choose(ruleName, tagOverride string) (rule, tag string, problem *Problem) {
	b, ok := p.BackupRule(ruleName)
	if !ok {
		return "", "", Invalid("backupRuleOptions.ruleName", "policy %s has no backup rule %q", p.Name(), ruleName)
	}
	if tagOverride == "" {
		return b.Name, "", nil
	}
	// Clients send the name of the retention rule, or the id of its tag.
	for _, t := range b.Backup.Tags {
		if t.ID != "" && equalFold(t.ID, tagOverride) {
			tagOverride = t.Name
		}
	}
	r, ok := p.RetentionRule(tagOverride)
	if !ok {
		return "", "", Invalid("backupRuleOptions.triggerOption.retentionTagOverride", "policy %s has no retention rule %q", p.Name(), tagOverride)
	}
	return b.Name, r.Name, nil
}
