// Package policywire reads and shows policies as the API has them. The service and
// the command line, which previews policies that no service knows yet, share it.
package policywire

import (
	"fmt"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
)

// Read reads a policy. Words may be written in any case. The error is a
// *backup.Problem about a property that is missing or not known; what the policy
// means is checked by backup.Policy.Check.
func Read(in *v1.PolicyProperties) (*backup.Policy, error) {
	if in == nil {
		return nil, backup.Required("properties")
	}
	if _, err := backup.ExpectObject("properties", in.ObjectType, v1.ObjectBackupPolicy); err != nil {
		return nil, err
	}
	out := &backup.Policy{}
	for _, t := range in.DatasourceTypes {
		if strings.EqualFold(t, backup.DatasourceAKS) {
			t = backup.DatasourceAKS
		}
		out.DatasourceTypes = append(out.DatasourceTypes, t)
	}
	for i, rule := range in.PolicyRules {
		r, err := ruleFrom(rule, fmt.Sprintf("properties.policyRules[%d]", i))
		if err != nil {
			return nil, err
		}
		out.Rules = append(out.Rules, r)
	}
	out.VaultLimits = vaultLimitsFrom(in.HoldfastVaultLimits)
	return out, nil
}

// vaultLimitsFrom reads limits; a profile may be written in any case.
func vaultLimitsFrom(in *v1.VaultLimits) *backup.VaultLimits {
	if in == nil {
		return nil
	}
	out := &backup.VaultLimits{Profile: in.Profile, VolumeBytes: in.MaxVolumeSizeInBytes, Volumes: in.MaxVolumes, BytesPerSecond: in.MaxBytesPerSecond}
	for _, known := range backup.VaultProfiles() {
		if strings.EqualFold(known, in.Profile) {
			out.Profile = known
		}
	}
	return out
}

func ruleFrom(in v1.PolicyRule, target string) (backup.Rule, error) {
	out := backup.Rule{Name: in.Name}
	kind, err := backup.ExpectObject(target, in.ObjectType, v1.ObjectBackupRule, v1.ObjectRetentionRule)
	if err != nil {
		return out, err
	}
	if kind == v1.ObjectRetentionRule {
		out.Retention, err = retentionFrom(in, target)
	} else {
		out.Backup, err = backupRuleFrom(in, target)
	}
	return out, err
}

func backupRuleFrom(in v1.PolicyRule, target string) (*backup.BackupRule, error) {
	switch {
	case in.BackupParameters == nil:
		return nil, backup.Required(target + ".backupParameters")
	case in.DataStore == nil:
		return nil, backup.Required(target + ".dataStore")
	case in.Trigger == nil:
		return nil, backup.Required(target + ".trigger")
	case in.Trigger.Schedule == nil:
		return nil, backup.Required(target + ".trigger.schedule")
	}
	if _, err := backup.ExpectObject(target+".trigger", in.Trigger.ObjectType, v1.ObjectScheduleTrigger); err != nil {
		return nil, err
	}
	if _, err := backup.OneOf(target+".backupParameters.objectType", in.BackupParameters.ObjectType, v1.ObjectBackupParams); err != nil {
		return nil, err
	}
	tier, err := tierFrom(target+".dataStore", in.DataStore)
	if err != nil {
		return nil, err
	}
	kind, err := backup.OneOf(target+".backupParameters.backupType", in.BackupParameters.BackupType, "Incremental")
	if err != nil {
		return nil, err
	}
	out := &backup.BackupRule{
		BackupType: kind, Tier: tier,
		Intervals: in.Trigger.Schedule.RepeatingTimeIntervals, TimeZone: in.Trigger.Schedule.TimeZone,
	}
	out.Tags, err = tagsFrom(in.Trigger.TaggingCriteria, target+".trigger.taggingCriteria")
	return out, err
}

func tierFrom(target string, in *v1.DataStore) (backup.Tier, error) {
	if in == nil {
		return "", backup.Required(target)
	}
	if _, err := backup.OneOf(target+".objectType", in.ObjectType, v1.ObjectDataStore); err != nil {
		return "", err
	}
	tier, err := backup.OneOf(target+".dataStoreType", in.DataStoreType, "OperationalStore", "VaultStore", "ArchiveStore")
	return backup.Tier(tier), err
}

