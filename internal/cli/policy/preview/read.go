package preview

import (
	"encoding/json"
	"fmt"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/cli/console"
)

// parse reads a policy document, with or without its envelope, and checks it as
// the service would.
func parse(raw []byte, name string) (*backup.Policy, error) {
	var doc struct {
		v1.PolicyProperties
		Properties *v1.PolicyProperties `json:"properties"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, console.Usage("this is not a policy: %v", err)
	}
	properties := doc.PolicyProperties
	if doc.Properties != nil {
		properties = *doc.Properties
	}
	p := &backup.Policy{Meta: backup.Meta{ID: "/backupPolicies/" + name}, DatasourceTypes: properties.DatasourceTypes}
	for _, r := range properties.PolicyRules {
		p.Rules = append(p.Rules, ruleOf(r))
	}
	if l := properties.HoldfastVaultLimits; l != nil {
		p.VaultLimits = &backup.VaultLimits{Profile: l.Profile, VolumeBytes: l.MaxVolumeSizeInBytes, Volumes: l.MaxVolumes, BytesPerSecond: l.MaxBytesPerSecond}
	}
	if problem := p.Check(); problem != nil {
		return nil, console.Usage("%s: %s", problem.Target, problem.Message)
	}
	return p, nil
}

// ruleOf reads a rule; what is missing is found by the check.
func ruleOf(in v1.PolicyRule) backup.Rule {
	out := backup.Rule{Name: in.Name}
	if in.ObjectType == v1.ObjectRetentionRule {
		out.Retention = &backup.RetentionRule{IsDefault: in.IsDefault != nil && *in.IsDefault}
		for _, l := range in.Lifecycles {
			out.Retention.Lifecycles = append(out.Retention.Lifecycles, lifecycleOf(l))
		}
		return out
	}
	out.Backup = &backup.BackupRule{Tier: tierOf(in.DataStore)}
	if in.BackupParameters != nil {
		out.Backup.BackupType = in.BackupParameters.BackupType
	}
	if in.Trigger == nil {
		return out
	}
	if in.Trigger.Schedule != nil {
		out.Backup.Intervals, out.Backup.TimeZone = in.Trigger.Schedule.RepeatingTimeIntervals, in.Trigger.Schedule.TimeZone
	}
	for _, t := range in.Trigger.TaggingCriteria {
		out.Backup.Tags = append(out.Backup.Tags, tagOf(t))
	}
	return out
}

func tierOf(in *v1.DataStore) backup.Tier {
	if in == nil {
		return ""
	}
	return backup.Tier(in.DataStoreType)
}

func tagOf(in v1.TaggingCriteria) backup.TaggingRule {
	out := backup.TaggingRule{IsDefault: in.IsDefault, Priority: in.TaggingPriority}
	if in.TagInfo != nil {
		out.Name = in.TagInfo.TagName
	}
	for _, c := range in.Criteria {
		criteria := backup.Criteria{Absolute: c.AbsoluteCriteria, DaysOfWeek: c.DaysOfTheWeek, WeeksOfMonth: c.WeeksOfTheMonth,
			Months: c.MonthsOfYear, Times: c.ScheduleTimes}
		for _, d := range c.DaysOfMonth {
			day := backup.DayOfMonth{IsLast: d.IsLast != nil && *d.IsLast}
			if d.Date != nil {
				day.Date = *d.Date
			}
			criteria.DaysOfMonth = append(criteria.DaysOfMonth, day)
		}
		out.Criteria = append(out.Criteria, criteria)
	}
	return out
}

func lifecycleOf(in v1.Lifecycle) backup.Lifecycle {
	out := backup.Lifecycle{Source: tierOf(in.SourceDataStore)}
	if in.DeleteAfter != nil {
		out.DeleteAfter = in.DeleteAfter.Duration
	}
	for _, c := range in.TargetDataStoreCopySettings {
		copied := backup.Copy{Target: tierOf(c.DataStore)}
		if c.CopyAfter != nil {
			copied.Option, copied.After = c.CopyAfter.ObjectType, c.CopyAfter.Duration
		}
		out.Copies = append(out.Copies, copied)
	}
	return out
}

// document is the name of a policy that has none yet.
const document = "document"

// named returns the policy that the flags name.
func named(get func() (json.RawMessage, error), read func(string) (map[string]any, error), name, file string) ([]byte, error) {
	switch {
	case (name == "") == (file == ""):
		return nil, console.Usage("give --name for a policy of the vault, or --policy for a document")
	case name != "":
		return get()
	}
	doc, err := read(file)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("policy document: %w", err)
	}
	return raw, nil
}
