package schedule

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What is due on the days around a change of the clocks, in zones that change
// them by an hour, by half an hour, at midnight, not at all, or by a whole day.
func TestDueAcrossClockChanges(t *testing.T) {
	for _, c := range []struct {
		name, zone, start string
		hours, days       int
		from              string
		lasts             int // days
	}{
		{"berlin-spring", "Europe/Berlin", "2023-01-04T10:30:00+01:00", 4, 0, "2026-03-28", 3},
		{"berlin-autumn", "Europe/Berlin", "2023-01-04T10:30:00+01:00", 4, 0, "2026-10-24", 3},
		{"berlin-daily-in-the-gap", "Europe/Berlin", "2023-01-04T02:30:00+01:00", 0, 1, "2026-03-27", 5},
		{"berlin-daily-twice-on-the-clock", "Europe/Berlin", "2023-01-04T02:30:00+01:00", 0, 1, "2026-10-23", 5},
		{"new-york-spring", "Eastern Standard Time", "2026-01-01T07:00:00Z", 6, 0, "2026-03-07", 3},
		{"new-york-autumn", "America/New_York", "2026-01-01T06:30:00Z", 6, 0, "2026-10-31", 3},
		{"new-york-weekly", "America/New_York", "2026-02-28T23:00:00-05:00", 0, 7, "2026-02-27", 35},
		{"lord-howe-spring", "Australia/Lord_Howe", "2026-01-01T02:15:00+11:00", 4, 0, "2026-10-03", 3},
		{"lord-howe-autumn", "Lord Howe Standard Time", "2026-01-01T01:45:00+11:00", 12, 0, "2026-04-04", 3},
		{"kolkata", "India Standard Time", "2023-05-23T02:30:00+00:00", 8, 0, "2026-03-28", 2},
		{"sao-paulo-without-midnight", "America/Sao_Paulo", "2018-01-01T00:00:00-02:00", 0, 1, "2018-11-02", 4},
		{"sao-paulo-two-midnights", "America/Sao_Paulo", "2018-01-01T23:30:00-02:00", 12, 0, "2018-02-16", 4},
		{"apia-without-a-friday", "Pacific/Apia", "2011-01-01T09:00:00-10:00", 4, 0, "2011-12-29", 4},
		{"apia-daily", "Samoa Standard Time", "2011-01-01T09:00:00-10:00", 0, 1, "2011-12-28", 5},
		{"apia-fridays", "Pacific/Apia", "2011-12-02T09:00:00-10:00", 0, 7, "2011-12-16", 23},
		{"scoresbysund-without-a-late-saturday", "America/Scoresbysund", "2025-01-01T23:30:00-02:00", 0, 1, "2025-03-28", 4},
		{"berlin-end-of-a-leap-year-to-come", "Europe/Berlin", "2023-01-04T10:30:00+01:00", 8, 0, "2040-12-30", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			zone, err := Zone(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			start, err := time.Parse(time.RFC3339, c.start)
			if err != nil {
				t.Fatal(err)
			}
			from, err := time.ParseInLocation(time.DateOnly, c.from, zone)
			if err != nil {
				t.Fatal(err)
			}
			i := Interval{Start: start, Hours: c.hours, Days: c.days}
			if err := i.Check(); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			fmt.Fprintf(&out, "# every %d hours or %d days from %s in %s\n", c.hours, c.days, c.start, c.zone)
			for due := range (Schedule{zone, []Interval{i}}).Due(from.Add(-1), from.Add(time.Duration(c.lasts)*day)) {
				fmt.Fprintf(&out, "%s  %s\n", due.In(zone).Format("Mon 2006-01-02 15:04 -07:00"), due.UTC().Format(time.RFC3339))
			}
			compare(t, filepath.Join("testdata", c.name+".golden"), out.String())
		})
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not met:\n%s", path, got)
	}
}
