package backup

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// MaxOperationalDays is how long a recovery point may stay in the operational tier.
const MaxOperationalDays = 360

var policyName = regexp.MustCompile(`^[-a-zA-Z0-9]{3,150}$`)

// The longest and the shortest stay of a recovery point in any tier. The longest
// keeps dates within what every client can read.
const (
	maxStayDays = 99 * 365
	minStayDays = 1
)

// Check validates a policy. It returns the first rule that is broken.
func (p Policy) Check() *Problem {
	if !policyName.MatchString(p.Name()) {
		return Invalid("name", "policy name %q must have 3 to 150 letters, digits and hyphens", p.Name())
	}
	if len(p.DatasourceTypes) != 1 || !equalFold(p.DatasourceTypes[0], DatasourceAKS) {
		return Invalid("properties.datasourceTypes", "datasourceTypes must be exactly [%q]", DatasourceAKS)
	}
	for _, check := range []func() *Problem{p.checkSize, p.checkRules, p.checkTags, p.checkApart, p.checkVaultLimits} {
		if problem := check(); problem != nil {
			return problem
		}
	}
	return nil
}

// maxPolicyBytes is how large the rules of a policy may be, as they are stored: each
// recovery point carries them with it.
const maxPolicyBytes = 64 << 10

func (p Policy) checkSize() *Problem {
	body, err := json.Marshal(p.Rules)
	if err != nil {
		return Invalid("properties.policyRules", "%v", err)
	}
	if len(body) > maxPolicyBytes {
		return Invalid("properties.policyRules", "the rules are %d bytes, and may be %d", len(body), maxPolicyBytes).
			advise("Make several policies of them.")
	}
	return nil
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
		return Invalid("properties.policyRules", "a policy must have an AzureBackupRule").
			advise("Add an AzureBackupRule with a schedule.")
	}
	if defaults != 1 {
		return Invalid("properties.policyRules", "a policy must have exactly one default retention rule named Default, not %d", defaults).
			advise("Add one AzureRetentionRule named Default with isDefault true.")
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
	return b.checkSchedule(target + ".trigger.schedule")
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
		return Invalid(target+".deleteAfter.duration", "%v", err).advise("Write a duration such as P7D, P4W, P12M or P10Y.")
	}
	switch days := period.ApproxDays(); {
	case days < minStayDays:
		return Invalid(target+".deleteAfter.duration", "recovery points stay for at least %d day, not %s", minStayDays, l.DeleteAfter).advise("Choose P1D or longer.")
	case days > maxStayDays:
		return Invalid(target+".deleteAfter.duration", "recovery points stay for at most 99 years, not %s", l.DeleteAfter).advise("Choose P99Y or shorter.")
	case l.Source == TierOperational && period.MostDays() > MaxOperationalDays:
		return Invalid(target+".deleteAfter.duration", "the OperationalStore keeps recovery points for at most %d days, and %s may be %g", MaxOperationalDays, l.DeleteAfter, period.MostDays()).
			advise(fmt.Sprintf("Choose P%dD or shorter, and keep recovery points for longer in the VaultStore.", MaxOperationalDays))
	}
	return l.checkCopies(target+".targetDataStoreCopySettings", period)
}

func (l Lifecycle) checkCopies(target string, stay Period) *Problem {
	for i, c := range l.Copies {
		if l.Source != TierOperational || c.Target != TierVault {
			return Invalid(target, "recovery points are copied from OperationalStore to VaultStore only, not from %s to %s", l.Source, c.Target).
				advise("Give copy settings to the lifecycle of the OperationalStore only, with the VaultStore as their target.")
		}
		if i > 0 {
			return Invalid(target, "recovery points are copied to the VaultStore once, %d copy settings are given", len(l.Copies)).
				advise("Leave one copy setting.")
		}
		if c.Option != CopyAfter {
			continue
		}
		after, err := ParsePeriod(c.After)
		if err != nil {
			return Invalid(target+".copyAfter.duration", "%v", err).advise("Write a duration such as P3D.")
		}
		if after.ApproxDays() >= stay.ApproxDays() {
			return Invalid(target+".copyAfter.duration", "recovery points are gone from the OperationalStore after %s and cannot be copied after %s", l.DeleteAfter, c.After).
				advise("Copy before the stay in the OperationalStore ends, or use " + CopyOnExpiry + ".")
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
			return Invalid(target, "tag %q has no retention rule of that name", t.Name).
				advise("Add an AzureRetentionRule of the tag's name, or remove the tag.")
		}
		if other, taken := priorities[t.Priority]; taken {
			return Invalid(target, "tags %q and %q have the same priority %d", other, t.Name, t.Priority).
				advise("Give every tag a priority of its own; the lowest number wins.")
		}
		priorities[t.Priority] = t.Name
		if t.IsDefault != equalFold(t.Name, "Default") {
			return Invalid(target, "the tag named Default, and only that, is the default: %q is not", t.Name).
				advise("Set isDefault on the tag Default alone.")
		}
		if t.IsDefault {
			defaults++
		} else if p := t.checkCriteria(target); p != nil {
			return p
		}
	}
	if defaults != 1 {
		return Invalid(target, "a trigger must have exactly one default tag, not %d", defaults).
			advise(`Add {"isDefault": true, "taggingPriority": 99, "tagInfo": {"id": "Default_", "tagName": "Default"}}.`)
	}
	return nil
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
