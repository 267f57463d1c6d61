package schedule

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// Interval is due at Start and, without end, every so many hours or days after
// it. Either Hours, which must divide 24, or Days is set.
type Interval struct {
	Start time.Time
	Hours int
	Days  int
}

// Check says what is wrong with an interval.
func (i Interval) Check() error {
	switch {
	case i.Start.IsZero():
		return fmt.Errorf("an interval must have a start")
	case (i.Hours == 0) == (i.Days == 0) || i.Hours < 0 || i.Days < 0:
		return fmt.Errorf("an interval repeats every so many hours, or every so many days")
	case i.Hours > 0 && 24%i.Hours != 0:
		return fmt.Errorf("an interval of %d hours does not divide the day", i.Hours)
	}
	return nil
}

// Next returns the first due time of an interval after a moment.
func Next(i Interval, zone *time.Location, after time.Time) time.Time {
	from := after
	if i.Start.After(after) {
		from = i.Start.Add(-1)
	}
	// A due time may lie on the next date, when its own ends early or is not.
	for d := i.aligned(dateOf(from.In(zone))-1, zone, 1); ; d += i.step() {
		for _, due := range i.on(d, zone) {
			if due.After(from) {
				return due
			}
		}
	}
}

// Last returns the last due time of an interval that is not after a moment; zero
// when there is none.
func Last(i Interval, zone *time.Location, until time.Time) time.Time {
	if until.Before(i.Start) {
		return time.Time{}
	}
	for d := i.aligned(dateOf(until.In(zone))+1, zone, -1); ; d -= i.step() {
		for _, due := range slices.Backward(i.on(d, zone)) {
			if due.Before(i.Start) {
				return time.Time{}
			}
			if !due.After(until) {
				return due
			}
		}
	}
}

// step is the distance between dates that may have due times.
func (i Interval) step() date { return date(max(i.Days, 1)) }

// aligned returns the first date at or after d (or before, when towards is -1)
// that may have due times.
func (i Interval) aligned(d date, zone *time.Location, towards date) date {
	off := (d - dateOf(i.Start.In(zone))) % i.step()
	if off < 0 {
		off += i.step()
	}
	if off != 0 && towards > 0 {
		off -= i.step()
	}
	return d - off
}

// on returns the due times of a date that may have some, in their order.
func (i Interval) on(d date, zone *time.Location) []time.Time {
	if !d.exists(zone) && i.Days < 7 {
		return nil // the dates around it have theirs
	}
	clock := clockOf(i.Start.In(zone))
	if i.Days > 0 {
		return []time.Time{at(d, clock, zone)}
	}
	every := time.Duration(i.Hours) * time.Hour
	var all []time.Time
	for c := clock % every; c < day; c += every {
		all = append(all, at(d, c, zone))
	}
	return all
}

// Schedule is due whenever one of its intervals is. Its zone must not be nil.
type Schedule struct {
	Zone      *time.Location
	Intervals []Interval
}

// Next returns the first due time after a moment; zero when there are no
// intervals.
func (s Schedule) Next(after time.Time) (next time.Time) {
	for _, i := range s.Intervals {
		if due := Next(i, s.Zone, after); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next
}

// Last returns the last due time that is not after a moment; zero when there is
// none.
func (s Schedule) Last(until time.Time) (last time.Time) {
	for _, i := range s.Intervals {
		if due := Last(i, s.Zone, until); due.After(last) {
			last = due
		}
	}
	return last
}

// Due returns every due time after one moment and up to another, in order.
func (s Schedule) Due(after, until time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for due := s.Next(after); !due.IsZero() && !due.After(until); due = s.Next(due) {
			if !yield(due) {
				return
			}
		}
	}
}
