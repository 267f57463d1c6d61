package retention_test

import (
	"fmt"
	"math/rand"
	"slices"
	"sort"
	"strconv"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/retention"
)

// Ten years of backups every four hours, with failures, changes of the policy,
// stops and suspensions, once with the rules under test, carried out step by
// step as the service does, and once with a slow model that was written from
// the sentences and looks at the whole history each time.

const decadeTicks = 10 * 365 * 6

// event is what happens at a tick, after which a backup may be taken.
type event struct {
	now     time.Time
	policy  *backup.Policy
	stopped bool
	backup  bool   // one succeeds
	named   string // the tag a person named for it
}

func decadePolicies() []*backup.Policy {
	return []*backup.Policy{
		policy(presets[:1], rule("Default", here("P7D", "", ""))),
		policy(presets, rule("Default", here("P7D", "", "")), rule("Daily", here("P7D", "ImmediateCopyOption", ""), vault("P30D")),
			rule("Weekly", here("P14D", "ImmediateCopyOption", ""), vault("P12W")), rule("Monthly", vault("P12M")), rule("Yearly", vault("P10Y"))),
		policy(presets[:3], rule("Default", here("P2D", "", "")), rule("Daily", here("P10D", "CopyOnExpiryOption", ""), vault("P90D")),
			rule("Weekly", here("P30D", "CustomCopyOption", "P5D"), vault("P1Y"))),
		policy([]backup.TaggingRule{presets[0], presets[3]}, rule("Default", here("P30D", "", "")), rule("Monthly", here("P360D", "", ""))),
	}
}

func decade(seed int64) []event {
	random := rand.New(rand.NewSource(seed))
	policies := decadePolicies()
	now := time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC)
	current, stopped, suspended, failing := policies[1], 0, 0, 0
	var out []event
	for range decadeTicks {
		now = now.Add(4 * time.Hour)
		e := event{now: now}
		switch n := random.Intn(3000); {
		case n == 0:
			stopped = 1 + random.Intn(1500)
		case n == 1:
			suspended = 1 + random.Intn(1500)
		case n < 6:
			current = policies[random.Intn(len(policies))]
		case n < 20:
			failing = random.Intn(120)
		}
		e.policy, e.stopped = current, stopped > 0
		e.backup = stopped <= 0 && suspended <= 0 && failing <= 0 && random.Intn(5) > 0
		if e.backup && random.Intn(50) == 0 {
			e.named = []string{"Default", "Monthly", "Weekly"}[random.Intn(3)]
		}
		stopped, suspended, failing = stopped-1, suspended-1, failing-1
		out = append(out, e)
	}
	return out
}

// replay lives through the events and returns what there is after each, as text.
func replay(t *testing.T, events []event, zone *time.Location) []string {
	t.Helper()
	var points []retention.Point
	var out []string
	stays := map[string]retention.Stay{}
	parsed := map[*backup.Policy][]retention.Tag{}
	for _, e := range events {
		if parsed[e.policy] == nil {
			parsed[e.policy] = tags(t, e.policy.Rules[0].Backup.Tags, zone)
		}
	}
	var tagged []time.Time
	for n, e := range events {
		if e.backup {
			tag := e.named
			if tag == "" {
				tag = retention.Choose(parsed[e.policy], e.now, tagged, zone).Tag
				tagged = []time.Time{e.now} // the newest is enough
			}
			terms := terms(t, e.policy, tag)
			p := retention.Point{ID: fmt.Sprintf("%05d", n), Time: e.now, Copies: []retention.Copy{
				{Tier: backup.TierOperational, Expires: terms.Operational.Until(e.now), CopyDue: terms.Due(e.now)}}}
			if terms.Vault != nil {
				stays[p.ID] = terms.Vault.Stay
				if terms.Vault.AtOnce {
					p.Copies = append(p.Copies, retention.Copy{Tier: backup.TierVault, Expires: terms.Vault.Stay.Until(e.now)})
				}
			}
			points = append(points, p)
		}
		state := retention.State{Stopped: e.stopped, Vaulting: e.policy.UsesVaultTier()}
		points = settle(points, state, e.now, stays)
		out = append(out, inventory(points))
	}
	return out
}

// settle does what the verdicts say until there is nothing to do.
func settle(points []retention.Point, state retention.State, now time.Time, stays map[string]retention.Stay) []retention.Point {
	for {
		changed := false
		for _, v := range retention.Apply(points, state, now) {
			if v.Action == retention.Keep {
				continue
			}
			changed = true
			i := slices.IndexFunc(points, func(p retention.Point) bool { return p.ID == v.PointID })
			if v.Action == retention.Move {
				points[i].Copies[0].CopyDue = time.Time{}
				points[i].Copies = append(points[i].Copies, retention.Copy{Tier: backup.TierVault, Expires: stays[v.PointID].Until(points[i].Time)})
			} else {
				points[i].Copies = slices.DeleteFunc(points[i].Copies, func(c retention.Copy) bool { return c.Tier == v.Tier })
			}
		}
		points = slices.DeleteFunc(points, func(p retention.Point) bool { return len(p.Copies) == 0 })
		if !changed {
			return points
		}
	}
}

func inventory(points []retention.Point) string {
	var all []string
	for _, p := range points {
		for _, c := range p.Copies {
			all = append(all, p.ID+string(c.Tier[0]))
		}
	}
	sort.Strings(all)
	return fmt.Sprint(all)
}

