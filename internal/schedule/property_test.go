package schedule

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// zones are all that a policy can name by its Windows name, and some more.
var zones = append(slices.Sorted(maps.Values(windowsZones)), "America/Scoresbysund", "Antarctica/Troll", "Africa/El_Aaiun", "Asia/Kolkata")

func anyZone(t *rapid.T) *time.Location {
	zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// between 1996 and 2090: before, zones have moved across the date line by more
// than the clocks are changed by today.
func anyTime(t *rapid.T, label string) time.Time {
	return time.Unix(rapid.Int64Range(820454400, 3786912000).Draw(t, label), 0)
}

func anyInterval(t *rapid.T, label string) Interval {
	i := Interval{Start: anyTime(t, label+" start")}
	if rapid.Bool().Draw(t, label+" by hours") {
		i.Hours = rapid.SampledFrom([]int{4, 6, 8, 12, 24}).Draw(t, label+" hours")
	} else {
		i.Days = rapid.SampledFrom([]int{1, 7}).Draw(t, label+" days")
	}
	if err := i.Check(); err != nil {
		t.Fatal(err)
	}
	return i
}

// every is the distance of due times while no clock is changed.
func (i Interval) every() time.Duration {
	return time.Duration(i.Hours)*time.Hour + time.Duration(i.Days)*day
}

// From any moment the next due times come in order, at the same times of day,
// and as far apart as the interval says, but for changes of the clocks.
func TestDueTimesGoOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, i, after := anyZone(t), anyInterval(t, "interval"), anyTime(t, "after")
		last := Next(i, zone, after)
		if !last.After(after) || last.Before(i.Start) {
			t.Fatalf("next after %v is %v", after, last)
		}
		if i.Start.Before(after) && last.Sub(after) > i.every()+25*time.Hour {
			t.Fatalf("nothing is due between %v and %v", after, last)
		}
		for range 50 {
			next := Next(i, zone, last)
			apart := next.Sub(last)
			if apart < i.every()-3*time.Hour || apart > i.every()+25*time.Hour {
				t.Fatalf("%v comes %v after %v", next.In(zone), apart, last.In(zone))
			}
			if calm(zone, last, next) && apart != i.every() {
				t.Fatalf("%v comes %v after %v though no clock was changed", next.In(zone), apart, last.In(zone))
			}
			last = next
		}
	})
}

// calm says whether the zone has the same offset at two due times, and had it a
// while before each: one may have been put off until after a change.
func calm(zone *time.Location, a, b time.Time) bool {
	want := offset(a, zone)
	for _, t := range []time.Time{a.Add(-3 * time.Hour), b.Add(-3 * time.Hour), b} {
		if offset(t, zone) != want {
			return false
		}
	}
	return true
}

// Last is the inverse of Next.
func TestLastIsWhatWasNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, i, moment := anyZone(t), anyInterval(t, "interval"), anyTime(t, "moment")
		next := Next(i, zone, moment)
		if got := Last(i, zone, next); !got.Equal(next) {
			t.Fatalf("last until %v is %v", next, got)
		}
		last := Last(i, zone, next.Add(-1))
		switch {
		case last.IsZero() && Next(i, zone, i.Start.Add(-1)).Before(next):
			t.Fatalf("nothing was due before %v, the interval starts at %v", next, i.Start)
		case !last.IsZero() && (last.After(moment) || !Next(i, zone, last).Equal(next)):
			t.Fatalf("last before %v is %v, which is followed by %v", next, last, Next(i, zone, last))
		}
	})
}

// What is due does not depend on from where it is counted.
func TestNextIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, i, a := anyZone(t), anyInterval(t, "interval"), anyTime(t, "a")
		b := a.Add(time.Duration(rapid.Int64Range(0, int64(40*day)).Draw(t, "later")))
		if Next(i, zone, b).Before(Next(i, zone, a)) {
			t.Fatalf("next after %v is %v, next after %v is %v", a, Next(i, zone, a), b, Next(i, zone, b))
		}
	})
}

// A key that lives with a calendar: it is asked at random moments, held up at
// times and left alone at times.
func TestLifeOfAKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := anyZone(t)
		c := Calendar{{"a", Schedule{zone, []Interval{anyInterval(t, "first")}}}, {"b", Schedule{zone, []Interval{anyInterval(t, "second"), anyInterval(t, "third")}}}}
		window := time.Duration(rapid.IntRange(0, 200).Draw(t, "window")) * time.Minute
		key := rapid.StringN(1, 20, -1).Draw(t, "key")
		now := anyTime(t, "now")
		waits := c.After(now, key, window)
		var lastDue, lastStart time.Time
		for range 60 {
			hold := rapid.SampledFrom([]string{"", "", "", "full"}).Draw(t, "hold")
			d := c.Decide(State{Key: key, Window: window, Due: waits.Due, Hold: hold}, now)
			switch d.Action {
			case Start:
				if d.Slot.Due.After(now) || d.Slot.Start.After(now) && d.Missed == 0 {
					t.Fatalf("started at %v before its time: %+v", now, d)
				}
				if !d.Slot.Due.After(lastDue) || !now.After(lastStart) && !lastStart.IsZero() {
					t.Fatalf("%v was started after %v", d.Slot.Due, lastDue)
				}
				if d.Late != now.After(d.Slot.End) || d.Slot.End.Sub(d.Slot.Due) > window {
					t.Fatalf("outside of the window at %v: %+v", now, d)
				}
				if next := d.Next.Due; !next.After(now) || d.Next.Start.Before(next) || d.Next.Start.After(d.Next.End) {
					t.Fatalf("after %v comes %+v", now, d.Next)
				}
				lastDue, lastStart = d.Slot.Due, now
			case Wait:
				if hold == "" && !now.Before(d.Slot.Start) {
					t.Fatalf("waits at %v for nothing: %+v", now, d)
				}
				if d.Next != waits {
					t.Fatalf("lost its place %+v: %+v", waits, d.Next)
				}
			default:
				t.Fatalf("skipped: %+v", d)
			}
			if d.Reason == "" {
				t.Fatal("no reason")
			}
			waits = d.Next
			if rapid.Bool().Draw(t, "at its time") && now.Before(waits.Start) {
				now = waits.Start
				continue
			}
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(12*time.Hour)).Draw(t, "passes")))
		}
	})
}

func FuzzNext(f *testing.F) {
	f.Add("Europe/Berlin", int64(1672824600), 4, 0, int64(1774742400))
	f.Add("Pacific/Apia", int64(1293908400), 0, 7, int64(1325030400))
	f.Fuzz(func(t *testing.T, name string, start int64, hours, days int, after int64) {
		zone, err := Zone(name)
		const bound = 1 << 36 // some two thousand years: the calendar's end is not ours
		if err != nil || start < -bound || start > bound || after < -bound || after > bound || days > 400 {
			t.Skip()
		}
		i := Interval{Start: time.Unix(start, 0), Hours: hours, Days: days}
		if i.Check() != nil {
			t.Skip()
		}
		moment := time.Unix(after, 0)
		next := Next(i, zone, moment)
		if !next.After(moment) || next.Before(i.Start) || !Last(i, zone, next).Equal(next) {
			t.Errorf("next after %v is %v, and last %v", moment, next, Last(i, zone, next))
		}
	})
}
