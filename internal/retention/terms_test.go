package retention_test

import (
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/retention"
)

func rule(name string, lifecycles ...backup.Lifecycle) backup.Rule {
	return backup.Rule{Name: name, Retention: &backup.RetentionRule{IsDefault: name == "Default", Lifecycles: lifecycles}}
}

// here is a stay in the operational tier, with the option of its copy to the vault.
func here(period, option, after string) backup.Lifecycle {
	l := backup.Lifecycle{Source: backup.TierOperational, DeleteAfter: period}
	if option != "" {
		l.Copies = []backup.Copy{{Target: backup.TierVault, Option: option, After: after}}
	}
	return l
}

func vault(period string) backup.Lifecycle {
	return backup.Lifecycle{Source: backup.TierVault, DeleteAfter: period}
}

func policy(tags []backup.TaggingRule, rules ...backup.Rule) *backup.Policy {
	p := &backup.Policy{Meta: backup.Meta{ID: "/vault/backupPolicies/p"}}
	p.Rules = append(p.Rules, backup.Rule{Name: "BackupHourly", Backup: &backup.BackupRule{
		BackupType: "Incremental", Tier: backup.TierOperational, Intervals: []string{"R/2026-01-01T00:00:00+00:00/PT4H"}, Tags: tags}})
	p.Rules = append(p.Rules, rules...)
	return p
}

func terms(t testing.TB, p *backup.Policy, tag string) retention.Terms {
	t.Helper()
	got, err := retention.TermsOf(p, tag)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// FAQ: "The default rule is to use the Operational Tier for backup. You can add
// more rules to backup data in the Vault Tier along with Operational tier."
func TestFAQDefaultRuleIsOperationalAndOthersAddTheVault(t *testing.T) {
	// The shape of the DisasterRecovery preset: a rule for the vault alone.
	p := policy(nil, rule("Default", here("P7D", "", "")), rule("Vault", vault("P90D")))
	if got := terms(t, p, "Default"); got.Operational.Text != "P7D" || got.Vault != nil {
		t.Errorf("Default: %+v", got)
	}
	got := terms(t, p, "Vault")
	if got.Operational.Text != "P7D" || got.Vault == nil || !got.Vault.AtOnce || got.Vault.Stay.Text != "P90D" {
		t.Errorf("Vault: %+v %+v", got, got.Vault)
	}
}

func TestTermsOfCopies(t *testing.T) {
	taken := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	p := policy(nil, rule("Default", here("P7D", "CopyOnExpiryOption", ""), vault("P30D")),
		rule("Custom", here("P14D", "CustomCopyOption", "P3D"), vault("P1Y")),
		rule("Now", here("P5D", "ImmediateCopyOption", "")))
	for tag, want := range map[string]struct {
		due, here, vault time.Time
	}{
		"Default": {taken.AddDate(0, 0, 7), taken.AddDate(0, 0, 7), taken.AddDate(0, 0, 30)},
		"Custom":  {taken.AddDate(0, 0, 3), taken.AddDate(0, 0, 14), taken.AddDate(1, 0, 0)},
		"Now":     {time.Time{}, taken.AddDate(0, 0, 5), taken.AddDate(0, 0, 30)}, // the vault as the default has it
		"unknown": {taken.AddDate(0, 0, 7), taken.AddDate(0, 0, 7), taken.AddDate(0, 0, 30)},
	} {
		got := terms(t, p, tag)
		if !got.Due(taken).Equal(want.due) || !got.Operational.Until(taken).Equal(want.here) || !got.Vault.Stay.Until(taken).Equal(want.vault) {
			t.Errorf("%s: %+v %+v", tag, got, got.Vault)
		}
	}
}

func TestTermsOfABrokenPolicy(t *testing.T) {
	for name, p := range map[string]*backup.Policy{
		"no rules":  policy(nil),
		"no period": policy(nil, rule("Default", here("soon", "", ""))),
		"no vault":  policy(nil, rule("Default", here("P7D", "", ""), vault("later"))),
		"no delay":  policy(nil, rule("Default", here("P7D", "CustomCopyOption", "x"), vault("P7D"))),
	} {
		if got, err := retention.TermsOf(p, "Default"); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