func TestADecadeAgainstASlowModel(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	events := decade(1)
	got, want := replay(t, events, zone), model(events, zone)
	backups := 0
	for i := range events {
		if got[i] != want[i] {
			t.Fatalf("tick %d, %s:\n got %s\nwant %s", i, events[i].now, got[i], want[i])
		}
		if events[i].backup {
			backups++
		}
	}
	if backups < 5000 {
		t.Errorf("only %d backups, which proves little", backups)
	}
}

// record is all the model knows of a backup, for ever.
type record struct {
	id                 string
	taken              time.Time
	keys               []string // of year, month, week and day, when the policy chose its tag
	endHere, endVault  time.Time
	due                time.Time
	here, vaulted, any bool
}

// model is the slow way.
func model(events []event, zone *time.Location) []string {
	var history []*record
	var alive []*record
	var out []string
	for n, e := range events {
		if e.backup {
			r := modelTake(e, fmt.Sprintf("%05d", n), history, zone)
			history, alive = append(history, r), append(alive, r)
		}
		if !e.stopped {
			// What is held back depends on what goes, so look until nothing goes.
			for modelLook(e, alive, history) {
			}
		}
		alive = slices.DeleteFunc(alive, func(r *record) bool { return !r.here && !r.vaulted })
		var all []string
		for _, r := range alive {
			if r.here {
				all = append(all, r.id+"O")
			}
			if r.vaulted {
				all = append(all, r.id+"V")
			}
		}
		sort.Strings(all)
		out = append(out, fmt.Sprint(all))
	}
	return out
}

// modelLook copies what is due and removes what may go now.
func modelLook(e event, alive, history []*record) (changed bool) {
	usesVault := false
	for _, r := range e.policy.Rules[1:] {
		for _, l := range r.Retention.Lifecycles {
			usesVault = usesVault || l.Source == backup.TierVault
		}
	}
	newerWith := func(r *record, has func(*record) bool) bool {
		for i := len(history) - 1; i >= 0 && history[i].taken.After(r.taken); i-- {
			if has(history[i]) {
				return true
			}
		}
		return false
	}
	isHere := func(r *record) bool { return r.here }
	isVaulted := func(r *record) bool { return r.vaulted }
	for _, r := range alive {
		if r.here && !r.vaulted && !r.any && !r.due.IsZero() && !e.now.Before(r.due) {
			r.vaulted, r.any, changed = true, true, true
		}
		lastOfAll := !newerWith(r, func(x *record) bool { return x.here || x.vaulted })
		if r.here && !e.now.Before(r.endHere) {
			outlived := r.vaulted && r.endVault.After(r.endHere)
			hold := lastOfAll && !outlived
			hold = hold || usesVault && (!newerWith(r, isHere) || r.vaulted && !newerWith(r, isVaulted))
			if !hold {
				r.here, changed = false, true
			}
		}
		if r.vaulted && !e.now.Before(r.endVault) {
			outlived := r.here && r.endHere.After(r.endVault)
			hold := lastOfAll && !outlived || usesVault && !newerWith(r, isVaulted)
			if !hold {
				r.vaulted, changed = false, true
			}
		}
	}
	return changed
}

// modelTake writes a backup down, with the terms of the policy of that moment.
func modelTake(e event, id string, history []*record, zone *time.Location) *record {
	r := &record{id: id, taken: e.now, here: true}
	tag := e.named
	if tag == "" {
		local := e.now.In(zone)
		civil := time.Date(local.Year(), local.Month(), local.Day(), 12, 0, 0, 0, time.UTC)
		sundays := (civil.Unix()/86400 - 3) / 7 // 1970-01-04 was a Sunday
		r.keys = []string{local.Format("2006"), local.Format("2006-01"), "w" + strconv.FormatInt(sundays, 10), local.Format("2006-01-02")}
		tag = "Default"
		for i, name := range []string{"Yearly", "Monthly", "Weekly", "Daily"} {
			if tag == "Default" && hasTag(e.policy, name) && !slices.ContainsFunc(history, func(h *record) bool { return h.keys != nil && h.keys[i] == r.keys[i] }) {
				tag = name
			}
		}
	}
	days := func(t time.Time, n int) time.Time { return t.AddDate(0, 0, n) }
	// The policies once more, by hand.
	at := e.now
	switch len(e.policy.Rules) {
	case 2:
		r.endHere = days(at, 7)
	case 6:
		r.endHere = days(at, map[string]int{"Weekly": 14}[tag]|7*b2i(tag != "Weekly"))
		r.endVault = map[string]time.Time{"Daily": days(at, 30), "Weekly": days(at, 84), "Monthly": at.AddDate(0, 12, 0), "Yearly": at.AddDate(10, 0, 0)}[tag]
		r.vaulted = tag != "Default"
	case 4:
		r.endHere = days(at, 2)
		switch tag {
		case "Daily":
			r.endHere, r.endVault, r.due = days(at, 10), days(at, 90), days(at, 10)
		case "Weekly":
			r.endHere, r.endVault, r.due = days(at, 30), at.AddDate(1, 0, 0), days(at, 5)
		}
	case 3:
		r.endHere = days(at, 30)
		if tag == "Monthly" {
			r.endHere = days(at, 360)
		}
	}
	r.any = r.vaulted
	return r
}

func hasTag(p *backup.Policy, name string) bool {
	return slices.ContainsFunc(p.Rules[0].Backup.Tags, func(t backup.TaggingRule) bool { return t.Name == name })
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
