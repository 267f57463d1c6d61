package backup

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Period is an ISO 8601 duration such as P7D, P1M or PT4H.
type Period struct {
	Years, Months, Days int // weeks are counted as 7 days
	Clock               time.Duration
}

var isoPeriod = regexp.MustCompile(`^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(T(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,5})(?:\.\d{1,9})?S)?)?$`)

// ParsePeriod parses an ISO 8601 duration; it must not be zero or negative.
func ParsePeriod(text string) (Period, error) {
	m := isoPeriod.FindStringSubmatch(text)
	if m == nil || m[5] == "T" {
		return Period{}, fmt.Errorf("%q is not an ISO 8601 duration such as P7D", text)
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v } // the pattern admits digits only
	p := Period{Years: n(1), Months: n(2), Days: 7*n(3) + n(4)}
	p.Clock = time.Duration(n(6))*time.Hour + time.Duration(n(7))*time.Minute + time.Duration(n(8))*time.Second
	if p == (Period{}) {
		return p, fmt.Errorf("%q is an empty duration", text)
	}
	return p, nil
}

// After returns the moment p after t, with calendar months and years.
func (p Period) After(t time.Time) time.Time {
	return t.AddDate(p.Years, p.Months, p.Days).Add(p.Clock)
}

// ApproxDays returns the length in days, counting months as 30 and years as 365.
func (p Period) ApproxDays() float64 {
	return float64(p.Years*365+p.Months*30+p.Days) + p.Clock.Hours()/24
}

// MostDays returns how many days p may take at most, in whatever month and year it
// begins: 366 for P12M.
func (p Period) MostDays() float64 {
	most := 0.0
	for month := range time.Month(12) { // the first of them comes before a leap day
		begin := time.Date(2023, time.March+month, 1, 0, 0, 0, 0, time.UTC)
		most = max(most, p.After(begin).Sub(begin).Hours()/24)
	}
	return most
}

// Interval is one repeating time interval of a schedule, R/<start>/<period>.
// The repeat count is ignored: a schedule runs for ever.
type Interval struct {
	Start time.Time
	// Local says that the start was written without a zone: then Start has the
	// date and the time of day in UTC, and means them in the zone of the schedule,
	// see schedule.StartOf.
	Local bool
	Every Period
}

// ParseInterval parses a repeating interval such as
// R/2023-01-04T09:00:00+00:00/PT4H.
func ParseInterval(text string) (Interval, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || !repeats.MatchString(parts[0]) {
		return Interval{}, fmt.Errorf("%q is not a repeating interval such as R/2023-01-04T09:00:00+00:00/PT4H", text)
	}
	start, err := ParseMoment(parts[1], time.UTC)
	if err != nil {
		return Interval{}, fmt.Errorf("%q has no start time: %w", text, err)
	}
	every, err := ParsePeriod(parts[2])
	return Interval{Start: start, Local: !hasZone.MatchString(parts[1]), Every: every}, err
}

var (
	repeats = regexp.MustCompile(`^R(\d*|-1)$`)
	hasZone = regexp.MustCompile(`(Z|[+-]\d\d:\d\d)$`)
)

// ParseMoment parses a moment as RFC 3339 has it and, as clients send it, without
// seconds or without a zone; then it is one of the given zone.
func ParseMoment(text string, zone *time.Location) (time.Time, error) {
	var first error
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		t, err := time.ParseInLocation(layout, text, zone)
		if err == nil {
			return t, nil
		}
		if first == nil {
			first = err
		}
	}
	return time.Time{}, first
}

// FormatDuration writes d as jobs show it: PT3M6.4102554S, PT0S when zero.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "PT0S"
	}
	var b strings.Builder
	b.WriteString("PT")
	if h := d / time.Hour; h > 0 {
		fmt.Fprintf(&b, "%dH", h)
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		fmt.Fprintf(&b, "%dM", m)
	}
	if s := (d % time.Minute).Truncate(100 * time.Nanosecond).Seconds(); s > 0 {
		b.WriteString(strings.TrimRight(strings.TrimRight(strconv.FormatFloat(s, 'f', 7, 64), "0"), ".") + "S")
	}
	if b.Len() == len("PT") {
		return "PT0S"
	}
	return b.String()
}