func tagsFrom(in []v1.TaggingCriteria, target string) ([]backup.TaggingRule, error) {
	var out []backup.TaggingRule
	for _, t := range in {
		if t.TagInfo == nil || t.TagInfo.TagName == "" {
			return nil, backup.Required(target + ".tagInfo.tagName")
		}
		if t.TaggingPriority == nil { // none is not 0, which goes before all others
			return nil, backup.Required(target + ".taggingPriority")
		}
		tag := backup.TaggingRule{Name: t.TagInfo.TagName, ID: t.TagInfo.ID, ETag: t.TagInfo.ETag,
			IsDefault: t.IsDefault, Priority: *t.TaggingPriority}
		if t.Criteria != nil {
			tag.Criteria = []backup.Criteria{}
		}
		for _, c := range t.Criteria {
			if _, err := backup.ExpectObject(target+".criteria", c.ObjectType, v1.ObjectScheduleCriteria); err != nil {
				return nil, err
			}
			tag.Criteria = append(tag.Criteria, criteriaFrom(c))
		}
		out = append(out, tag)
	}
	return out, nil
}

func criteriaFrom(c v1.BackupCriteria) backup.Criteria {
	out := backup.Criteria{
		Absolute: c.AbsoluteCriteria, DaysOfWeek: c.DaysOfTheWeek,
		WeeksOfMonth: c.WeeksOfTheMonth, Months: c.MonthsOfYear, Times: c.ScheduleTimes,
	}
	for _, d := range c.DaysOfMonth {
		day := backup.DayOfMonth{}
		if d.Date != nil {
			day.Date = *d.Date
		}
		day.IsLast = d.IsLast != nil && *d.IsLast
		out.DaysOfMonth = append(out.DaysOfMonth, day)
	}
	return out
}

func retentionFrom(in v1.PolicyRule, target string) (*backup.RetentionRule, error) {
	out := &backup.RetentionRule{IsDefault: in.IsDefault != nil && *in.IsDefault}
	for i, l := range in.Lifecycles {
		lifecycle, err := lifecycleFrom(l, fmt.Sprintf("%s.lifecycles[%d]", target, i))
		if err != nil {
			return nil, err
		}
		out.Lifecycles = append(out.Lifecycles, lifecycle)
	}
	return out, nil
}

func lifecycleFrom(in v1.Lifecycle, target string) (backup.Lifecycle, error) {
	var out backup.Lifecycle
	var err error
	if out.Source, err = tierFrom(target+".sourceDataStore", in.SourceDataStore); err != nil {
		return out, err
	}
	if in.DeleteAfter == nil {
		return out, backup.Required(target + ".deleteAfter")
	}
	if _, err = backup.ExpectObject(target+".deleteAfter", in.DeleteAfter.ObjectType, v1.ObjectAbsoluteDelete); err != nil {
		return out, err
	}
	out.DeleteAfter = in.DeleteAfter.Duration
	if in.TargetDataStoreCopySettings != nil {
		out.Copies = []backup.Copy{}
	}
	for _, c := range in.TargetDataStoreCopySettings {
		copied, err := copyFrom(c, target+".targetDataStoreCopySettings")
		if err != nil {
			return out, err
		}
		out.Copies = append(out.Copies, copied)
	}
	return out, nil
}

func copyFrom(in v1.CopySetting, target string) (backup.Copy, error) {
	var out backup.Copy
	var err error
	if out.Target, err = tierFrom(target+".dataStore", in.DataStore); err != nil {
		return out, err
	}
	if in.CopyAfter == nil {
		return out, backup.Required(target + ".copyAfter")
	}
	out.After = in.CopyAfter.Duration
	out.Option, err = backup.ExpectObject(target+".copyAfter", in.CopyAfter.ObjectType, v1.ObjectImmediateCopy, v1.ObjectCopyOnExpiry, v1.ObjectCustomCopy)
	return out, err
}
