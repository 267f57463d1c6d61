package backup

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPolicyRulesHaveRemedies(t *testing.T) {
	intervals := func(texts ...string) func(*Policy) {
		return func(p *Policy) { p.Rules[0].Backup.Intervals = texts }
	}
	zone := func(name string) func(*Policy) {
		return func(p *Policy) { p.Rules[0].Backup.TimeZone = &name }
	}
	stay := func(rule, lifecycle int, duration string) func(*Policy) {
		return func(p *Policy) { p.Rules[rule].Retention.Lifecycles[lifecycle].DeleteAfter = duration }
	}
	copies := func(all ...Copy) func(*Policy) {
		return func(p *Policy) { p.Rules[1].Retention.Lifecycles[0].Copies = all }
	}
	criteria := func(c Criteria) func(*Policy) {
		return func(p *Policy) { p.Rules[0].Backup.Tags[0].Criteria = []Criteria{c} }
	}
	atOnce := Copy{Target: TierVault, Option: "ImmediateCopyOption"}
	for name, c := range map[string]struct {
		change func(*Policy)
		target string // of the problem, its end; empty means that the policy is fine
		remedy string // is part of what is recommended
	}{
		"a day in hours":          {intervals("R/2023-01-04T09:00:00Z/PT24H"), "", ""},
		"a week in days":          {intervals("R/2023-01-04T09:00:00Z/P7D"), "", ""},
		"every two days":          {intervals("R/2023-01-04T09:00:00Z/P2D"), "repeatingTimeIntervals", "P1D"},
		"every 5 hours":           {intervals("R/2023-01-04T09:00:00Z/PT5H"), "repeatingTimeIntervals", "PT4H"},
		"every month":             {intervals("R/2023-01-04T09:00:00Z/P1M"), "repeatingTimeIntervals", "P1W"},
		"240 minutes":             {intervals("R/2023-01-04T09:00:00Z/PT240M"), "", ""},
		"begins in a far year":    {intervals("R/9999-12-31T23:00:00Z/P1D"), "repeatingTimeIntervals", "day of the first backup"},
		"no start":                {intervals("R/PT4H"), "repeatingTimeIntervals", "R/<start>"},
		"start without a zone":    {intervals("R/2023-01-04T09:00:00/P1D"), "", ""},
		"weekly on two days":      {intervals("R/2023-01-04T09:00:00Z/P1W", "R/2023-01-06T09:00:00Z/P1W"), "", ""},
		"twice a day":             {intervals("R/2023-01-04T09:00:00Z/P1D", "R/2023-01-04T21:00:00Z/P1D"), "", ""},
		"too close":               {intervals("R/2023-01-04T09:00:00Z/P1D", "R/2023-01-04T12:00:00Z/P1W"), "policyRules", "4 hours apart"},
		"close around midnight":   {intervals("R/2023-01-07T23:00:00Z/P1W", "R/2023-01-01T01:00:00Z/P1W"), "policyRules", "4 hours apart"},
		"the same twice":          {intervals("R/2023-01-04T09:00:00Z/P1D", "R/2023-01-04T09:00:00Z/P1D"), "policyRules", "4 hours apart"},
		"Windows zone":            {zone("W. Europe Standard Time"), "", ""},
		"IANA zone":               {zone("Europe/Berlin"), "", ""},
		"the zone of the CLI":     {zone("Coordinated Universal Time"), "", ""},
		"an empty zone":           {zone(""), "", ""},
		"an unknown zone":         {zone("Middle Earth Standard Time"), "trigger.schedule.timeZone", "name in Windows"},
		"less than a day":         {stay(2, 0, "PT12H"), "deleteAfter.duration", "P1D"},
		"a day":                   {stay(2, 0, "P1D"), "", ""},
		"a century in the vault":  {stay(1, 1, "P100Y"), "deleteAfter.duration", "P99Y"},
		"99 years in the vault":   {stay(1, 1, "P99Y"), "", ""},
		"too long in operational": {stay(1, 0, "P13M"), "deleteAfter.duration", "VaultStore"},
		"eleven months":           {stay(1, 0, "P11M"), "", ""},
		"a year in months":        {stay(1, 0, "P12M"), "deleteAfter.duration", "P360D"},
		"a year in the vault":     {stay(1, 1, "P12M"), "", ""},
		"thousands of intervals":  {intervals(slices.Repeat([]string{"R/2023-01-04T09:00:00Z/P1W"}, 1000)...), "policyRules", "4 hours apart"},
		"a long name":             {func(p *Policy) { p.Rules[0].Name = strings.Repeat("x", 64<<10) }, "policyRules", "several policies"},
		"times without end":       {criteria(Criteria{Times: slices.Repeat([]string{"2023-01-04T09:00:00Z"}, 3000)}), "policyRules", "several policies"},
		"copied when it expires":  {copies(Copy{Target: TierVault, Option: "CopyOnExpiryOption"}), "", ""},
		"copied after three days": {copies(Copy{Target: TierVault, Option: "CustomCopyOption", After: "P3D"}), "", ""},
		"copied too late":         {copies(Copy{Target: TierVault, Option: "CustomCopyOption", After: "P7D"}), "copyAfter.duration", "CopyOnExpiryOption"},
		"copied some time":        {copies(Copy{Target: TierVault, Option: "CustomCopyOption"}), "copyAfter.duration", "P3D"},
		"copied twice":            {copies(atOnce, atOnce), "targetDataStoreCopySettings", "one copy setting"},
		"copied into the archive": {copies(Copy{Target: TierArchive, Option: "ImmediateCopyOption"}), "targetDataStoreCopySettings", "VaultStore"},
		"by calendar":             {criteria(Criteria{DaysOfWeek: []string{"Sunday"}, WeeksOfMonth: []string{"Last"}, Months: []string{"january"}, Times: []string{"2023-01-04T09:00:00Z"}}), "", ""},
		"on the last day":         {criteria(Criteria{DaysOfMonth: []DayOfMonth{{Date: 31}, {IsLast: true}}}), "", ""},
		"on the 32nd":             {criteria(Criteria{DaysOfMonth: []DayOfMonth{{Date: 32}}}), "taggingCriteria", "1 to 31"},
		"on Caturday":             {criteria(Criteria{DaysOfWeek: []string{"Caturday"}}), "taggingCriteria", "Sunday"},
		"of nothing":              {criteria(Criteria{DaysOfWeek: []string{}}), "taggingCriteria", "FirstOfDay"},
		"at noon":                 {criteria(Criteria{Times: []string{"noon"}}), "taggingCriteria", "2023-01-04T09:00:00Z"},
		"default tag with a rule": {func(p *Policy) { p.Rules[0].Backup.Tags[0].IsDefault = true }, "taggingCriteria", "Default alone"},
		"same priority":           {func(p *Policy) { p.Rules[0].Backup.Tags[0].Priority = 99 }, "taggingCriteria", "priority of its own"},
	} {
		policy := goodPolicy()
		c.change(policy)
		problem := policy.Check()
		checkProblem(t, name, problem, CodeInvalidInput, c.target)
		if problem != nil && !strings.Contains(strings.Join(problem.Actions, " "), c.remedy) {
			t.Errorf("%s: %v is recommended, want %q", name, problem.Actions, c.remedy)
		}
	}
}

