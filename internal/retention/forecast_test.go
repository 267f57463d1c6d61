package retention_test

import (
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/retention"
)

var update = flag.Bool("update", false, "write the golden files anew")

// every returns the moments from one on, so many hours apart, before another.
func every(hours int, p *backup.Policy, from, until time.Time) iter.Seq2[time.Time, *backup.BackupRule] {
	return func(yield func(time.Time, *backup.BackupRule) bool) {
		for at := from; at.Before(until); at = at.Add(time.Duration(hours) * time.Hour) {
			if !yield(at, p.Rules[0].Backup) {
				return
			}
		}
	}
}

func play(t testing.TB, p *backup.Policy, hours int, from, until time.Time) *retention.Forecast {
	t.Helper()
	f, err := retention.Play(p, every(hours, p, from, until), until)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func dailyToVault() *backup.Policy {
	return policy([]backup.TaggingRule{presets[0], {Name: "Vault", Priority: 50, Criteria: presets[1].Criteria}},
		rule("Default", here("P7D", "", "")), rule("Vault", vault("P90D")))
}

func grandfather() *backup.Policy {
	return policy(presets, rule("Default", here("P7D", "", "")), rule("Daily", here("P7D", "ImmediateCopyOption", ""), vault("P30D")),
		rule("Weekly", here("P7D", "ImmediateCopyOption", ""), vault("P12W")), rule("Monthly", here("P30D", "ImmediateCopyOption", ""), vault("P12M")),
		rule("Yearly", here("P30D", "ImmediateCopyOption", ""), vault("P10Y")))
}

// The presets and what else people have, as they stand after two years.
func TestForecastOfPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		policy *backup.Policy
		hours  int
	}{
		"week":             {policy(presets[:1], rule("Default", here("P7D", "", ""))), 4},
		"month":            {policy(presets[:1], rule("Default", here("P30D", "", ""))), 24},
		"disasterrecovery": {dailyToVault(), 4},
		"custom":           {grandfather(), 6},
		"onexpiry": {policy(presets[:2], rule("Default", here("P2D", "", "")),
			rule("Daily", here("P7D", "CopyOnExpiryOption", ""), vault("P14D"))), 12},
	} {
		t.Run(name, func(t *testing.T) {
			end := day(730)
			got := describe(play(t, c.policy, c.hours, epoch, end), end)
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s is not what is played (-update writes it anew):\n%s", file, got)
			}
		})
	}
}

