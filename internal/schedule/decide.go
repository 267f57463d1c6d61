package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// Rule is a schedule with a name.
type Rule struct {
	Name string
	Schedule
}

// Calendar is everything that is due for one thing. Where two rules are due at
// the same moment, the first stands for both.
type Calendar []Rule

// next returns the first due time after a moment, and whose it is.
func (c Calendar) next(after time.Time) (due time.Time, rule string) {
	for _, r := range c {
		if d := r.Next(after); due.IsZero() || (!d.IsZero() && d.Before(due)) {
			due, rule = d, r.Name
		}
	}
	return due, rule
}

// last returns the last due time that is not after a moment.
func (c Calendar) last(until time.Time) (due time.Time) {
	for _, r := range c {
		if d := r.Last(until); d.After(due) {
			due = d
		}
	}
	return due
}

// Slot is one due time as one key, out of many that are due together, carries it out.
type Slot struct {
	Due   time.Time
	Rule  string
	Start time.Time // the moment of the window that falls to the key
	End   time.Time // of the window: whatever starts later is late
}

// Share is the part of the window that starts are spread over, in quarters; the
// rest is there for those that have to wait for others.
const Share = 3

// After returns the first slot that is due after a moment; the zero Slot when
// nothing is due ever. The window is cut short where the next due time would fall
// into it.
func (c Calendar) After(after time.Time, key string, window time.Duration) Slot {
	due, rule := c.next(after)
	if due.IsZero() {
		return Slot{}
	}
	following, _ := c.next(due)
	window = min(window, following.Sub(due))
	return Slot{Due: due, Rule: rule, Start: due.Add(spread(key, window*Share/4)), End: due.Add(window)}
}

// spread returns a part of the window, always the same for a key: so that one
// thing is done at even distances, and thousands are not done at once.
func spread(key string, window time.Duration) time.Duration {
	seconds := uint64(window / time.Second)
	if seconds == 0 {
		return 0
	}
	sum := sha256.Sum256([]byte(key))
	return time.Duration(binary.BigEndian.Uint64(sum[:])%seconds) * time.Second
}

// State is what is known of a key when it is decided upon.
type State struct {
	Key    string
	Window time.Duration
	// Due is the first due time that was not dealt with, as After or a Decision
	// gave it.
	Due time.Time
	// Stopped says why nothing is to be started at all; empty when it is.
	Stopped string
	// Hold says why it has to wait for something else; empty when it has not.
	Hold string
}

// Action is what is to be done.
type Action string

// Actions.
const (
	Start Action = "start"
	Wait  Action = "wait"
	Skip  Action = "skip" // its due times pass without a start
)

// Decision is an action, and why.
type Decision struct {
	Action Action
	Slot   Slot      // that is started, waited for or skipped
	Next   Slot      // after this one; on Wait it is this one
	Late   bool      // a start after the end of the window
	Missed int       // due times before Slot that pass without a start
	First  time.Time // of those missed
	Reason string    // one clause, for people
}

// Decide says what to do with a key at a moment. However many due times have
// passed, there is one start for them, and none before its time.
func (c Calendar) Decide(s State, now time.Time) Decision {
	current := c.After(s.Due.Add(-1), s.Key, s.Window)
	d := Decision{Action: Wait, Slot: current, Next: current}
	switch {
	case current.Due.IsZero():
		d.Reason = "nothing is due"
		return d
	case now.Before(current.Start) && now.Before(current.Due):
		d.Reason = "it is not due before " + stamp(current.Due)
		return d
	case now.Before(current.Start):
		d.Reason = fmt.Sprintf("it was due at %s and has its place in the window at %s", stamp(current.Due), stamp(current.Start))
		return d
	}
	c.passOver(&d, s, now)
	following := c.After(d.Slot.Due, s.Key, s.Window)
	switch {
	case s.Stopped != "":
		d.Action, d.Next, d.Reason = Skip, following, s.Stopped
	case s.Hold != "":
		d.Next, d.Reason = current, s.Hold // it keeps its place before those that came later
	default:
		d.Action, d.Next, d.Late = Start, following, now.After(d.Slot.End)
		d.Reason = d.started()
	}
	return d
}

// passOver makes the last due time that has come the one that is started; those
// before it are missed.
func (c Calendar) passOver(d *Decision, s State, now time.Time) {
	last := c.last(now)
	for d.Slot.Due.Before(last) {
		if d.Missed == 0 {
			d.First = d.Slot.Due
		}
		d.Missed++
		next, _ := c.next(d.Slot.Due)
		d.Slot.Due = next
	}
	if d.Missed > 0 {
		d.Slot = c.After(d.Slot.Due.Add(-1), s.Key, s.Window)
	}
}

func (d Decision) started() string {
	reason := "it was due at " + stamp(d.Slot.Due)
	if d.Late {
		reason += fmt.Sprintf(", and is started after the window that ended at %s", stamp(d.Slot.End))
	}
	if d.Missed > 0 {
		reason += fmt.Sprintf("; it makes up for %d due times without a start since %s", d.Missed, stamp(d.First))
	}
	return reason
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
