package retention

import (
	"fmt"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/backup"
)

// Tags reads the tags of a backup rule. Words are compared without case; a word
// that is not known is an error. Times of day are those of the zone.
func Tags(rule *backup.BackupRule, zone *time.Location) ([]Tag, error) {
	var out []Tag
	for _, t := range rule.Tags {
		tag := Tag{Name: t.Name, Priority: t.Priority, Default: t.IsDefault}
		for _, c := range t.Criteria {
			parsed, err := parse(c, zone)
			if err != nil {
				return nil, fmt.Errorf("tag %q: %w", t.Name, err)
			}
			tag.Criteria = append(tag.Criteria, parsed)
		}
		out = append(out, tag)
	}
	return out, nil
}

func parse(in backup.Criteria, zone *time.Location) (out Criteria, err error) {
	for _, d := range in.DaysOfMonth {
		switch {
		case d.IsLast:
			out.LastDay = true
		case d.Date < 1 || d.Date > 31:
			return out, fmt.Errorf("%d is not a day of the month", d.Date)
		default:
			out.Days = append(out.Days, d.Date)
		}
	}
	for _, list := range []struct {
		words []string
		take  func(string) error
	}{
		{in.Absolute, out.absolute}, {in.DaysOfWeek, out.weekday}, {in.WeeksOfMonth, out.week}, {in.Months, out.month},
		{in.Times, func(text string) error { return out.time(text, zone) }},
	} {
		for _, word := range list.words {
			if err := list.take(word); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

var spans = []Span{Day, Week, Month, Year}

func (c *Criteria) absolute(word string) error {
	if strings.EqualFold(word, "AllBackup") {
		c.All = true
		return nil
	}
	for _, s := range spans {
		if strings.EqualFold(word, "FirstOf"+string(s)) {
			c.First = append(c.First, s)
			return nil
		}
	}
	return fmt.Errorf("criterion %q is not known", word)
}

func (c *Criteria) weekday(word string) error {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(word, d.String()) {
			c.Weekdays = append(c.Weekdays, d)
			return nil
		}
	}
	return fmt.Errorf("%q is not a day of the week", word)
}

func (c *Criteria) week(word string) error {
	if strings.EqualFold(word, "Last") {
		c.LastWeek = true
		return nil
	}
	for i, name := range []string{"First", "Second", "Third", "Fourth"} {
		if strings.EqualFold(word, name) {
			c.Weeks = append(c.Weeks, i+1)
			return nil
		}
	}
	return fmt.Errorf("%q is not a week of the month", word)
}

func (c *Criteria) month(word string) error {
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(word, m.String()) {
			c.Months = append(c.Months, m)
			return nil
		}
	}
	return fmt.Errorf("%q is not a month", word)
}

func (c *Criteria) time(text string, zone *time.Location) error {
	t, err := backup.ParseMoment(text, zone)
	if err != nil {
		return fmt.Errorf("%q is not a time such as 2026-01-04T09:00:00Z", text)
	}
	c.Times = append(c.Times, timeOfDay(t.In(zone)))
	return nil
}
