package backup

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParsePeriod(t *testing.T) {
	for text, want := range map[string]Period{
		"P7D":          {Days: 7},
		"P2W":          {Days: 14},
		"P1M":          {Months: 1},
		"P1Y2M3D":      {Years: 1, Months: 2, Days: 3},
		"PT4H":         {Clock: 4 * time.Hour},
		"P1DT12H30M5S": {Days: 1, Clock: 12*time.Hour + 30*time.Minute + 5*time.Second},
	} {
		if got, err := ParsePeriod(text); err != nil || got != want {
			t.Errorf("ParsePeriod(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "P", "PT", "P0D", "7D", "P-7D", "P7", "PT4", "P1D7", "P7d", "P999999D", " P7D"} {
		if got, err := ParsePeriod(text); err == nil {
			t.Errorf("ParsePeriod(%q) = %+v, want an error", text, got)
		}
	}
}

func TestPeriodAfterFollowsTheCalendar(t *testing.T) {
	start := time.Date(2024, 1, 31, 12, 0, 0, 0, time.UTC)
	if got, want := (Period{Months: 1}).After(start), time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC); got != want {
		t.Errorf("a month after %v is %v, want %v", start, got, want)
	}
	if got := (Period{Years: 1}).ApproxDays(); got != 365 {
		t.Errorf("a year is %v days", got)
	}
}

// MostDays is the longest that After ever makes of a period.
func TestMostDays(t *testing.T) {
	for text, want := range map[string]float64{"P360D": 360, "P51W": 357, "P11M": 337, "P12M": 366, "P1Y": 366, "P1M": 31, "P2M": 62, "P1M1D": 32, "PT36H": 1.5} {
		p, err := ParsePeriod(text)
		if err != nil || p.MostDays() != want {
			t.Errorf("%s: %v days, %v; want %v", text, p.MostDays(), err, want)
		}
	}
	for months := 1; months <= 36; months++ {
		p, most := Period{Months: months}, 0.0
		for d := range 4 * 366 {
			begin := time.Date(2023, 1, 1+d, 0, 0, 0, 0, time.UTC)
			most = max(most, p.After(begin).Sub(begin).Hours()/24)
		}
		if p.MostDays() != most {
			t.Errorf("%d months: %v days, want %v", months, p.MostDays(), most)
		}
	}
}

func TestParseInterval(t *testing.T) {
	for _, text := range []string{
		"R/2023-01-04T09:00:00+00:00/PT4H", "R/2021-05-02T05:30:00Z/P1W", "R5/2023-01-04T09:00:00/P1D", "R-1/2023-01-04T09:00:00Z/P1D", "R/2023-05-23T02:30+00:00/P1W",
	} {
		if _, err := ParseInterval(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", "R/PT4H", "2023-01-04T09:00:00Z/PT4H/x", "R/yesterday/PT4H", "Run/2023-01-04T09:00:00Z/PT4H", "R-2/2023-01-04T09:00:00Z/PT4H", "R/2023-01-04T09:00:00Z/4h", "R/2023-01-04T09:00:00Z/PT4H/"} {
		if _, err := ParseInterval(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func FuzzParseInterval(f *testing.F) {
	f.Add("R/2023-01-04T09:00:00+00:00/PT4H")
	f.Fuzz(func(t *testing.T, text string) {
		if i, err := ParseInterval(text); err == nil && i.Every == (Period{}) {
			t.Errorf("%q repeats after no time at all", text)
		}
	})
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:               "PT0S",
		-time.Second:    "PT0S",
		time.Nanosecond: "PT0S",
		3*time.Minute + 35*time.Second + 692992900*time.Nanosecond: "PT3M35.6929929S",
		1643458800 * time.Nanosecond:                               "PT1.6434588S",
		2 * time.Hour:                                              "PT2H",
		26*time.Hour + 30*time.Second:                              "PT26H30S",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestJobIDsCountDownWithTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		var ids []string
		now := start
		for range rapid.IntRange(2, 10).Draw(t, "jobs") {
			var random [10]byte
			copy(random[:], rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "random"))
			ids = append(ids, NewJobID(now, random))
			if p := CheckRecoveryPointID(NewRecoveryPointID(now, random)); p != nil {
				t.Fatal(p)
			}
			now = now.Add(time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "milliseconds")) * time.Millisecond)
		}
		slices.Reverse(ids)
		if !slices.IsSorted(ids) || len(ids[0]) != 36 || ids[0][14] != '8' {
			t.Fatalf("not newest first, or no UUID of version 8: %q", ids)
		}
	})
}
