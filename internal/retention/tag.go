package retention

import (
	"fmt"
	"slices"
	"time"
)

// Tag is one tag of a trigger, and which backups get it.
type Tag struct {
	Name     string
	Priority int64 // the lowest number wins
	Default  bool  // for what no other tag claims
	// Criteria: one of them must hold.
	Criteria []Criteria
}

// Criteria holds for a backup when everything that is given in it does. The
// zero value holds for none.
type Criteria struct {
	All      bool // every backup
	First    []Span
	Weekdays []time.Weekday
	Days     []int // of the month
	LastDay  bool  // of the month; one of the Days
	// Weeks of the month count its days in sevens: with a weekday, 1 is the first
	// such day of the month.
	Weeks    []int
	LastWeek bool // the last seven days; one of the Weeks
	Months   []time.Month
	Times    []time.Duration // of day; a backup started within StartWindow of one
}

// StartWindow is how long after its time a scheduled backup may start.
const StartWindow = 2 * time.Hour

// Span is a stretch of the calendar of which one backup is the first.
type Span string

// Spans. Weeks begin on Sunday, months on their first day, years on January 1,
// whenever a policy was made.
const (
	Day   Span = "day"
	Week  Span = "week"
	Month Span = "month"
	Year  Span = "year"
)

// begin is the day, as midnight in UTC, on which the span around a moment
// begins in its zone.
func (s Span) begin(local time.Time) time.Time {
	y, m, d := local.Date()
	switch s {
	case Week:
		d -= int(local.Weekday())
	case Month:
		d = 1
	case Year:
		m, d = time.January, 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// Choice is the tag of a backup and why it has it; the reason is one clause,
// for people.
type Choice struct {
	Tag    string
	Reason string
}

// Choose tags the backup of a moment: the tag with the lowest priority number
// whose criteria hold in the zone, else the default one. earlier are the moments
// of the successful backups that were tagged in this way before, in any order,
// also of those that have expired meanwhile; the newest of them is enough.
// Backups whose tag a person named do not belong to them.
// Without tags, the zero Choice.
func Choose(tags []Tag, at time.Time, earlier []time.Time, zone *time.Location) Choice {
	m := moment{local: at.In(zone)}
	for _, e := range earlier {
		m.earlier = append(m.earlier, e.In(zone))
	}
	var best *Tag
	var choice Choice
	for i := range tags {
		t := &tags[i]
		if best != nil && best.Priority <= t.Priority || t.Default {
			continue
		}
		if reason, ok := t.holds(m); ok {
			best, choice = t, Choice{t.Name, reason}
		}
	}
	if best != nil {
		return choice
	}
	if i := slices.IndexFunc(tags, func(t Tag) bool { return t.Default }); i >= 0 {
		return Choice{tags[i].Name, "no other tag claims the backup"}
	}
	return Choice{}
}

func (t *Tag) holds(m moment) (reason string, ok bool) {
	for _, c := range t.Criteria {
		if c.hold(m) {
			return c.reason(m), true
		}
	}
	return "", false
}

// moment is when a backup is taken, in the zone of its policy.
type moment struct {
	local   time.Time
	earlier []time.Time
}

func (m moment) first(s Span) bool {
	begin := s.begin(m.local)
	return !slices.ContainsFunc(m.earlier, func(e time.Time) bool { return s.begin(e).Equal(begin) })
}

func (c Criteria) hold(m moment) bool {
	given := false
	for _, part := range []struct {
		given bool
		holds func(moment) bool
	}{
		{c.All, func(moment) bool { return true }},
		{len(c.First) > 0, c.isFirst},
		{len(c.Weekdays) > 0, func(m moment) bool { return slices.Contains(c.Weekdays, m.local.Weekday()) }},
		{len(c.Days) > 0 || c.LastDay, c.onDay},
		{len(c.Weeks) > 0 || c.LastWeek, c.inWeek},
		{len(c.Months) > 0, func(m moment) bool { return slices.Contains(c.Months, m.local.Month()) }},
		{len(c.Times) > 0, c.atTime},
	} {
		if part.given && !part.holds(m) {
			return false
		}
		given = given || part.given
	}
	return given
}

func (c Criteria) isFirst(m moment) bool { return slices.ContainsFunc(c.First, m.first) }

func (c Criteria) onDay(m moment) bool {
	return slices.Contains(c.Days, m.local.Day()) || c.LastDay && m.local.AddDate(0, 0, 1).Day() == 1
}

func (c Criteria) inWeek(m moment) bool {
	day := m.local.Day()
	return slices.Contains(c.Weeks, (day-1)/7+1) || c.LastWeek && time.Date(m.local.Year(), m.local.Month(), day+7, 0, 0, 0, 0, time.UTC).Month() != m.local.Month()
}

func (c Criteria) atTime(m moment) bool {
	clock := timeOfDay(m.local)
	return slices.ContainsFunc(c.Times, func(due time.Duration) bool {
		late := (clock - due + 24*time.Hour) % (24 * time.Hour)
		return late < StartWindow
	})
}

// timeOfDay is what a clock on the wall shows.
func timeOfDay(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
}

func (c Criteria) reason(m moment) string {
	for _, s := range c.First {
		if m.first(s) {
			return fmt.Sprintf("first successful backup of the %s that began on %s (%s)", s, s.begin(m.local).Format("Monday 2006-01-02"), m.local.Location())
		}
	}
	return fmt.Sprintf("meets the criteria on %s (%s)", m.local.Format("Monday 2006-01-02 15:04"), m.local.Location())
}
