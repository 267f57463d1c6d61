package retention

import (
	"iter"
	"slices"
	"strconv"
	"time"

	"holdfast.dev/holdfast/internal/backup"
)

// Forecast is what a policy makes of a run of backups.
type Forecast struct {
	Lives []Life // of every recovery point, oldest first
}

// Life is the life of a recovery point.
type Life struct {
	Taken  time.Time
	Tag    string
	Reason string // for the tag
	Stays  []Sojourn
}

// Sojourn is the time of a recovery point in one tier.
type Sojourn struct {
	Tier    backup.Tier
	From    time.Time
	Expires time.Time // by its terms; zero: never
	Deleted time.Time // zero: not in the time that was played
	Reason  Reason    // why it was still there at the end, or went
}

// There says whether the copy is there at a moment.
func (s Sojourn) There(at time.Time) bool {
	return !at.Before(s.From) && (s.Deleted.IsZero() || at.Before(s.Deleted))
}

// Play lets every due backup succeed at once, and what is to be copied be copied
// at once, until a moment. due gives the moments, in order, with the rule of
// each. At most one backup a day goes to the vault.
func Play(p *backup.Policy, due iter.Seq2[time.Time, *backup.BackupRule], until time.Time) (*Forecast, error) {
	pl := player{policy: p, state: State{Vaulting: p.UsesVaultTier()}, triggers: map[*backup.BackupRule]*trigger{}}
	for at, rule := range due {
		tr, err := pl.triggerOf(rule)
		if err != nil {
			return nil, err
		}
		pl.pass(at)
		if err := pl.take(at, tr); err != nil {
			return nil, err
		}
	}
	pl.pass(until)
	return &Forecast{pl.lives}, nil
}

// player is the state of things at one moment.
type player struct {
	policy   *backup.Policy
	state    State
	triggers map[*backup.BackupRule]*trigger
	lives    []Life
	live     []Point // the ID is the index of the life
	tagged   time.Time
	stays    map[int]Stay // in the vault, of those that are still to be copied
	now      time.Time
}

// trigger is a backup rule that has been read.
type trigger struct {
	zone *time.Location
	tags []Tag
}

func (pl *player) triggerOf(rule *backup.BackupRule) (*trigger, error) {
	if tr, ok := pl.triggers[rule]; ok {
		return tr, nil
	}
	zone, err := rule.Zone()
	if err != nil {
		return nil, err
	}
	tags, err := Tags(rule, zone)
	pl.triggers[rule] = &trigger{zone, tags}
	return pl.triggers[rule], err
}

// take makes a recovery point.
func (pl *player) take(at time.Time, tr *trigger) error {
	var earlier []time.Time
	if !pl.tagged.IsZero() {
		earlier = []time.Time{pl.tagged}
	}
	choice := Choose(tr.tags, at, earlier, tr.zone)
	terms, err := TermsOf(pl.policy, choice.Tag)
	if err != nil {
		return err
	}
	pl.tagged, pl.now = at, at
	if terms.Vault != nil && pl.vaultedOn(at, tr.zone) {
		terms.Vault = nil
	}
	id := len(pl.lives)
	pl.lives = append(pl.lives, Life{Taken: at, Tag: choice.Tag, Reason: choice.Reason})
	pl.live = append(pl.live, Point{ID: strconv.Itoa(id), Time: at})
	p := &pl.live[len(pl.live)-1]
	pl.store(p, Copy{Tier: backup.TierOperational, Expires: terms.Operational.Until(at), CopyDue: terms.Due(at)})
	if terms.Vault == nil {
		return nil
	}
	if !terms.Vault.AtOnce {
		if pl.stays == nil {
			pl.stays = map[int]Stay{}
		}
		pl.stays[id] = terms.Vault.Stay
	} else {
		pl.store(p, Copy{Tier: backup.TierVault, Expires: terms.Vault.Stay.Until(at)})
	}
	return nil
}