// Rules of several time zones are compared by the moments that their clocks mean, in
// summer and in winter.
func TestBackupsOfSeveralZonesAreApart(t *testing.T) {
	for name, c := range map[string]struct {
		zone, interval string
		apart          bool
	}{
		"the same time far away":         {"New Zealand Standard Time", "R/2023-01-04T09:00:00/P1D", true},
		"the same moment":                {"W. Europe Standard Time", "R/2023-01-04T10:00:00/P1D", false},
		"apart by the clocks alone":      {"W. Europe Standard Time", "R/2023-01-04T13:30:00/P1D", false},
		"apart in winter alone":          {"W. Europe Standard Time", "R/2023-01-04T14:30:00/P1D", false},
		"apart in summer alone":          {"W. Europe Standard Time", "R/2023-01-04T06:30:00/P1D", false},
		"apart":                          {"W. Europe Standard Time", "R/2023-01-04T15:00:00/P1D", true},
		"apart over the end of the week": {"Samoa Standard Time", "R/2023-01-07T02:30:00/P1W", true},
	} {
		p := goodPolicy()
		p.Rules[0].Backup.Intervals = []string{"R/2023-01-04T09:00:00Z/P1D"}
		other := *p.Rules[0].Backup
		other.TimeZone, other.Intervals = &c.zone, []string{c.interval}
		p.Rules = append(p.Rules, Rule{Name: "BackupElsewhere", Backup: &other})
		if problem := p.Check(); (problem == nil) != c.apart {
			t.Errorf("%s: %v", name, problem)
		}
	}
}

