package backup

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/schedule"
)

// Calendar says when backups are due by the policy. Every policy that passed
// Check has one.
func (p Policy) Calendar() (schedule.Calendar, error) {
	var c schedule.Calendar
	for _, r := range p.Rules {
		if r.Backup == nil || len(r.Backup.Intervals) == 0 {
			continue
		}
		s, err := r.Backup.Schedule()
		if err != nil {
			return nil, fmt.Errorf("policy %s, rule %s: %w", p.Name(), r.Name, err)
		}
		c = append(c, schedule.Rule{Name: r.Name, Schedule: s})
	}
	return c, nil
}

// Zone returns the time zone of the rule; that of a rule without one is UTC.
func (b BackupRule) Zone() (*time.Location, error) {
	if b.TimeZone == nil {
		return time.UTC, nil
	}
	return schedule.Zone(*b.TimeZone)
}

// Schedule says when the rule is due.
func (b BackupRule) Schedule() (schedule.Schedule, error) {
	zone, err := b.Zone()
	if err != nil {
		return schedule.Schedule{}, err
	}
	s := schedule.Schedule{Zone: zone}
	for _, text := range b.Intervals {
		parsed, err := ParseInterval(text)
		if err != nil {
			return s, err
		}
		interval := schedule.Interval{Start: parsed.Start.Truncate(time.Second)}
		if parsed.Local {
			interval.Start = schedule.StartOf(parsed.Start, zone)
		}
		interval.Hours, interval.Days = parsed.Every.hoursOrDays()
		if err := interval.Check(); err != nil {
			return s, fmt.Errorf("%q: %w", text, err)
		}
		s.Intervals = append(s.Intervals, interval)
	}
	return s, nil
}

// hoursOrDays returns a period that is of whole hours, or of whole days, alone.
func (p Period) hoursOrDays() (hours, days int) {
	switch {
	case p.Years != 0 || p.Months != 0 || p.Clock%time.Hour != 0 || (p.Days != 0 && p.Clock != 0):
		return 0, 0
	default:
		return int(p.Clock / time.Hour), p.Days
	}
}

// The distances allowed between scheduled backups. A day may be written P1D or
// PT24H, a week P1W or P7D.
var (
	allowedHours = []int{4, 6, 8, 12, 24}
	allowedDays  = []int{1, 7}
)

const (
	week       = 7 * 24 * time.Hour
	leastApart = 4 * time.Hour
	// mostInWeek is how many backups can be that far apart in a week.
	mostInWeek = int(week / leastApart)
	// latestStart is the last year a schedule may begin in: far from the end of the
	// dates that programs can read.
	latestStart = 9000
)

func (b BackupRule) checkSchedule(target string) *Problem {
	if len(b.Intervals) == 0 {
		return Invalid(target+".repeatingTimeIntervals", "a schedule must have a repeating time interval").
			advise("Give a repeating time interval such as R/2023-01-04T09:00:00+00:00/PT4H.")
	}
	if _, err := b.Zone(); err != nil {
		return Invalid(target+".timeZone", "%v", err).
			advise("Give the time zone by its name in Windows, such as W. Europe Standard Time, or in the IANA database, such as Europe/Berlin; leave it out for UTC.")
	}
	for _, text := range b.Intervals {
		parsed, err := ParseInterval(text)
		if err != nil {
			return Invalid(target+".repeatingTimeIntervals", "%v", err).
				advise("Write a repeating time interval as R/<start>/<duration>, such as R/2023-01-04T09:00:00+00:00/PT4H.")
		}
		if parsed.Start.Year() > latestStart {
			return Invalid(target+".repeatingTimeIntervals", "%q begins in the year %d", text, parsed.Start.Year()).advise("Give the day of the first backup, such as R/2026-11-01T06:00:00+00:00/PT4H.")
		}
		hours, days := parsed.Every.hoursOrDays()
		if !slices.Contains(allowedHours, hours) && !slices.Contains(allowedDays, days) {
			return Invalid(target+".repeatingTimeIntervals", "backups every %s are not possible", text[strings.LastIndexByte(text, '/')+1:]).
				advise("Choose one of PT4H, PT6H, PT8H, PT12H, P1D and P1W.")
		}
	}
	return nil
}

// checkApart makes sure that no two backups are due too close to each other,
// whatever intervals they come from. In rules of several time zones that is another
// thing in summer than in winter, so they are compared in every week of a year.
func (p Policy) checkApart() *Problem {
	calendar, err := p.Calendar()
	if err != nil {
		return Invalid("properties.policyRules", "%v", err)
	}
	for n := range 53 {
		times := inWeek(calendar, time.Date(2026, time.January, 1+7*n, 0, 0, 0, 0, time.UTC))
		if problem := checkTimes(times); problem != nil {
			return problem
		}
	}
	return nil
}

func checkTimes(times []time.Duration) *Problem {
	slices.Sort(times)
	for n, t := range times {
		next := times[(n+1)%len(times)]
		if n == len(times)-1 {
			next += week
		}
		if next-t < leastApart {
			return Invalid("properties.policyRules", "two backups are due within %s of each other, every %s", next-t, weekday(t)).
				advise("Let the intervals of the policy be due at least 4 hours apart.")
		}
	}
	return nil
}

func weekday(t time.Duration) time.Weekday { return time.Weekday(t % week / (24 * time.Hour)) }

// inWeek lists when a calendar is due in a week without a change of the clocks,
// counted from the midnight before Sunday in the zone of its first rule; moment lies
// in that week. It stops where there are too many.
func inWeek(c schedule.Calendar, moment time.Time) (times []time.Duration) {
	for _, rule := range c {
		_, first := moment.In(c[0].Zone).Zone()
		_, here := moment.In(rule.Zone).Zone()
		ahead := time.Duration(here-first) * time.Second
		for _, i := range rule.Intervals {
			for _, t := range timesOf(i, rule.Zone) {
				times = append(times, (t-ahead+week)%week)
			}
		}
		if len(times) > mostInWeek {
			break
		}
	}
	return times
}

// timesOf lists when an interval is due in such a week by the clocks of its zone.
func timesOf(i schedule.Interval, zone *time.Location) []time.Duration {
	local := i.Start.In(zone)
	h, m, s := local.Clock()
	every := time.Duration(i.Hours)*time.Hour + time.Duration(i.Days)*24*time.Hour
	first := time.Duration(local.Weekday())*24*time.Hour + time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	var times []time.Duration
	for t := first % every; t < week; t += every {
		times = append(times, t)
	}
	return times
}
