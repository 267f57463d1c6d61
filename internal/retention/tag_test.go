package retention_test

import (
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/retention"
)

// presets are the tags that people know, with the priorities of the presets.
var presets = []backup.TaggingRule{
	{Name: "Default", IsDefault: true, Priority: 99},
	{Name: "Daily", Priority: 25, Criteria: []backup.Criteria{{Absolute: []string{"FirstOfDay"}}}},
	{Name: "Weekly", Priority: 20, Criteria: []backup.Criteria{{Absolute: []string{"FirstOfWeek"}}}},
	{Name: "Monthly", Priority: 15, Criteria: []backup.Criteria{{Absolute: []string{"FirstOfMonth"}}}},
	{Name: "Yearly", Priority: 10, Criteria: []backup.Criteria{{Absolute: []string{"FirstOfYear"}}}},
}

func tags(t testing.TB, rules []backup.TaggingRule, zone *time.Location) []retention.Tag {
	t.Helper()
	out, err := retention.Tags(&backup.BackupRule{Tags: rules}, zone)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func at(t testing.TB, text string, zone *time.Location) time.Time {
	t.Helper()
	m, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// tagAll tags successful backups one after the other.
func tagAll(t testing.TB, rules []backup.TaggingRule, zone *time.Location, moments ...string) []string {
	t.Helper()
	parsed := tags(t, rules, zone)
	var earlier []time.Time
	var out []string
	for _, m := range moments {
		when := at(t, m, zone)
		out = append(out, retention.Choose(parsed, when, earlier, zone).Tag)
		earlier = append(earlier, when)
	}
	return out
}

func expectTags(t *testing.T, got []string, want string) {
	t.Helper()
	if strings.Join(got, " ") != want {
		t.Errorf("tags %v, want %s", got, want)
	}
}

// 2026-11-22 is a Sunday.

// FAQ: "Week: Sunday is considered the start of the week".
func TestFAQWeekStartsOnSunday(t *testing.T) {
	got := tagAll(t, presets, time.UTC, "2026-11-20 12:00", "2026-11-21 23:00", "2026-11-22 00:00", "2026-11-22 04:00", "2026-11-28 23:59", "2026-11-29 03:00")
	expectTags(t, got, "Yearly Daily Weekly Default Daily Weekly")
}

// FAQ: "Month: The first day of the month".
func TestFAQMonthStartsOnItsFirstDay(t *testing.T) {
	got := tagAll(t, presets, time.UTC, "2026-10-30 01:00", "2026-10-31 23:00", "2026-11-01 00:00", "2026-11-01 04:00", "2026-12-01 08:00")
	expectTags(t, got, "Yearly Daily Monthly Default Monthly")
}

// FAQ: "Year: January 1".
func TestFAQYearStartsOnJanuaryFirst(t *testing.T) {
	got := tagAll(t, presets, time.UTC, "2026-12-31 20:00", "2027-01-01 00:00", "2027-01-01 04:00", "2027-02-01 04:00")
	expectTags(t, got, "Yearly Yearly Default Monthly")
}

// FAQ: "This behavior isn't based on the date the policy was created or enabled."
func TestFAQFirstIsNotCountedFromTheDateOfThePolicy(t *testing.T) {
	// Enabled on a Wednesday: the next week begins on Sunday, not on Wednesday.
	weekly := []backup.TaggingRule{presets[0], presets[2]}
	got := tagAll(t, weekly, time.UTC, "2026-11-25 12:00", "2026-11-26 12:00", "2026-11-29 12:00", "2026-12-02 12:00")
	expectTags(t, got, "Weekly Default Weekly Default")
}

// FAQ: "selects the first successful backup of every week, month, or year": when
// the first ones failed, the next that succeeds is the first.
func TestFAQFirstSuccessfulBackupIsSelected(t *testing.T) {
	// Nothing succeeded from Sunday to Tuesday, nor on the first of December.
	got := tagAll(t, presets, time.UTC, "2026-11-21 20:00", "2026-11-25 16:00", "2026-11-25 20:00", "2026-12-02 04:00")
	expectTags(t, got, "Yearly Weekly Default Monthly")
}

func TestTheDayIsThatOfTheZone(t *testing.T) {
	tokyo := time.FixedZone("Tokyo", 9*3600)
	daily := []backup.TaggingRule{presets[0], presets[1]}
	parsed := tags(t, daily, tokyo)
	evening := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC) // the 23rd, 01:00 in Tokyo
	noon := evening.Add(-4 * time.Hour)
	if got := retention.Choose(parsed, evening, []time.Time{noon}, tokyo); got.Tag != "Daily" || !strings.Contains(got.Reason, "2026-11-23 (Tokyo)") {
		t.Errorf("got %+v", got)
	}
	if got := retention.Choose(parsed, evening, []time.Time{noon}, time.UTC); got.Tag != "Default" {
		t.Errorf("got %+v", got)
	}
}

// Days with 23 and 25 hours have one first backup.
func TestDaysOfDaylightSavingChanges(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	parsed := tags(t, []backup.TaggingRule{presets[0], presets[1]}, berlin)
	for _, day := range []time.Time{time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)} {
		var earlier []time.Time
		daily := 0
		for when := day; when.Day() == day.Day(); when = when.Add(time.Hour) {
			if retention.Choose(parsed, when, earlier, berlin).Tag == "Daily" {
				daily++
			}
			earlier = append(earlier, when)
		}
		if daily != 1 || len(earlier) == 24 {
			t.Errorf("%d first backups in the %d hours of %s", daily, len(earlier), day)
		}
	}
}

