package backup

import (
	"strings"
	"testing"
	"time"
)

// dueIn counts when a policy of these intervals is due within a time from noon on.
func dueIn(t *testing.T, within time.Duration, intervals ...string) (count int) {
	t.Helper()
	p := goodPolicy()
	p.Rules[0].Backup.Intervals = intervals
	if problem := p.Check(); problem != nil {
		t.Fatal(problem)
	}
	calendar, err := p.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for range calendar[0].Due(from, from.Add(within)) {
		count++
	}
	return count
}

// FAQ: "The backup frequency is defined in the backup policy." Each that can be
// chosen is how often backups are due.
func TestFAQFrequencyIsDefinedInThePolicy(t *testing.T) {
	for every, perWeek := range map[string]int{"PT4H": 42, "PT6H": 28, "PT8H": 21, "PT12H": 14, "P1D": 7, "P1W": 1} {
		if got := dueIn(t, 7*24*time.Hour, "R/2023-01-04T09:00:00+00:00/"+every); got != perWeek {
			t.Errorf("%s is due %d times a week, want %d", every, got, perWeek)
		}
	}
}

// FAQ: "In the Operational Tier, backups can be taken as frequently as every 4
// hours": that often, and no more often, however it is written.
func TestFAQBackupsAsOftenAsEveryFourHours(t *testing.T) {
	if got := dueIn(t, 24*time.Hour, "R/2023-01-04T09:00:00+00:00/PT4H"); got != 6 {
		t.Errorf("due %d times a day, want 6", got)
	}
	for _, intervals := range [][]string{
		{"R/2023-01-04T09:00:00Z/PT3H"}, {"R/2023-01-04T09:00:00Z/PT239M"}, {"R/2023-01-04T09:00:00Z/PT1H"},
		{"R/2023-01-04T09:00:00Z/PT4H", "R/2023-01-04T11:00:00Z/PT4H"}, {"R/2023-01-04T09:00:00Z/P1D", "R/2023-01-04T12:59:00Z/P1D"},
	} {
		p := goodPolicy()
		p.Rules[0].Backup.Intervals = intervals
		if problem := p.Check(); problem == nil || !strings.Contains(strings.Join(problem.Actions, " "), "4") {
			t.Errorf("%v: %v", intervals, problem)
		}
	}
}

// FAQ: "You can define the backup storage tier when you create a backup policy."
// What a backup goes to is the lifecycles of its rule, and nothing else.
func TestFAQTierIsDefinedInThePolicy(t *testing.T) {
	p := goodPolicy()
	for tag, vault := range map[string]bool{"Daily": true, "Default": false} {
		rule, _ := p.RetentionOf(tag)
		if d := p.VaultOnDemand(rule); d.Copy != vault || d.Reason == "" {
			t.Errorf("%s: %+v", tag, d)
		}
		if _, operational := rule.Retention.In(TierOperational); !operational {
			t.Errorf("%s is not in the operational tier", tag)
		}
	}
	p.Rules[1].Retention.Lifecycles = []Lifecycle{{Source: TierOperational, DeleteAfter: "P7D"}}
	if p.UsesVaultTier() {
		t.Error("the vault tier is used without a rule for it")
	}
}

// FAQ: the operational tier is for "short-term retention", the vault "allows you to
// retain backups for extended periods": 360 days here, 99 years there.
func TestFAQVaultRetainsForExtendedPeriods(t *testing.T) {
	for lifecycle, c := range []struct{ longest, longer string }{{"P360D", "P361D"}, {"P99Y", "P100Y"}} {
		p := goodPolicy()
		p.Rules[1].Retention.Lifecycles[lifecycle].DeleteAfter = c.longest
		if problem := p.Check(); problem != nil {
			t.Errorf("%s: %v", c.longest, problem)
		}
		p.Rules[1].Retention.Lifecycles[lifecycle].DeleteAfter = c.longer
		if problem := p.Check(); problem == nil {
			t.Errorf("%s is allowed", c.longer)
		}
	}
}

// FAQ: "it can take upto 12 hours for it to be replicated in the secondary region."
// What takes longer is late; the wait counts from the copy in the vault.
func TestFAQReplicationOfMoreThanTwelveHoursIsLate(t *testing.T) {
	vaulted := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	sum, ok := SumReplicas([]Replica{{Meta: Meta{ID: "/b"}, Region: "west", Time: vaulted.Add(-time.Hour), Due: vaulted},
		{Meta: Meta{ID: "/a"}, Region: "west", Time: vaulted.Add(-25 * time.Hour), Due: vaulted.Add(-24 * time.Hour), Done: vaulted.Add(-14 * time.Hour)}})
	if !ok || sum.Late(vaulted.Add(12*time.Hour)) || !sum.Late(vaulted.Add(12*time.Hour+time.Second)) {
		t.Errorf("%+v is late, or is not", sum)
	}
	if sum.Lag != 10*time.Hour || sum.Newest != "a" {
		t.Errorf("%+v", sum)
	}
	done, _ := SumReplicas([]Replica{{Meta: Meta{ID: "/b"}, Due: vaulted, Done: vaulted.Add(20 * time.Hour)}})
	if done.Late(vaulted.Add(30*time.Hour)) || done.Lag != 20*time.Hour {
		t.Errorf("what has arrived is not on its way: %+v", done)
	}
}