// vaultedOn says whether a point of that day has gone to the vault, or is to go.
func (pl *player) vaultedOn(at time.Time, zone *time.Location) bool {
	begin := Day.begin(at.In(zone))
	for i, l := range slices.Backward(pl.lives) {
		if !Day.begin(l.Taken.In(zone)).Equal(begin) {
			return false
		}
		if _, planned := pl.stays[i]; planned || len(l.Stays) > 1 {
			return true
		}
	}
	return false
}

func (pl *player) store(p *Point, c Copy) {
	p.Copies = append(p.Copies, c)
	l := pl.life(p)
	l.Stays = append(l.Stays, Sojourn{Tier: c.Tier, From: pl.now, Expires: c.Expires})
}

func (pl *player) life(p *Point) *Life {
	id, _ := strconv.Atoi(p.ID) // it was made from a number
	return &pl.lives[id]
}

// pass lets time pass, looking whenever something comes due.
func (pl *player) pass(until time.Time) {
	for !pl.now.After(until) {
		next := pl.look()
		if next.IsZero() || next.After(until) {
			return
		}
		pl.now = next
	}
}

// look carries out what is to be done now and returns when to look again.
func (pl *player) look() (next time.Time) {
	for changed := true; changed; {
		changed, next = false, time.Time{}
		judgeAll(pl.live, pl.state, pl.now, func(p *Point, v Verdict) {
			if !v.Until.IsZero() && (next.IsZero() || v.Until.Before(next)) {
				next = v.Until
			}
			changed = pl.carryOut(p, v) || changed
		})
		if changed {
			pl.tidy()
		}
	}
	return next
}

// carryOut notes what becomes of a copy; what goes is taken off afterwards.
func (pl *player) carryOut(p *Point, v Verdict) (changed bool) {
	stays := pl.life(p).Stays
	s := &stays[slices.IndexFunc(stays, func(s Sojourn) bool { return s.Tier == v.Tier })]
	s.Reason = v.Reason
	if v.Action == Expire {
		s.Deleted = pl.now
	}
	return v.Action != Keep
}

// tidy takes off what was deleted and adds what was to be copied.
func (pl *player) tidy() {
	var left []Point
	for _, p := range pl.live {
		l := pl.life(&p)
		p.Copies = slices.DeleteFunc(p.Copies, func(c Copy) bool {
			i := slices.IndexFunc(l.Stays, func(s Sojourn) bool { return s.Tier == c.Tier })
			return !l.Stays[i].Deleted.IsZero()
		})
		if len(l.Stays) == 1 && l.Stays[0].Reason == CopyIsDue {
			id, _ := strconv.Atoi(p.ID)
			p.Copies[0].CopyDue = time.Time{}
			pl.store(&p, Copy{Tier: backup.TierVault, Expires: pl.stays[id].Until(p.Time)})
		}
		if len(p.Copies) > 0 {
			left = append(left, p)
		}
	}
	pl.live = left
}

// At lists what is there at a moment: the lives and, of each, the tiers it has.
func (f *Forecast) At(at time.Time) []Life {
	var out []Life
	for _, l := range f.Lives {
		all := l.Stays
		l.Stays = nil
		for _, s := range all {
			if s.There(at) {
				l.Stays = append(l.Stays, s)
			}
		}
		if len(l.Stays) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// Peak returns the most copies that are in a tier at one time, and when that is
// so for the first time.
func (f *Forecast) Peak(tier backup.Tier) (most int, when time.Time) {
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, l := range f.Lives {
		for _, s := range l.Stays {
			if s.Tier != tier {
				continue
			}
			changes = append(changes, change{s.From, 1})
			if !s.Deleted.IsZero() {
				changes = append(changes, change{s.Deleted, -1})
			}
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.by - b.by // what goes goes first
	})
	count := 0
	for _, c := range changes {
		if count += c.by; count > most {
			most, when = count, c.at
		}
	}
	return most, when
}
