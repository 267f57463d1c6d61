package retention_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/retention"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func day(n int) time.Time { return epoch.AddDate(0, 0, n) }

func operational(expires int) retention.Copy {
	return retention.Copy{Tier: backup.TierOperational, Expires: day(expires)}
}

func vaulted(expires int) retention.Copy {
	return retention.Copy{Tier: backup.TierVault, Expires: day(expires)}
}

func point(taken int, copies ...retention.Copy) retention.Point {
	return retention.Point{ID: fmt.Sprintf("p%03d", taken), Time: day(taken), Copies: copies}
}

// show writes verdicts as "p001 O keep, ...".
func show(verdicts []retention.Verdict) string {
	var out []string
	for _, v := range verdicts {
		out = append(out, fmt.Sprintf("%s %c %s", v.PointID, v.Tier[0], v.Action))
	}
	return strings.Join(out, ", ")
}

func TestApply(t *testing.T) {
	onExpiry := operational(7)
	onExpiry.CopyDue = day(7)
	later := operational(7)
	later.CopyDue = day(9)
	lacking := vaulted(90)
	lacking.Lacks = true
	endless := retention.Copy{Tier: backup.TierOperational}
	damaged := vaulted(90)
	damaged.Damaged = true
	for name, c := range map[string]struct {
		points []retention.Point
		state  retention.State
		now    int
		want   string
	}{
		"retention runs":                       {[]retention.Point{point(0, operational(7)), point(1, operational(8))}, retention.State{}, 6, "p000 O keep, p001 O keep"},
		"retention is over":                    {[]retention.Point{point(0, operational(7)), point(1, operational(8))}, retention.State{}, 7, "p000 O expire, p001 O keep"},
		"the last stays":                       {[]retention.Point{point(0, operational(7)), point(1, operational(8))}, retention.State{}, 700, "p000 O expire, p001 O keep"},
		"stopped keeps all":                    {[]retention.Point{point(0, operational(7)), point(1, operational(8))}, retention.State{Stopped: true, Vaulting: true}, 700, "p000 O keep, p001 O keep"},
		"no end":                               {[]retention.Point{point(0, endless), point(1, operational(8))}, retention.State{}, 700, "p000 O keep, p001 O keep"},
		"the last stays where it ends last":    {[]retention.Point{point(0, operational(7), vaulted(90))}, retention.State{}, 700, "p000 O expire, p000 V keep"},
		"the last stays where it is complete":  {[]retention.Point{point(0, operational(7), lacking)}, retention.State{}, 700, "p000 O keep, p000 V expire"},
		"vaulting keeps both ends":             {[]retention.Point{point(0, operational(7), vaulted(90)), point(1, operational(8), vaulted(91)), point(2, operational(9)), point(3, operational(10))}, retention.State{Vaulting: true}, 700, "p000 O expire, p000 V expire, p001 O keep, p001 V keep, p002 O expire, p003 O keep"},
		"without vaulting the last alone":      {[]retention.Point{point(0, operational(7), vaulted(90)), point(1, operational(8))}, retention.State{}, 700, "p000 O expire, p000 V expire, p001 O keep"},
		"copied before it goes":                {[]retention.Point{point(0, onExpiry), point(1, operational(8))}, retention.State{}, 7, "p000 O copy, p001 O keep"},
		"not copied before its time":           {[]retention.Point{point(0, onExpiry), point(1, operational(8))}, retention.State{}, 6, "p000 O keep, p001 O keep"},
		"goes when it is copied":               {[]retention.Point{point(0, onExpiry, vaulted(90)), point(1, operational(8))}, retention.State{}, 7, "p000 O expire, p000 V keep, p001 O keep"},
		"waits for a copy that is due later":   {[]retention.Point{point(0, later), point(1, operational(8))}, retention.State{}, 8, "p000 O keep, p001 O keep"},
		"copied although it would be the last": {[]retention.Point{point(0, onExpiry)}, retention.State{Vaulting: true}, 7, "p000 O copy"},
		"nothing is copied while stopped":      {[]retention.Point{point(0, onExpiry)}, retention.State{Stopped: true}, 7, "p000 O keep"},
		"the last that is whole stays too":     {[]retention.Point{point(0, vaulted(80)), point(1, vaulted(85)), point(2, damaged), point(3, damaged)}, retention.State{}, 700, "p000 V expire, p001 V keep, p002 V expire, p003 V keep"},
		"a whole copy stays, not a damaged":    {[]retention.Point{point(0, operational(7), damaged), point(1, damaged)}, retention.State{}, 700, "p000 O keep, p000 V expire, p001 V keep"},
		"damage is no reason to go early":      {[]retention.Point{point(0, damaged), point(1, operational(8))}, retention.State{}, 89, "p000 V keep, p001 O keep"},
		"a point without copies is no last":    {[]retention.Point{point(0, operational(7)), point(1)}, retention.State{}, 700, "p000 O keep"},
		"nothing at all":                       {nil, retention.State{}, 0, ""},
	} {
		if got := show(retention.Apply(c.points, c.state, day(c.now))); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// Expired under the terms it was taken under, whatever the instance did
// meanwhile: what a stop kept goes when protection is resumed.
func TestResumeCleansWhatHasExpired(t *testing.T) {
	points := []retention.Point{point(0, operational(7)), point(1, operational(8)), point(2, operational(9))}
	stopped := backup.Instance{Protection: backup.ProtectionStopped}
	if got := show(retention.Apply(points, retention.StateOf(&stopped, nil), day(100))); strings.Contains(got, "expire") {
		t.Errorf("while stopped: %s", got)
	}
	for _, state := range []backup.ProtectionState{backup.ProtectionConfigured, backup.BackupsSuspended, backup.ProtectionError} {
		i := backup.Instance{Protection: state}
		if got := show(retention.Apply(points, retention.StateOf(&i, nil), day(100))); got != "p000 O expire, p001 O expire, p002 O keep" {
			t.Errorf("%s: %s", state, got)
		}
	}
}

func TestStateKnowsWhetherBackupsGoToTheVault(t *testing.T) {
	i := &backup.Instance{}
	if retention.StateOf(i, policy(nil, rule("Default", here("P7D", "", "")))).Vaulting || retention.StateOf(i, nil).Vaulting {
		t.Error("vaulting without a vault")
	}
	if !retention.StateOf(i, policy(nil, rule("Default", here("P7D", "", "")), rule("Daily", vault("P7D")))).Vaulting {
		t.Error("no vaulting with a vault")
	}
}

func TestNextIsTheEarliestEnd(t *testing.T) {
	due := operational(7)
	due.CopyDue = day(3)
	points := []retention.Point{point(0, due), point(1, operational(5)), point(2, operational(30))}
	for now, want := range map[int]int{0: 3, 3: 5, 4: 5} {
		if got := retention.Next(retention.Apply(points, retention.State{}, day(now))); !got.Equal(day(want)) {
			t.Errorf("on day %d the next is %s, want day %d", now, got, want)
		}
	}
	if got := retention.Next(retention.Apply(points, retention.State{Stopped: true}, day(0))); !got.IsZero() {
		t.Errorf("stopped: %s", got)
	}
}

var drawCopy = rapid.Custom(func(t *rapid.T) retention.Copy {
	c := retention.Copy{Lacks: rapid.Bool().Draw(t, "lacks"), Damaged: rapid.IntRange(0, 3).Draw(t, "damaged") == 0}
	if rapid.IntRange(0, 9).Draw(t, "ends") > 0 {
		c.Expires = day(rapid.IntRange(0, 60).Draw(t, "expires"))
	}
	return c
})

var drawPoints = rapid.Custom(func(t *rapid.T) []retention.Point {
	var out []retention.Point
	for i := range rapid.IntRange(0, 12).Draw(t, "points") {
		p := retention.Point{ID: fmt.Sprintf("p%02d", i), Time: day(rapid.IntRange(0, 20).Draw(t, "taken"))}
		places := rapid.IntRange(0, 3).Draw(t, "places")
		if places&1 != 0 {
			c := drawCopy.Draw(t, "operational")
			c.Tier = backup.TierOperational
			if rapid.IntRange(0, 3).Draw(t, "copied") == 0 {
				c.CopyDue = day(rapid.IntRange(0, 60).Draw(t, "due"))
			}
			p.Copies = append(p.Copies, c)
		}
		if places&2 != 0 {
			c := drawCopy.Draw(t, "vault")
			c.Tier = backup.TierVault
			p.Copies = append(p.Copies, c)
		}
		out = append(out, p)
	}
	return out
})

var drawState = rapid.Custom(func(t *rapid.T) retention.State {
	return retention.State{Stopped: rapid.IntRange(0, 9).Draw(t, "stopped") == 0, Vaulting: rapid.Bool().Draw(t, "vaulting")}
})

// carryOut removes what expires; points without copies stay as such.
func carryOut(points []retention.Point, verdicts []retention.Verdict) []retention.Point {
	gone := expired(verdicts)
	var out []retention.Point
	for _, p := range points {
		var kept []retention.Copy
		for _, c := range p.Copies {
			if !gone[p.ID+string(c.Tier)] {
				kept = append(kept, c)
			}
		}
		out = append(out, retention.Point{ID: p.ID, Time: p.Time, Copies: kept})
	}
	return out
}

func expired(verdicts []retention.Verdict) map[string]bool {
	gone := map[string]bool{}
	for _, v := range verdicts {
		if v.Action == retention.Expire {
			gone[v.PointID+string(v.Tier)] = true
		}
	}
	return gone
}

// newest is the newest point that has such a copy, by its name when there are several.
func newest(points []retention.Point, such func(retention.Copy) bool) (out *retention.Point) {
	for i := range points {
		if p := &points[i]; slices.ContainsFunc(p.Copies, such) && (out == nil || p.Time.After(out.Time) || p.Time.Equal(out.Time) && p.ID > out.ID) {
			out = p
		}
	}
	return out
}

// The newest point stays, and the newest that is whole; of each as much as it has.
func TestNeverExpiresTheNewestPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points, state := drawPoints.Draw(t, "points"), drawState.Draw(t, "state")
		left := carryOut(points, retention.Apply(points, state, day(rapid.IntRange(0, 100).Draw(t, "now"))))
		whole := func(c retention.Copy) bool { return !c.Damaged }
		complete := func(c retention.Copy) bool { return !c.Damaged && !c.Lacks }
		for name, such := range map[string]func(retention.Copy) bool{"any": func(retention.Copy) bool { return true }, "whole": whole} {
			last, after := newest(points, such), newest(left, such)
			if (last == nil) != (after == nil) || last != nil && last.ID != after.ID {
				t.Fatalf("newest with %s copy was %+v, is %+v", name, last, after)
			}
			if last != nil && slices.ContainsFunc(last.Copies, complete) && !slices.ContainsFunc(after.Copies, complete) {
				t.Fatalf("%+v was complete, and %+v is left of it", last, after)
			}
		}
	})
}