func TestCriteriaByCalendar(t *testing.T) {
	for name, c := range map[string]struct {
		criteria []backup.Criteria
		yes, no  []string
	}{
		"every backup": {[]backup.Criteria{{Absolute: []string{"AllBackup"}}}, []string{"2026-11-22 00:00", "2026-11-23 12:00"}, nil},
		"days of week": {[]backup.Criteria{{DaysOfWeek: []string{"Sunday", "tuesday"}}},
			[]string{"2026-11-22 00:00", "2026-11-22 23:59", "2026-11-24 12:00"}, []string{"2026-11-23 12:00"}},
		"days of month": {[]backup.Criteria{{DaysOfMonth: []backup.DayOfMonth{{Date: 15}, {IsLast: true}}}},
			[]string{"2026-11-15 12:00", "2026-11-30 12:00", "2027-02-28 12:00", "2028-02-29 12:00"}, []string{"2026-11-16 12:00", "2028-02-28 12:00"}},
		"first and last Sunday": {[]backup.Criteria{{DaysOfWeek: []string{"Sunday"}, WeeksOfMonth: []string{"First", "Last"}}},
			[]string{"2026-11-01 12:00", "2026-11-29 12:00"}, []string{"2026-11-08 12:00", "2026-11-22 12:00", "2026-11-30 12:00"}},
		"fifth Sunday is no fourth": {[]backup.Criteria{{DaysOfWeek: []string{"Sunday"}, WeeksOfMonth: []string{"Fourth"}}},
			[]string{"2026-11-22 12:00"}, []string{"2026-11-29 12:00"}},
		"months": {[]backup.Criteria{{Months: []string{"January", "July"}, DaysOfMonth: []backup.DayOfMonth{{Date: 1}}}},
			[]string{"2027-01-01 12:00", "2027-07-01 12:00"}, []string{"2027-01-02 12:00", "2027-02-01 12:00"}},
		"time of day, within the start window": {[]backup.Criteria{{Times: []string{"2026-01-01T23:00:00Z"}}},
			[]string{"2026-11-22 23:00", "2026-11-23 00:59"}, []string{"2026-11-22 22:59", "2026-11-23 01:00"}},
		"one of several": {[]backup.Criteria{{DaysOfWeek: []string{"Monday"}}, {DaysOfMonth: []backup.DayOfMonth{{Date: 1}}}},
			[]string{"2026-11-23 12:00", "2026-11-01 12:00"}, []string{"2026-11-22 12:00"}},
		"nothing given": {[]backup.Criteria{{}}, nil, []string{"2026-11-22 12:00"}},
	} {
		parsed := tags(t, []backup.TaggingRule{{Name: "T", Priority: 1, Criteria: c.criteria}, presets[0]}, time.UTC)
		for want, moments := range map[string][]string{"T": c.yes, "Default": c.no} {
			for _, m := range moments {
				if got := retention.Choose(parsed, at(t, m, time.UTC), nil, time.UTC); got.Tag != want || got.Reason == "" {
					t.Errorf("%s: %s is %+v, want %s", name, m, got, want)
				}
			}
		}
	}
}

// The first of the Sundays' backups, not each of them.
func TestCriteriaOfBothKindsMustHold(t *testing.T) {
	rules := []backup.TaggingRule{presets[0], {Name: "T", Priority: 1, Criteria: []backup.Criteria{{Absolute: []string{"FirstOfDay"}, DaysOfWeek: []string{"Sunday"}}}}}
	expectTags(t, tagAll(t, rules, time.UTC, "2026-11-21 00:00", "2026-11-22 01:00", "2026-11-22 05:00", "2026-11-23 01:00"), "Default T Default Default")
}

func TestTheLowestPriorityNumberWins(t *testing.T) {
	all := []backup.Criteria{{Absolute: []string{"AllBackup"}}}
	rules := []backup.TaggingRule{{Name: "B", Priority: 7, Criteria: all}, {Name: "A", Priority: 3, Criteria: all}, {Name: "Default", IsDefault: true, Priority: 1}}
	expectTags(t, tagAll(t, rules, time.UTC, "2026-11-22 00:00"), "A")
}

func TestNoTags(t *testing.T) {
	if got := retention.Choose(nil, time.Unix(0, 0), nil, time.UTC); got != (retention.Choice{}) {
		t.Errorf("got %+v", got)
	}
}

func TestUnknownWordsAreErrors(t *testing.T) {
	for _, c := range []backup.Criteria{{Absolute: []string{"FirstOfCentury"}}, {DaysOfWeek: []string{"Someday"}}, {WeeksOfMonth: []string{"Fifth"}},
		{Months: []string{"Brumaire"}}, {Times: []string{"noon"}}, {DaysOfMonth: []backup.DayOfMonth{{Date: 32}}}, {DaysOfMonth: []backup.DayOfMonth{{}}}} {
		rule := backup.BackupRule{Tags: []backup.TaggingRule{{Name: "T", Criteria: []backup.Criteria{c}}}}
		if got, err := retention.Tags(&rule, time.UTC); err == nil || !strings.Contains(err.Error(), `"T"`) {
			t.Errorf("%+v is %+v, %v", c, got, err)
		}
	}
}
