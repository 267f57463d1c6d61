package backup

import (
	"slices"
	"strings"
	"time"
)

var (
	absoluteCriteria = []string{"AllBackup", "FirstOfDay", "FirstOfWeek", "FirstOfMonth", "FirstOfYear"}
	daysOfWeek       = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
	weeksOfMonth     = []string{"First", "Second", "Third", "Fourth", "Last"}
	monthsOfYear     = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
)

func (t TaggingRule) checkCriteria(target string) *Problem {
	if len(t.Criteria) == 0 {
		return Invalid(target, "tag %q is not the default and has no criteria", t.Name).
			advise("Give the tag a criterion such as FirstOfDay.")
	}
	for _, c := range t.Criteria {
		if c.empty() {
			return Invalid(target, "tag %q has a criterion in which nothing is given, which no backup meets", t.Name).
				advise("Give the criterion absoluteCriteria such as FirstOfDay, or days, weeks, months or times.")
		}
		if p := t.checkWords(c, target); p != nil {
			return p
		}
		for _, d := range c.DaysOfMonth {
			if !d.IsLast && (d.Date < 1 || d.Date > 31) {
				return Invalid(target, "tag %q names the day %d of the month", t.Name, d.Date).advise("Give a date from 1 to 31, or isLast.")
			}
		}
		for _, text := range c.Times {
			if _, err := ParseMoment(text, time.UTC); err != nil {
				return Invalid(target, "tag %q names the time %q", t.Name, text).advise("Write times such as 2023-01-04T09:00:00Z.")
			}
		}
	}
	return nil
}

func (c Criteria) empty() bool {
	return len(c.Absolute)+len(c.DaysOfWeek)+len(c.DaysOfMonth)+len(c.WeeksOfMonth)+len(c.Months)+len(c.Times) == 0
}

func (t TaggingRule) checkWords(c Criteria, target string) *Problem {
	for _, list := range []struct{ given, known []string }{
		{c.Absolute, absoluteCriteria}, {c.DaysOfWeek, daysOfWeek}, {c.WeeksOfMonth, weeksOfMonth}, {c.Months, monthsOfYear},
	} {
		for _, word := range list.given {
			if !slices.ContainsFunc(list.known, func(k string) bool { return equalFold(k, word) }) {
				return Invalid(target, "tag %q has the unknown criterion %q", t.Name, word).
					advise("Choose one of " + strings.Join(list.known, ", ") + ".")
			}
		}
	}
	return nil
}
