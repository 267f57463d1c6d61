package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func utc(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

var fourHourly = Calendar{{"BackupHourly", Schedule{time.UTC, []Interval{{Start: utc("2023-01-04 09:00"), Hours: 4}}}}}

func TestDecide(t *testing.T) {
	const key = "/vaults/v/backupInstances/i"
	slot := fourHourly.After(utc("2026-11-22 10:00"), key, 2*time.Hour)
	if !slot.Due.Equal(utc("2026-11-22 13:00")) || slot.Start.Before(slot.Due) || !slot.End.Equal(utc("2026-11-22 15:00")) || slot.Rule != "BackupHourly" {
		t.Fatalf("%+v", slot)
	}
	for name, c := range map[string]struct {
		now           time.Time
		stopped, hold string
		action        Action
		due           string // of the slot that is meant
		next          string
		late          bool
		missed        int
		reason        string
	}{
		"too early":           {now: utc("2026-11-22 12:59"), action: Wait, due: "2026-11-22 13:00", next: "2026-11-22 13:00", reason: "not due before 2026-11-22T13:00:00Z"},
		"not its turn":        {now: slot.Start.Add(-1), action: Wait, due: "2026-11-22 13:00", next: "2026-11-22 13:00", reason: "its place in the window"},
		"its turn":            {now: slot.Start, action: Start, due: "2026-11-22 13:00", next: "2026-11-22 17:00", reason: "due at 2026-11-22T13:00:00Z"},
		"end of the window":   {now: slot.End, action: Start, due: "2026-11-22 13:00", next: "2026-11-22 17:00", reason: "due at"},
		"after the window":    {now: slot.End.Add(1), action: Start, due: "2026-11-22 13:00", next: "2026-11-22 17:00", late: true, reason: "after the window that ended at 2026-11-22T15:00:00Z"},
		"after a long outage": {now: utc("2026-11-24 06:00"), action: Start, due: "2026-11-24 05:00", next: "2026-11-24 09:00", missed: 10, reason: "makes up for 10 due times without a start since 2026-11-22T13:00:00Z"},
		"late after outage":   {now: utc("2026-11-24 08:00"), action: Start, due: "2026-11-24 05:00", next: "2026-11-24 09:00", late: true, missed: 10, reason: "makes up for 10"},
		"held up":             {now: slot.Start, hold: "200 backups run", action: Wait, due: "2026-11-22 13:00", next: "2026-11-22 13:00", reason: "200 backups run"},
		"held up for long":    {now: utc("2026-11-22 21:10"), hold: "200 backups run", action: Wait, due: "2026-11-22 21:00", next: "2026-11-22 13:00", missed: 2, reason: "200 backups run"},
		"stopped":             {now: slot.Start, stopped: "protection is stopped", hold: "x", action: Skip, due: "2026-11-22 13:00", next: "2026-11-22 17:00", reason: "protection is stopped"},
	} {
		d := fourHourly.Decide(State{Key: key, Window: 2 * time.Hour, Due: slot.Due, Stopped: c.stopped, Hold: c.hold}, c.now)
		if d.Action != c.action || !d.Slot.Due.Equal(utc(c.due)) || !d.Next.Due.Equal(utc(c.next)) || d.Late != c.late || d.Missed != c.missed || !strings.Contains(d.Reason, c.reason) {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d := (Calendar{}).Decide(State{Key: key, Due: slot.Due}, slot.Start); d.Action != Wait || !d.Slot.Due.IsZero() {
		t.Errorf("an empty calendar: %+v", d)
	}
}

// Thousands that are due together start evenly over three quarters of the
// window, the same one always at the same place.
func TestStartsAreSpread(t *testing.T) {
	const keys, window = 5000, 2 * time.Hour
	var perQuarter [8]int
	for n := range keys {
		key := fmt.Sprintf("/subscriptions/s/backupInstances/instance-%d", n)
		first := fourHourly.After(utc("2026-11-22 10:00"), key, window)
		second := fourHourly.After(first.Due, key, window)
		if first.Start.Sub(first.Due) != second.Start.Sub(second.Due) {
			t.Fatalf("%s starts at %v and at %v", key, first, second)
		}
		perQuarter[first.Start.Sub(first.Due)/(15*time.Minute)]++
	}
	for n, count := range perQuarter {
		if even := keys / 6; n < 6 && (count < even*8/10 || count > even*12/10) || n >= 6 && count > 0 {
			t.Errorf("starts per quarter of an hour: %v", perQuarter)
			break
		}
	}
}

// A window never reaches into the next due time, even where rules come close.
func TestWindowEndsAtTheNextDueTime(t *testing.T) {
	c := Calendar{{"a", Schedule{time.UTC, []Interval{{Start: utc("2026-01-01 00:00"), Days: 1}}}},
		{"b", Schedule{time.UTC, []Interval{{Start: utc("2026-01-01 00:10"), Days: 1}}}}}
	a := c.After(utc("2026-01-02 23:00"), "k", 2*time.Hour)
	b := c.After(a.Due, "k", 2*time.Hour)
	if a.Rule != "a" || b.Rule != "b" || !a.End.Equal(b.Due) || a.Start.After(a.End) || b.End.Sub(b.Due) != 2*time.Hour {
		t.Errorf("%+v then %+v", a, b)
	}
}

func TestIntervalCheck(t *testing.T) {
	start := utc("2026-01-01 00:00")
	for _, i := range []Interval{{}, {Start: start}, {Hours: 4}, {Start: start, Hours: 5}, {Start: start, Hours: 4, Days: 1}, {Start: start, Days: -1}, {Start: start, Hours: -4}} {
		if i.Check() == nil {
			t.Errorf("%+v was accepted", i)
		}
	}
}

// A decade of four-hourly due times is a matter of milliseconds.
func BenchmarkDecade(b *testing.B) {
	zone, err := Zone("W. Europe Standard Time")
	if err != nil {
		b.Fatal(err)
	}
	s := Schedule{zone, []Interval{{Start: utc("2023-01-04 09:00"), Hours: 4}}}
	for b.Loop() {
		n := 0
		for range s.Due(utc("2026-01-01 00:00"), utc("2036-01-01 00:00")) {
			n++
		}
		if n != 3652*6 {
			b.Fatal(n)
		}
	}
}
