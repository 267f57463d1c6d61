package backup

import (
	"strings"
	"testing"
)

// goodPolicy is the policy of the documentation: hourly, seven days, the first
// of each day for thirty days in the vault.
func goodPolicy() *Policy {
	p := &Policy{DatasourceTypes: []string{DatasourceAKS}, Rules: []Rule{
		{Name: "BackupHourly", Backup: &BackupRule{
			BackupType: "Incremental", Tier: TierOperational, Intervals: []string{"R/2023-01-04T09:00:00+00:00/PT4H"},
			Tags: []TaggingRule{
				{Name: "Daily", ID: "Daily_", Priority: 25, Criteria: []Criteria{{Absolute: []string{"FirstOfDay"}}}},
				{Name: "Default", ID: "Default_", Priority: 99, IsDefault: true},
			}}},
		{Name: "Daily", Retention: &RetentionRule{Lifecycles: []Lifecycle{
			{Source: TierOperational, DeleteAfter: "P7D", Copies: []Copy{{Target: TierVault, Option: "ImmediateCopyOption"}}},
			{Source: TierVault, DeleteAfter: "P30D"}}}},
		{Name: "Default", Retention: &RetentionRule{IsDefault: true, Lifecycles: []Lifecycle{
			{Source: TierOperational, DeleteAfter: "P7D"}}}},
	}}
	p.ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v/backupPolicies/akspolicy"
	return p
}

func TestPolicyCheck(t *testing.T) {
	if p := goodPolicy().Check(); p != nil {
		t.Fatal(p)
	}
	for name, c := range map[string]struct {
		change func(*Policy)
		target string // of the problem, its end; empty means that the policy is fine
	}{
		"daily":                   {func(p *Policy) { p.Rules[0].Backup.Intervals[0] = "R/2023-01-04T09:00:00Z/P1D" }, ""},
		"weekly":                  {func(p *Policy) { p.Rules[0].Backup.Intervals[0] = "R/2023-01-04T09:00:00Z/P1W" }, ""},
		"every 6 hours":           {func(p *Policy) { p.Rules[0].Backup.Intervals[0] = "R/2023-01-04T09:00:00Z/PT6H" }, ""},
		"every 8 hours":           {func(p *Policy) { p.Rules[0].Backup.Intervals[0] = "R/2023-01-04T09:00:00Z/PT8H" }, ""},
		"every 12 hours":          {func(p *Policy) { p.Rules[0].Backup.Intervals[0] = "R/2023-01-04T09:00:00Z/PT12H" }, ""},
		"every hour":              {func(p *Policy) { p.Rules[0].Backup.Intervals[0] = "R/2023-01-04T09:00:00Z/PT1H" }, "repeatingTimeIntervals"},
		"no interval":             {func(p *Policy) { p.Rules[0].Backup.Intervals = nil }, "repeatingTimeIntervals"},
		"broken interval":         {func(p *Policy) { p.Rules[0].Backup.Intervals[0] = "daily" }, "repeatingTimeIntervals"},
		"type in another case":    {func(p *Policy) { p.DatasourceTypes[0] = "microsoft.containerservice/managedclusters" }, ""},
		"another datasource":      {func(p *Policy) { p.DatasourceTypes[0] = "Microsoft.Compute/disks" }, "datasourceTypes"},
		"two datasources":         {func(p *Policy) { p.DatasourceTypes = append(p.DatasourceTypes, DatasourceAKS) }, "datasourceTypes"},
		"360 days":                {func(p *Policy) { p.Rules[2].Retention.Lifecycles[0].DeleteAfter = "P360D" }, ""},
		"361 days":                {func(p *Policy) { p.Rules[2].Retention.Lifecycles[0].DeleteAfter = "P361D" }, "deleteAfter.duration"},
		"a year":                  {func(p *Policy) { p.Rules[2].Retention.Lifecycles[0].DeleteAfter = "P1Y" }, "deleteAfter.duration"},
		"ten years in vault":      {func(p *Policy) { p.Rules[1].Retention.Lifecycles[1].DeleteAfter = "P10Y" }, ""},
		"no duration":             {func(p *Policy) { p.Rules[2].Retention.Lifecycles[0].DeleteAfter = "" }, "deleteAfter.duration"},
		"no default rule":         {func(p *Policy) { p.Rules = p.Rules[:2] }, "policyRules"},
		"default by another name": {func(p *Policy) { p.Rules[2].Name = "Other" }, "isDefault"},
		"Default that is not":     {func(p *Policy) { p.Rules[2].Retention.IsDefault = false }, "isDefault"},
		"no backup rule":          {func(p *Policy) { p.Rules = p.Rules[1:] }, "policyRules"},
		"same name twice":         {func(p *Policy) { p.Rules[1].Name = "backuphourly" }, "name"},
		"unnamed rule":            {func(p *Policy) { p.Rules[1].Name = "" }, "name"},
		"same priority":           {func(p *Policy) { p.Rules[0].Backup.Tags[0].Priority = 99 }, "taggingCriteria"},
		"tag without rule":        {func(p *Policy) { p.Rules[0].Backup.Tags[0].Name = "Monthly" }, "taggingCriteria"},
		"no default tag":          {func(p *Policy) { p.Rules[0].Backup.Tags = p.Rules[0].Backup.Tags[:1] }, "taggingCriteria"},
		"tag without criteria":    {func(p *Policy) { p.Rules[0].Backup.Tags[0].Criteria = nil }, "taggingCriteria"},
		"unknown criterion":       {func(p *Policy) { p.Rules[0].Backup.Tags[0].Criteria[0].Absolute[0] = "FirstOfDecade" }, "taggingCriteria"},
		"full backup":             {func(p *Policy) { p.Rules[0].Backup.BackupType = "Full" }, "backupType"},
		"backup to vault":         {func(p *Policy) { p.Rules[0].Backup.Tier = TierVault }, "dataStoreType"},
		"copy from the vault":     {func(p *Policy) { p.Rules[1].Retention.Lifecycles[1].Copies = []Copy{{Target: TierVault}} }, "targetDataStoreCopySettings"},
		"two lifecycles alike":    {func(p *Policy) { l := &p.Rules[2].Retention.Lifecycles; *l = append(*l, (*l)[0]) }, "sourceDataStore"},
		"no lifecycle":            {func(p *Policy) { p.Rules[1].Retention.Lifecycles = nil }, "lifecycles"},
		"default in vault only":   {func(p *Policy) { p.Rules[2].Retention.Lifecycles[0].Source = TierVault }, "lifecycles"},
		"archive":                 {func(p *Policy) { p.Rules[1].Retention.Lifecycles[1].Source = TierArchive }, "dataStoreType"},
		"short name":              {func(p *Policy) { p.ID = "/x/ab" }, "name"},
		"name with a dot":         {func(p *Policy) { p.ID = "/x/a.b.c" }, "name"},
		"long name":               {func(p *Policy) { p.ID = "/x/" + strings.Repeat("a", 151) }, "name"},
	} {
		policy := goodPolicy()
		c.change(policy)
		checkProblem(t, name, policy.Check(), CodeInvalidInput, c.target)
	}
}

