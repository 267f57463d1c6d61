package schedule

import "time"

const day = 24 * time.Hour

// date counts days since 1970-01-01, without a time zone.
type date int64

// dateOf returns the date that t has in its own zone.
func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / int64(day/time.Second))
}

// clockOf returns what a wall clock shows at t, since midnight.
func clockOf(t time.Time) time.Duration {
	h, m, s := t.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
}

// around is more than any zone is away from UTC: within it lies the change of
// the clocks, if any, that a time of day is before or after.
const around = 27 * time.Hour

// at returns the first moment at which a wall clock of the zone shows this time
// of this date. Where it never does, because the time is left out, that is the
// moment the clocks are changed.
//
// It does not ask for the bounds of zones, which the standard library gets wrong
// at the end of leap years to come.
func at(d date, clock time.Duration, zone *time.Location) time.Time {
	wall := time.Unix(int64(d)*int64(day/time.Second), 0).Add(clock) // as if the zone were UTC
	before, after := offset(wall.Add(-around), zone), offset(wall.Add(around), zone)
	if before == after {
		return wall.Add(-before).In(zone)
	}
	change := changeBetween(wall.Add(-around), wall.Add(around), zone)
	if first := wall.Add(-before); first.Before(change) {
		return first.In(zone)
	}
	if second := wall.Add(-after); second.After(change) {
		return second.In(zone)
	}
	return change.In(zone)
}

// StartOf is the start of an interval that is written without a zone: wall has its
// date and time of day in UTC, and means them by the clocks of the zone. Where these
// never show them, because they were changed just then, it is that time a week
// earlier: so that what is due afterwards has the day and the time that were meant.
func StartOf(wall time.Time, zone *time.Location) time.Time {
	d, clock := dateOf(wall), clockOf(wall)
	if start := at(d, clock, zone); dateOf(start) == d && clockOf(start) == clock {
		return start
	}
	return at(d-7, clock, zone)
}

// offset is how far the zone's clocks are ahead of UTC at t.
func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// changeBetween finds the second at which the offset of a is given up, on the way
// to b.
func changeBetween(a, b time.Time, zone *time.Location) time.Time {
	old := offset(a, zone)
	for b.Sub(a) > time.Second {
		middle := a.Add(b.Sub(a) / 2).Truncate(time.Second)
		if offset(middle, zone) == old {
			a = middle
		} else {
			b = middle
		}
	}
	return b
}

// exists says whether there is such a date in the zone.
func (d date) exists(zone *time.Location) bool { return dateOf(at(d, 0, zone)) == d }