func TestCalendar(t *testing.T) {
	policy := goodPolicy()
	zone := "W. Europe Standard Time"
	for text, want := range map[string][]string{
		"R/2023-01-04T09:00:00+00:00/PT4H": {"2026-11-22T13:00:00Z", "2026-11-22T17:00:00Z"},
		"R/2023-01-04T09:00:00+02:00/P1D":  {"2026-11-23T07:00:00Z", "2026-11-24T07:00:00Z"},
		"R/2023-01-04T09:00:00/P1D":        {"2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z"}, // by the clock of the zone
		"R/2023-01-04T23:30:00Z/P1W":       {"2026-11-25T23:30:00Z", "2026-12-02T23:30:00Z"}, // Thursdays there
		"R3/2026-12-24T18:00:00.5Z/PT12H":  {"2026-12-24T18:00:00Z", "2026-12-25T06:00:00Z"}, // not before its start, and for ever
	} {
		policy.Rules[0].Backup.Intervals, policy.Rules[0].Backup.TimeZone = []string{text}, &zone
		calendar, err := policy.Calendar()
		if err != nil || len(calendar) != 1 || calendar[0].Name != "BackupHourly" {
			t.Fatalf("%s: %v, %v", text, calendar, err)
		}
		after := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		var got []string
		for due := range calendar[0].Due(after, after.AddDate(0, 3, 0)) {
			if got = append(got, due.UTC().Format(time.RFC3339)); len(got) == len(want) {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: due %v, want %v", text, got, want)
		}
	}
}

// A start by the clocks of a zone says the time of day and the day of the week, also
// where the clocks are changed at that time.
func TestStartWhereClocksAreChanged(t *testing.T) {
	for _, c := range []struct{ text, zone, after, want string }{
		{"R/2026-03-29T02:30:00/P1D", "Europe/Berlin", "2026-03-29", "03-29 03:00 CEST, 03-30 02:30 CEST"},
		{"R/2026-03-29T02:30:00/PT12H", "Europe/Berlin", "2026-03-29", "03-29 03:00 CEST, 03-29 14:30 CEST"},
		{"R/2026-03-08T02:30:00/P1W", "America/New_York", "2026-03-08", "03-08 03:00 EDT, 03-15 02:30 EDT"},
		{"R/2026-10-25T02:30:00/P1W", "Europe/Berlin", "2026-10-20", "10-25 02:30 CEST, 11-01 02:30 CET"},
		{"R/2026-11-01T01:30:00/P1D", "America/New_York", "2026-10-30", "11-01 01:30 EDT, 11-02 01:30 EST"},
		{"R/2011-12-30T09:00:00/P1W", "Pacific/Apia", "2012-01-01", "01-06 09:00 +14, 01-13 09:00 +14"}, // a Friday that there was not
		{"R/2026-12-31T23:30:00/P1W", "Asia/Tokyo", "2026-12-25", "12-31 23:30 JST, 01-07 23:30 JST"},
	} {
		schedule, err := BackupRule{Intervals: []string{c.text}, TimeZone: &c.zone}.Schedule()
		if err != nil {
			t.Fatal(err)
		}
		due, err := time.ParseInLocation(time.DateOnly, c.after, schedule.Zone)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range 2 {
			due = schedule.Next(due)
			got = append(got, due.In(schedule.Zone).Format("01-02 15:04 MST"))
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%s in %s: due %s, want %s", c.text, c.zone, got, c.want)
		}
	}
}

// What passes the check has a calendar in which backups are due for ever.
func FuzzPolicySchedule(f *testing.F) {
	f.Add("R/2023-01-04T09:00:00+00:00/PT4H", "W. Europe Standard Time")
	f.Add("R/2021-05-02T05:30/P1W", "")
	f.Fuzz(func(t *testing.T, interval, zone string) {
		policy := goodPolicy()
		policy.Rules[0].Backup.Intervals, policy.Rules[0].Backup.TimeZone = []string{interval}, &zone
		if policy.Check() != nil {
			t.Skip()
		}
		calendar, err := policy.Calendar()
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		if err != nil || !calendar.After(now, "key", 2*time.Hour).Due.After(now) {
			t.Errorf("%q in %q: %v, %v", interval, zone, calendar, err)
		}
	})
}
