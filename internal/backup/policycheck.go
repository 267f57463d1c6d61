package backup

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MaxOperationalDays is how long a recovery point may stay in the operational tier.
const MaxOperationalDays = 360

var policyName = regexp.MustCompile(`^[-a-zA-Z0-9]{3,150}$`)

// frequencies are the allowed distances between scheduled backups.
var frequencies = []string{"PT4H", "PT6H", "PT8H", "PT12H", "P1D", "P1W"}

// Check validates a policy. It returns the first rule that is broken.
func (p Policy) Check() *Problem {
	if !policyName.MatchString(p.Name()) {
		return Invalid("name", "policy name %q must have 3 to 150 letters, digits and hyphens", p.Name())
	}
	if len(p.DatasourceTypes) != 1 || !equalFold(p.DatasourceTypes[0], DatasourceAKS) {
		return Invalid("properties.datasourceTypes", "datasourceTypes must be exactly [%q]", DatasourceAKS)
	}
	if p := p.checkRules(); p != nil {
		return p
	}
	return p.checkTags()
}

func (p Policy) checkRules() *Problem {
	names := map[string]bool{}
	backups, defaults := 0, 0
	for i, r := range p.Rules {
		target := fmt.Sprintf("properties.policyRules[%d]", i)
		if r.Name == "" {
			return Invalid(target+".name", "a policy rule must have a name")
		}
		if names[strings.ToLower(r.Name)] {
			return Invalid(target+".name", "rule name %q is used twice", r.Name)
		}
		names[strings.ToLower(r.Name)] = true
		if prob := r.check(target); prob != nil {
			return prob
		}
		if r.Backup != nil {
			backups++
		} else if r.Retention.IsDefault {
			defaults++
		}
	}
	if backups == 0 {
		return Invalid("properties.policyRules", "a policy must have an AzureBackupRule")
	}
	if defaults != 1 {
		return Invalid("properties.policyRules", "a policy must have exactly one default retention rule named Default, not %d", defaults)
	}
	return nil
}

func (r Rule) check(target string) *Problem {
	if r.Backup != nil {
		return r.Backup.check(target)
	}
	if r.Retention == nil {
		return Invalid(target+".objectType", "a policy rule must be an AzureBackupRule or an AzureRetentionRule")
	}
	if r.Retention.IsDefault != equalFold(r.Name, "Default") {
		return Invalid(target+".isDefault", "the retention rule named Default, and only that, is the default")
	}
	return r.Retention.check(target)
}

func (b BackupRule) check(target string) *Problem {
	if b.BackupType != "Incremental" {
		return Invalid(target+".backupParameters.backupType", "backupType must be Incremental, not %q", b.BackupType)
	}
	if b.Tier != TierOperational {
		return Invalid(target+".dataStore.dataStoreType", "backups go to the OperationalStore first, not to %q", b.Tier)
	}
	if len(b.Intervals) == 0 {
		return Invalid(target+".trigger.schedule.repeatingTimeIntervals", "a schedule must have a repeating time interval")
	}
	for _, text := range b.Intervals {
		if _, err := ParseInterval(text); err != nil {
			return Invalid(target+".trigger.schedule.repeatingTimeIntervals", "%v", err)
		}
		if every := text[strings.LastIndexByte(text, '/')+1:]; !slices.Contains(frequencies, every) {
			return Invalid(target+".trigger.schedule.repeatingTimeIntervals",
				"backups every %s are not possible; choose one of %s", every, strings.Join(frequencies, ", "))
		}
	}
	return nil
}

func (r RetentionRule) check(target string) *Problem {
	if len(r.Lifecycles) == 0 {
		return Invalid(target+".lifecycles", "a retention rule must have a lifecycle")
	}
	seen := map[Tier]bool{}
	for i, l := range r.Lifecycles {
		where := fmt.Sprintf("%s.lifecycles[%d]", target, i)
		if seen[l.Source] {
			return Invalid(where+".sourceDataStore", "%s has two lifecycles in one rule", l.Source)
		}
		seen[l.Source] = true
		if p := l.check(where); p != nil {
			return p
		}
	}
	if r.IsDefault && !seen[TierOperational] {
		return Invalid(target+".lifecycles", "the default rule must have a lifecycle in the OperationalStore")
	}
	return nil
}

func (l Lifecycle) check(target string) *Problem {
	if l.Source != TierOperational && l.Source != TierVault {
		return Invalid(target+".sourceDataStore.dataStoreType", "recovery points are kept in OperationalStore or VaultStore, not %q", l.Source)
	}
	period, err := ParsePeriod(l.DeleteAfter)
	if err != nil {
		return Invalid(target+".deleteAfter.duration", "%v", err)
	}
	if l.Source == TierOperational && period.ApproxDays() > MaxOperationalDays {
		return Invalid(target+".deleteAfter.duration", "the OperationalStore keeps recovery points for at most %d days, not %s", MaxOperationalDays, l.DeleteAfter)
	}
	for _, c := range l.Copies {
		if l.Source != TierOperational || c.Target != TierVault {
			return Invalid(target+".targetDataStoreCopySettings", "recovery points are copied from OperationalStore to VaultStore only, not from %s to %s", l.Source, c.Target)
		}
		if _, err := ParsePeriod(c.After); c.Option == "CustomCopyOption" && err != nil {
			return Invalid(target+".targetDataStoreCopySettings.copyAfter.duration", "%v", err)
		}
	}
	return nil
}

// checkTags makes sure that every tag has a retention rule and that the choice
// between tags is never open.
func (p Policy) checkTags() *Problem {
	for i, r := range p.Rules {
		if r.Backup == nil {
			continue
		}
		target := fmt.Sprintf("properties.policyRules[%d].trigger.taggingCriteria", i)
		if prob := p.checkTagsOf(*r.Backup, target); prob != nil {
			return prob
		}
	}
	return nil
}

func (p Policy) checkTagsOf(b BackupRule, target string) *Problem {
	priorities := map[int64]string{}
	defaults := 0
	for _, t := range b.Tags {
		if _, ok := p.RetentionRule(t.Name); !ok {
			return Invalid(target, "tag %q has no retention rule of that name", t.Name)
		}
		if other, taken := priorities[t.Priority]; taken {
			return Invalid(target, "tags %q and %q have the same priority %d", other, t.Name, t.Priority)
		}
		priorities[t.Priority] = t.Name
		if t.IsDefault {
			defaults++
		} else if p := t.checkCriteria(target); p != nil {
			return p
		}
	}
	if defaults != 1 {
		return Invalid(target, "a trigger must have exactly one default tag, not %d", defaults)
	}
	return nil
}

var absoluteCriteria = []string{"AllBackup", "FirstOfDay", "FirstOfWeek", "FirstOfMonth", "FirstOfYear"}

func (t TaggingRule) checkCriteria(target string) *Problem {
	if len(t.Criteria) == 0 {
		return Invalid(target, "tag %q is not the default and has no criteria", t.Name)
	}
	for _, c := range t.Criteria {
		for _, a := range c.Absolute {
			if !slices.Contains(absoluteCriteria, a) {
				return Invalid(target, "tag %q has the unknown criterion %q", t.Name, a)
			}
		}
	}
	return nil
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
