package retention

import (
	"slices"
	"time"

	"holdfast.dev/holdfast/internal/backup"
)

// Point is a recovery point that can be restored.
type Point struct {
	ID   string
	Time time.Time // the moment it stands for
	// Copies are one for each tier at most. What is going already is not listed, so
	// that it is not relied upon.
	Copies []Copy
}

// Copy is a recovery point in one tier.
type Copy struct {
	Tier    backup.Tier
	Expires time.Time // by the terms it was taken under; zero: never
	// CopyDue is when the point is to be copied to the vault from here; zero: never,
	// or not any more.
	CopyDue time.Time
	Lacks   bool // volumes that another copy of the point has
	Damaged bool // known not to be whole
}

// State is what of an instance's protection matters here.
type State struct {
	Stopped  bool // everything is kept; suspended backups are not stopped
	Vaulting bool // the policy uses the vault
}

// StateOf reads the state of an instance; its policy may be nil, when it is gone.
func StateOf(i *backup.Instance, p *backup.Policy) State {
	return State{Stopped: i.Protection == backup.ProtectionStopped, Vaulting: p != nil && p.UsesVaultTier()}
}

// Action is what happens to a copy.
type Action string

// Actions.
const (
	Keep   Action = "keep"
	Move   Action = "copy" // to the vault; until it is there, this one stays
	Expire Action = "expire"
)

// Reason is one clause, for people.
type Reason string

// Reasons.
const (
	Stopped       Reason = "protection is stopped, which keeps every recovery point"
	NoEnd         Reason = "its retention has no end"
	Running       Reason = "its retention has not ended"
	LastPoint     Reason = "it is the last recovery point, which is kept beyond its retention"
	LastWhole     Reason = "it is the last recovery point without damage, which is kept beyond its retention"
	NewestInTier  Reason = "it is the newest of its tier while backups go to the vault"
	BehindNewest  Reason = "the newest recovery point in the vault was made from it, and the next is compared with it"
	NotYetCopied  Reason = "it is to be copied to the vault before its retention may end it"
	CopyIsDue     Reason = "it is due to be copied to the vault"
	RetentionOver Reason = "its retention has ended"
)

// Verdict is what happens to one copy of a point.
type Verdict struct {
	PointID string
	Tier    backup.Tier
	Action  Action
	Reason  Reason
	// Until is when time alone may change the verdict; zero: never.
	Until time.Time
}

// Apply decides about every copy of all points of one instance. A copy expires
// when its own end has come, unless
//
//   - protection is stopped: everything stays;
//   - the point is the newest, or the newest that has an undamaged copy: of it, the
//     copy that is whole, complete and ends last stays, however old it is, so that
//     there is always one to restore from;
//   - backups go to the vault and the copy is the newest of its tier, or the
//     operational copy of the newest point in the vault;
//   - the point is still to be copied to the vault: that is done first.
//
// The verdicts do not depend on the order of the points, and with the same
// points and state what expires at one moment expires at every later one.
func Apply(points []Point, state State, now time.Time) []Verdict {
	out := make([]Verdict, 0, 2*len(points))
	judgeAll(points, state, now, func(_ *Point, v Verdict) { out = append(out, v) })
	return out
}

func judgeAll(points []Point, state State, now time.Time, take func(*Point, Verdict)) {
	last := landmarksOf(points)
	for i := range points {
		p := &points[i]
		vaulted := p.in(backup.TierVault) != nil
		for j := range p.Copies {
			c := &p.Copies[j]
			v := Verdict{PointID: p.ID, Tier: c.Tier}
			v.Action, v.Reason, v.Until = last.judge(p, c, vaulted, state, now)
			take(p, v)
		}
	}
}

// Next is the earliest moment at which time alone may change a verdict; zero:
// never.
func Next(verdicts []Verdict) time.Time {
	var next time.Time
	for i := range verdicts {
		if u := verdicts[i].Until; !u.IsZero() && (next.IsZero() || u.Before(next)) {
			next = u
		}
	}
	return next
}

// landmarks are the copies that may outlive their retention.
type landmarks struct {
	last        *Copy // of the newest point
	whole       *Copy // of the newest point that has an undamaged one
	operational *Point
	vaulted     *Point
}

func landmarksOf(points []Point) landmarks {
	var newest, whole *Point
	var out landmarks
	for i := range points {
		p := &points[i]
		if len(p.Copies) == 0 {
			continue
		}
		if p.newer(newest) {
			newest = p
		}
		if p.newer(whole) && p.whole() {
			whole = p
		}
		if p.in(backup.TierOperational) != nil && p.newer(out.operational) {
			out.operational = p
		}
		if p.in(backup.TierVault) != nil && p.newer(out.vaulted) {
			out.vaulted = p
		}
	}
	if newest != nil {
		out.last = newest.best()
	}
	if whole != nil {
		out.whole = whole.best()
	}
	return out
}

func (l landmarks) judge(p *Point, c *Copy, vaulted bool, state State, now time.Time) (Action, Reason, time.Time) {
	toCopy := !vaulted && !c.CopyDue.IsZero()
	over := !c.Expires.IsZero() && !now.Before(c.Expires)
	operational := c.Tier == backup.TierOperational
	switch {
	case state.Stopped:
		return Keep, Stopped, time.Time{}
	case toCopy && !now.Before(c.CopyDue):
		return Move, CopyIsDue, time.Time{}
	case toCopy && over:
		return Keep, NotYetCopied, c.CopyDue
	case !over && c.Expires.IsZero() && !toCopy:
		return Keep, NoEnd, time.Time{}
	case !over:
		return Keep, Running, c.next(toCopy)
	case c == l.last:
		return Keep, LastPoint, time.Time{}
	case c == l.whole:
		return Keep, LastWhole, time.Time{}
	case state.Vaulting && operational && p == l.vaulted:
		return Keep, BehindNewest, time.Time{}
	case state.Vaulting && (operational && p == l.operational || c.Tier == backup.TierVault && p == l.vaulted):
		return Keep, NewestInTier, time.Time{}
	}
	return Expire, RetentionOver, time.Time{}
}

// next is when something comes due for a copy whose retention runs.
func (c *Copy) next(toCopy bool) time.Time {
	if toCopy && (c.Expires.IsZero() || c.CopyDue.Before(c.Expires)) {
		return c.CopyDue
	}
	return c.Expires
}

func (p *Point) in(tier backup.Tier) *Copy {
	for i := range p.Copies {
		if p.Copies[i].Tier == tier {
			return &p.Copies[i]
		}
	}
	return nil
}

func (p *Point) newer(than *Point) bool {
	if than == nil || !p.Time.Equal(than.Time) {
		return than == nil || p.Time.After(than.Time)
	}
	return p.ID > than.ID
}

// whole says whether there is a copy that is not known to be damaged.
func (p *Point) whole() bool {
	return slices.ContainsFunc(p.Copies, func(c Copy) bool { return !c.Damaged })
}

// best is the copy to keep when only one can be: one that is not damaged, lacks
// nothing, and ends last.
func (p *Point) best() *Copy {
	best := &p.Copies[0]
	for i := range p.Copies {
		if c := &p.Copies[i]; c.better(best) {
			best = c
		}
	}
	return best
}

func (c *Copy) better(than *Copy) bool {
	if c.Damaged != than.Damaged {
		return than.Damaged
	}
	if c.Lacks != than.Lacks {
		return than.Lacks
	}
	if !c.Expires.Equal(than.Expires) {
		return c.Expires.IsZero() || !than.Expires.IsZero() && c.Expires.After(than.Expires)
	}
	return c.Tier > than.Tier
}