// checkProblem compares a problem with what is wanted: none when target is empty.
func checkProblem(t *testing.T, name string, got *Problem, code Code, target string) {
	t.Helper()
	switch {
	case target == "" && got != nil:
		t.Errorf("%s: %v", name, got)
	case target != "" && got == nil:
		t.Errorf("%s: was accepted", name)
	case target != "" && (got.Code != code || !strings.HasSuffix(got.Target, target)):
		t.Errorf("%s: %s at %s (%s), want %s at ...%s", name, got.Code, got.Target, got.Message, code, target)
	case got != nil && len(got.Actions) == 0:
		t.Errorf("%s: nobody is told what to do about %v", name, got)
	}
}

func TestPresetPolicies(t *testing.T) {
	recovery := goodPolicy() // a vault rule of its own, without a copy setting
	recovery.Rules[0].Backup.Tags[0].Name, recovery.Rules[1].Name = "Vault", "Vault"
	recovery.Rules[1].Retention.Lifecycles = []Lifecycle{{Source: TierVault, DeleteAfter: "P90D"}}
	if p := recovery.Check(); p != nil {
		t.Error(p)
	}
	if !recovery.UsesVaultTier() {
		t.Error("the vault tier was overlooked")
	}
	plain := goodPolicy()
	plain.Rules[1].Retention.Lifecycles = plain.Rules[2].Retention.Lifecycles
	if plain.UsesVaultTier() {
		t.Error("a vault tier was seen where there is none")
	}
}

func TestPolicyChoose(t *testing.T) {
	p := goodPolicy()
	for _, c := range []struct{ rule, override, wantTag string }{
		{"BackupHourly", "", ""}, {"backuphourly", "daily", "Daily"}, {"BackupHourly", "Default_", "Default"},
	} {
		rule, tag, problem := p.Choose(c.rule, c.override)
		if problem != nil || rule != "BackupHourly" || tag != c.wantTag {
			t.Errorf("Choose(%q, %q) = %q, %q, %v", c.rule, c.override, rule, tag, problem)
		}
	}
	for _, c := range [][2]string{{"Daily", ""}, {"Nightly", ""}, {"BackupHourly", "Yearly"}} {
		if _, _, problem := p.Choose(c[0], c[1]); problem == nil {
			t.Errorf("Choose(%q, %q) was accepted", c[0], c[1])
		}
	}
}

func TestSameRules(t *testing.T) {
	a, b := goodPolicy(), goodPolicy()
	b.Tags = map[string]string{"a": "b"}
	if !a.SameRules(b) {
		t.Error("tags are no rules")
	}
	b.Rules[2].Retention.Lifecycles[0].DeleteAfter = "P8D"
	if a.SameRules(b) {
		t.Error("a longer retention was overlooked")
	}
}
