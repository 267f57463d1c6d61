package policywire

import (
	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
)

// Show shows a policy.
func Show(p *backup.Policy) *v1.PolicyProperties {
	return &v1.PolicyProperties{
		ObjectType: v1.ObjectBackupPolicy, DatasourceTypes: p.DatasourceTypes, PolicyRules: each(p.Rules, ruleTo),
		HoldfastVaultLimits: vaultLimitsTo(p.VaultLimits),
	}
}

func vaultLimitsTo(l *backup.VaultLimits) *v1.VaultLimits {
	if l == nil {
		return nil
	}
	return &v1.VaultLimits{Profile: l.Profile, MaxVolumeSizeInBytes: l.VolumeBytes, MaxVolumes: l.Volumes, MaxBytesPerSecond: l.BytesPerSecond}
}

func ruleTo(r *backup.Rule) v1.PolicyRule {
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
			TaggingCriteria: each(r.Backup.Tags, tagTo),
		},
	}
}

func dataStoreTo(t backup.Tier) *v1.DataStore {
	return &v1.DataStore{DataStoreType: string(t), ObjectType: v1.ObjectDataStore}
}

func tagTo(t *backup.TaggingRule) v1.TaggingCriteria {
	out := v1.TaggingCriteria{IsDefault: t.IsDefault, TaggingPriority: &t.Priority,
		TagInfo: &v1.TagInfo{TagName: t.Name, ID: t.ID, ETag: t.ETag}}
	if t.Criteria != nil {
		out.Criteria = each(t.Criteria, criteriaTo)
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
		out.TargetDataStoreCopySettings = each(l.Copies, func(c *backup.Copy) v1.CopySetting {
			return v1.CopySetting{DataStore: dataStoreTo(c.Target), CopyAfter: &v1.CopyOption{ObjectType: c.Option, Duration: c.After}}
		})
	}
	return out
}

func each[D, W any](list []D, to func(*D) W) []W {
	out := make([]W, len(list))
	for i := range list {
		out[i] = to(&list[i])
	}
	return out
}