// describe lists everything that is there, for people to check by hand.
func describe(f *retention.Forecast, at time.Time) string {
	var b strings.Builder
	for _, tier := range []backup.Tier{backup.TierOperational, backup.TierVault} {
		most, when := f.Peak(tier)
		fmt.Fprintf(&b, "%s: at most %d at once, first on %s\n", tier, most, date(when))
	}
	fmt.Fprintf(&b, "on %s:\n", date(at))
	for _, l := range f.At(at) {
		fmt.Fprintf(&b, "%s %-8s", l.Taken.Format("Mon 2006-01-02 15:04"), l.Tag)
		for _, s := range l.Stays {
			fmt.Fprintf(&b, " %c until %s", s.Tier[0], date(s.Expires))
			if s.Reason != retention.Running {
				fmt.Fprintf(&b, ", but %s", s.Reason)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func date(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format("2006-01-02 15:04")
}

// FAQ: "In the Vault Tier, only one backup per day can be stored."
func TestFAQOneScheduledBackupPerDayGoesToTheVault(t *testing.T) {
	for _, c := range [][2]string{{"ImmediateCopyOption", ""}, {"CopyOnExpiryOption", ""}, {"CustomCopyOption", "P3D"}} {
		everything := policy(presets[:1], rule("Default", here("P7D", c[0], c[1]), vault("P30D")))
		perDay := map[string]int{}
		for _, l := range play(t, everything, 4, epoch, day(30)).Lives {
			if slices.ContainsFunc(l.Stays, func(s retention.Sojourn) bool { return s.Tier == backup.TierVault }) {
				perDay[l.Taken.Format(time.DateOnly)]++
				if l.Taken.Hour() != 0 {
					t.Errorf("%s: not the first of its day but the one of %s", c[0], l.Taken)
				}
			}
		}
		for d, n := range perDay {
			if n != 1 {
				t.Errorf("%s: %d on %s", c[0], n, d)
			}
		}
		if len(perDay) < 23 {
			t.Errorf("%s: %d days of 30", c[0], len(perDay))
		}
	}
}

// FAQ: "You can configure rules to move the first successful backup of the day,
// week, month, or year into the Vault Tier."
func TestFAQFirstOfDayWeekMonthAndYearGoToTheVault(t *testing.T) {
	for tag, want := range map[string]int{"Daily": 365, "Weekly": 53, "Monthly": 12, "Yearly": 1} {
		i := slices.IndexFunc(presets, func(r backup.TaggingRule) bool { return r.Name == tag })
		p := policy([]backup.TaggingRule{presets[0], presets[i]}, rule("Default", here("P7D", "", "")), rule(tag, here("P7D", "ImmediateCopyOption", ""), vault("P20Y")))
		vaulted := 0
		for _, l := range play(t, p, 4, epoch, day(365)).Lives {
			if len(l.Stays) == 2 {
				vaulted++
			}
		}
		if vaulted != want {
			t.Errorf("%s: %d in the vault after a year, want %d", tag, vaulted, want)
		}
	}
}

// FAQ: the operational tier "is used for short-term retention of backups", the
// vault tier "for long-term retention".
func TestFAQOperationalIsShortTermAndVaultLongTerm(t *testing.T) {
	f := play(t, grandfather(), 4, epoch, day(1500))
	for _, l := range f.At(day(1500)) {
		for _, s := range l.Stays {
			if s.Tier == backup.TierOperational && day(1500).Sub(l.Taken) > 30*24*time.Hour {
				t.Errorf("%s is in the operational tier still", l.Taken)
			}
		}
	}
	yearly := 0
	for _, l := range f.At(day(1500)) {
		if l.Tag == "Yearly" {
			yearly++
		}
	}
	if yearly != 5 {
		t.Errorf("%d yearly points after four years", yearly)
	}
}

// FAQ: "retains it according to the specified retention duration".
func TestFAQEachTagIsKeptForItsOwnDuration(t *testing.T) {
	want := map[string]time.Duration{"Daily": 30 * 24 * time.Hour, "Weekly": 84 * 24 * time.Hour}
	for _, l := range play(t, grandfather(), 4, epoch, day(400)).Lives {
		for _, s := range l.Stays {
			if stay, ok := want[l.Tag]; ok && s.Tier == backup.TierVault && !s.Deleted.IsZero() && s.Deleted.Sub(l.Taken) != stay {
				t.Errorf("%s of %s went after %s, not %s", l.Tag, l.Taken, s.Deleted.Sub(l.Taken), stay)
			}
		}
	}
}

// What has a copy in the vault only once it expires is never in neither tier.
func TestCopyOnExpiryLeavesNoGap(t *testing.T) {
	p := policy(presets[:2], rule("Default", here("P2D", "", "")), rule("Daily", here("P7D", "CopyOnExpiryOption", ""), vault("P5D")))
	for _, l := range play(t, p, 12, epoch, day(60)).Lives {
		if l.Tag != "Daily" || l.Taken.After(day(40)) {
			continue
		}
		if len(l.Stays) != 2 || l.Stays[0].Deleted.Before(l.Stays[1].From) {
			t.Errorf("%s: %+v", l.Taken, l.Stays)
		}
	}
}

func TestForecastNeedsAGoodPolicy(t *testing.T) {
	bad := policy([]backup.TaggingRule{{Name: "T", Criteria: []backup.Criteria{{Months: []string{"x"}}}}}, rule("Default", here("P7D", "", "")))
	ruleless := policy(presets[:1])
	for _, p := range []*backup.Policy{bad, ruleless} {
		if f, err := retention.Play(p, every(4, p, epoch, day(2)), day(2)); err == nil {
			t.Errorf("played %+v", f)
		}
	}
}