func TestExpiresNothingBeforeItsTimeAndStaysExpired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points, state := drawPoints.Draw(t, "points"), drawState.Draw(t, "state")
		now := rapid.IntRange(0, 100).Draw(t, "now")
		early := expired(retention.Apply(points, state, day(now)))
		late := expired(retention.Apply(points, state, day(now+rapid.IntRange(0, 50).Draw(t, "later"))))
		for _, p := range points {
			for _, c := range p.Copies {
				key := p.ID + string(c.Tier)
				if early[key] && !late[key] {
					t.Fatalf("%s expires on day %d and not later", key, now)
				}
				if early[key] && (c.Expires.IsZero() || c.Expires.After(day(now))) {
					t.Fatalf("%s expires before its time", key)
				}
			}
		}
	})
}

func TestTheOrderOfPointsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points, state := drawPoints.Draw(t, "points"), drawState.Draw(t, "state")
		now := day(rapid.IntRange(0, 100).Draw(t, "now"))
		verdicts := retention.Apply(points, state, now)
		shuffled := append([]retention.Point{}, points...)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		other := map[string]retention.Verdict{}
		for _, v := range retention.Apply(shuffled, state, now) {
			other[v.PointID+string(v.Tier)] = v
		}
		for _, v := range verdicts {
			if other[v.PointID+string(v.Tier)] != v {
				t.Fatalf("%+v in one order, %+v in another", v, other[v.PointID+string(v.Tier)])
			}
		}
	})
}

