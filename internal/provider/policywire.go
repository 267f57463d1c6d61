package provider

import (
	"fmt"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
)

// policyFrom reads a policy; what it means is checked by the domain.
func policyFrom(in v1.Policy) (*backup.Policy, error) {
	if in.Properties == nil {
		return nil, required("properties")
	}
	if _, err := expectObject("properties", in.Properties.ObjectType, v1.ObjectBackupPolicy); err != nil {
		return nil, err
	}
	out := &backup.Policy{}
	for _, t := range in.Properties.DatasourceTypes {
		if strings.EqualFold(t, backup.DatasourceAKS) {
			t = backup.DatasourceAKS
		}
		out.DatasourceTypes = append(out.DatasourceTypes, t)
	}
	for i, rule := range in.Properties.PolicyRules {
		r, err := ruleFrom(rule, fmt.Sprintf("properties.policyRules[%d]", i))
		if err != nil {
			return nil, err
		}
		out.Rules = append(out.Rules, r)
	}
	out.VaultLimits = vaultLimitsFrom(in.Properties.HoldfastVaultLimits)
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

func vaultLimitsTo(l *backup.VaultLimits) *v1.VaultLimits {
	if l == nil {
		return nil
	}
	return &v1.VaultLimits{Profile: l.Profile, MaxVolumeSizeInBytes: l.VolumeBytes, MaxVolumes: l.Volumes, MaxBytesPerSecond: l.BytesPerSecond}
}

func ruleFrom(in v1.PolicyRule, target string) (backup.Rule, error) {
	out := backup.Rule{Name: in.Name}
	kind, err := expectObject(target, in.ObjectType, v1.ObjectBackupRule, v1.ObjectRetentionRule)
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
		return nil, required(target + ".backupParameters")
	case in.DataStore == nil:
		return nil, required(target + ".dataStore")
	case in.Trigger == nil:
		return nil, required(target + ".trigger")
	case in.Trigger.Schedule == nil:
		return nil, required(target + ".trigger.schedule")
	}
	if _, err := expectObject(target+".trigger", in.Trigger.ObjectType, v1.ObjectScheduleTrigger); err != nil {
		return nil, err
	}
	tier, err := tierFrom(target+".dataStore", in.DataStore)
	if err != nil {
		return nil, err
	}
	kind, err := pickEnum(target+".backupParameters.backupType", in.BackupParameters.BackupType, "Incremental")
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
		return "", required(target)
	}
	tier, err := pickEnum(target+".dataStoreType", in.DataStoreType, "OperationalStore", "VaultStore", "ArchiveStore")
	return backup.Tier(tier), err
}

func tagsFrom(in []v1.TaggingCriteria, target string) ([]backup.TaggingRule, error) {
	var out []backup.TaggingRule
	for _, t := range in {
		if t.TagInfo == nil || t.TagInfo.TagName == "" {
			return nil, required(target + ".tagInfo.tagName")
		}
		tag := backup.TaggingRule{Name: t.TagInfo.TagName, ID: t.TagInfo.ID, ETag: t.TagInfo.ETag,
			IsDefault: t.IsDefault, Priority: t.TaggingPriority}
		if t.Criteria != nil {
			tag.Criteria = []backup.Criteria{}
		}
		for _, c := range t.Criteria {
			if _, err := expectObject(target+".criteria", c.ObjectType, v1.ObjectScheduleCriteria); err != nil {
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
		return out, required(target + ".deleteAfter")
	}
	if _, err = expectObject(target+".deleteAfter", in.DeleteAfter.ObjectType, v1.ObjectAbsoluteDelete); err != nil {
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
		return out, required(target + ".copyAfter")
	}
	out.After = in.CopyAfter.Duration
	out.Option, err = expectObject(target+".copyAfter", in.CopyAfter.ObjectType, v1.ObjectImmediateCopy, v1.ObjectCopyOnExpiry, v1.ObjectCustomCopy)
	return out, err
}

// policyTo shows a policy.
func policyTo(p *backup.Policy) v1.Policy {
	out := v1.Policy{Resource: envelope(&p.Meta), Properties: &v1.PolicyProperties{
		ObjectType: v1.ObjectBackupPolicy, DatasourceTypes: p.DatasourceTypes, PolicyRules: []v1.PolicyRule{},
		HoldfastVaultLimits: vaultLimitsTo(p.VaultLimits),
	}}
	for _, r := range p.Rules {
		out.Properties.PolicyRules = append(out.Properties.PolicyRules, ruleTo(r))
	}
	return out
}

func ruleTo(r backup.Rule) v1.PolicyRule {
	if r.Retention != nil {
		out := v1.PolicyRule{Name: r.Name, ObjectType: v1.ObjectRetentionRule, IsDefault: &r.Retention.IsDefault}
		for _, l := range r.Retention.Lifecycles {
			out.Lifecycles = append(out.Lifecycles, lifecycleTo(l))
		}
		return out
	}
	return v1.PolicyRule{
		Name: r.Name, ObjectType: v1.ObjectBackupRule,
		BackupParameters: &v1.BackupRuleParameters{ObjectType: v1.ObjectBackupParams, BackupType: r.Backup.BackupType},
		DataStore:        dataStoreTo(r.Backup.Tier),
		Trigger: &v1.Trigger{
			ObjectType:      v1.ObjectScheduleTrigger,
			Schedule:        &v1.Schedule{RepeatingTimeIntervals: r.Backup.Intervals, TimeZone: r.Backup.TimeZone},
			TaggingCriteria: show(r.Backup.Tags, tagTo),
		},
	}
}

func dataStoreTo(t backup.Tier) *v1.DataStore {
	return &v1.DataStore{DataStoreType: string(t), ObjectType: v1.ObjectDataStore}
}

func tagTo(t *backup.TaggingRule) v1.TaggingCriteria {
	out := v1.TaggingCriteria{IsDefault: t.IsDefault, TaggingPriority: t.Priority,
		TagInfo: &v1.TagInfo{TagName: t.Name, ID: t.ID, ETag: t.ETag}}
	if t.Criteria != nil {
		out.Criteria = show(t.Criteria, criteriaTo)
	}
	return out
}

func criteriaTo(c *backup.Criteria) v1.BackupCriteria {
	out := v1.BackupCriteria{
		ObjectType: v1.ObjectScheduleCriteria, AbsoluteCriteria: c.Absolute, DaysOfTheWeek: c.DaysOfWeek,
		WeeksOfTheMonth: c.WeeksOfMonth, MonthsOfYear: c.Months, ScheduleTimes: c.Times,
	}
	for _, d := range c.DaysOfMonth {
		day := v1.Day{IsLast: &d.IsLast}
		if d.Date != 0 {
			day.Date = &d.Date
		}
		out.DaysOfMonth = append(out.DaysOfMonth, day)
	}
	return out
}

func lifecycleTo(l backup.Lifecycle) v1.Lifecycle {
	out := v1.Lifecycle{
		SourceDataStore: dataStoreTo(l.Source),
		DeleteAfter:     &v1.DeleteOption{ObjectType: v1.ObjectAbsoluteDelete, Duration: l.DeleteAfter},
	}
	if l.Copies != nil {
		out.TargetDataStoreCopySettings = show(l.Copies, func(c *backup.Copy) v1.CopySetting {
			return v1.CopySetting{DataStore: dataStoreTo(c.Target), CopyAfter: &v1.CopyOption{ObjectType: c.Option, Duration: c.After}}
		})
	}
	return out
}