// Carried out, there is nothing left to expire: also not for a step that was
// cut off half way.
func TestApplyIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points, state := drawPoints.Draw(t, "points"), drawState.Draw(t, "state")
		now := day(rapid.IntRange(0, 100).Draw(t, "now"))
		verdicts := retention.Apply(points, state, now)
		all := carryOut(points, verdicts)
		if again := expired(retention.Apply(all, state, now)); len(again) > 0 {
			t.Fatalf("again: %v", again)
		}
		half := carryOut(points, verdicts[:rapid.IntRange(0, len(verdicts)).Draw(t, "half")])
		rest := carryOut(half, retention.Apply(half, state, now))
		if fmt.Sprint(rest) != fmt.Sprint(all) {
			t.Fatalf("in one go %v, in two %v", all, rest)
		}
	})
}

// Until tells when to look again: before it nothing changes.
func TestNothingChangesBeforeNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points, state := drawPoints.Draw(t, "points"), drawState.Draw(t, "state")
		now := rapid.IntRange(0, 60).Draw(t, "now")
		verdicts := retention.Apply(points, state, day(now))
		next := retention.Next(verdicts)
		later := day(now + rapid.IntRange(0, 60).Draw(t, "later"))
		if next.IsZero() || later.Before(next) {
			if got := show(retention.Apply(points, state, later)); got != show(verdicts) {
				t.Fatalf("next is %s, and on %s: %s, before %s", next, later, got, show(verdicts))
			}
		} else if !next.After(day(now)) {
			t.Fatalf("next is %s, now %s", next, day(now))
		}
	})
}

func many(n int) []retention.Point {
	points := make([]retention.Point, n)
	for i := range points {
		points[i] = point(i%3000, operational(i%3000+7), vaulted(i%3000+400))
		points[i].ID = fmt.Sprint(i)
	}
	return points
}

// A hundred thousand points take less than a second; a quiet machine needs a
// few hundredths of one.
func BenchmarkApply100000(b *testing.B) {
	points := many(100_000)
	for b.Loop() {
		if got := retention.Apply(points, retention.State{Vaulting: true}, day(1500)); len(got) != 200_000 {
			b.Fatal(len(got))
		}
	}
}
