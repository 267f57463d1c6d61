package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/repo/layout"
)

// GCOptions say how garbage is collected. The zero value waits for nobody, and
// believes nobody dead.
type GCOptions struct {
	// Dead reports whether the writer of a recovery point is believed dead. Its
	// recovery point is made void, so a wrong belief costs that backup, and
	// nothing else.
	Dead func(point string) bool
	// Wait is called while recovery points are being written that have to be
	// finished first, and returns when it is time to look again. nil does not
	// wait: ErrBusy.
	Wait func(ctx context.Context, writing []string) error
	// Live is the share of a pack that must be needed for it to stay as it is; 0
	// means a half. What is needed of other packs is stored again in new ones.
	Live float64
}

// ErrBusy means that recovery points are being written, and that garbage can
// be told from what they store only when they are finished.
var ErrBusy = errors.New("recovery points are being written")

// GCPack is what a plan says of a pack.
type GCPack struct {
	ID         string
	Bytes      int64 // of the object
	Blocks     int64 // in it
	LiveBlocks int64 // that a recovery point needs
	Live       float64
}

// GCPlan says what collecting garbage would do, and why. It is a value: nothing
// was changed.
type GCPlan struct {
	Points   int // recovery points that were read
	Packs    int
	Bytes    int64    // of all packs
	Delete   []GCPack // nothing in them is needed
	Rewrite  []GCPack // too little of them is needed
	Pending  []string // condemned before
	Kept     int      // packs that stay as they are
	Writing  []string // recovery points being written: until they are finished nothing is deleted
	Dead     []string // those that would be made void
	Merge    int      // index segments that would become one
	Segments int      // index segments there are
	// Damages are blocks that are nowhere, and packs that cannot be read.
	Damages []*Damage

	pages int // of what is lost
}

// String tells the plan, a line for each thing.
func (p GCPlan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d recovery points need blocks of %d packs, %d bytes\n", p.Points, p.Packs, p.Bytes)
	tell := func(list []GCPack, text string) {
		bytes := int64(0)
		for _, one := range list {
			bytes += one.Bytes
		}
		if len(list) > 0 {
			fmt.Fprintf(&b, "%s: %d packs, %d bytes\n", text, len(list), bytes)
		}
	}
	tell(p.Delete, "delete, since nothing in them is needed")
	tell(p.Rewrite, "store again what is needed of them, and delete")
	for what, n := range map[string]int{"packs stay as they are": p.Kept, "packs were condemned before": len(p.Pending),
		"index segments become one": p.Merge, "damages": len(p.Damages)} {
		if n > 0 {
			fmt.Fprintf(&b, "%d %s\n", n, what)
		}
	}
	for _, id := range p.Dead {
		fmt.Fprintf(&b, "recovery point %s becomes void: its writer is believed dead\n", id)
	}
	for _, id := range p.Writing {
		fmt.Fprintf(&b, "wait for recovery point %s: it is being written\n", id)
	}
	lines := strings.SplitAfter(b.String(), "\n")
	slices.Sort(lines[1:])
	return strings.Join(lines, "")
}

// GCResult is what collecting garbage did.
type GCResult struct {
	Plan     GCPlan
	Deleted  int   // packs
	Freed    int64 // bytes of these
	Carried  int64 // blocks stored again
	Stored   int64 // bytes of packs and segments stored
	Voided   []string
	Replaced int // index segments
	// Pending are packs that stay condemned: not all that is needed of them can
	// be read. Repair, or the next backup, brings it.
	Pending []string
	Damages []*Damage
}

// PlanGC finds out what CollectGarbage would do now, without changing anything.
func (r *Repository) PlanGC(ctx context.Context, options GCOptions) (GCPlan, error) {
	candidates, err := r.packs(ctx) // before the announcements: see CollectGarbage
	var writing []layout.ID
	if err == nil {
		_, writing, err = r.announced(ctx)
	}
	if err != nil {
		return GCPlan{}, fmt.Errorf("plan garbage collection: %w", err)
	}
	v, err := r.look(ctx)
	if err != nil {
		return GCPlan{}, fmt.Errorf("plan garbage collection: %w", err)
	}
	defer v.close()
	plan, err := v.plan(ctx, candidates, options)
	for _, id := range writing {
		if options.Dead != nil && options.Dead(id.String()) {
			plan.Dead = append(plan.Dead, id.String())
		} else {
			plan.Writing = append(plan.Writing, id.String())
		}
	}
	return plan, wrap(err, "plan garbage collection")
}

// plan judges the packs among the candidates.
func (v *view) plan(ctx context.Context, candidates map[layout.ID]int64, options GCOptions) (GCPlan, error) {
	c, err := v.take(ctx)
	if err != nil {
		return GCPlan{}, err
	}
	uses, err := c.uses()
	if err != nil {
		return GCPlan{}, err
	}
	p := GCPlan{Points: c.points, Packs: len(v.packs), Segments: len(v.segments), pages: c.pages, Damages: append(c.lost, v.damages...)}
	for id, size := range v.packs {
		p.Bytes += size
		_, candidate := candidates[id]
		p.judge(v, id, size, uses[id], candidate, cmp.Or(options.Live, 0.5))
	}
	byID := func(a, b GCPack) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(p.Delete, byID)
	slices.SortFunc(p.Rewrite, byID)
	slices.Sort(p.Pending)
	condemned := v.dooms(p)
	p.Merge = len(v.chosen(condemned))
	return p, nil
}

// judge decides on one pack.
func (p *GCPlan) judge(v *view, id layout.ID, size int64, u use, candidate bool, least float64) {
	one := GCPack{ID: id.String(), Bytes: size, Blocks: u.blocks, LiveBlocks: u.kept, Live: float64(u.live) / float64(max(u.bytes, 1))}
	switch {
	case v.condemned[id]:
		p.Pending = append(p.Pending, one.ID)
	case !candidate || !v.indexed[id]: // of a writer at work, or nobody can tell what is in it
		p.Kept++
	case u.kept == 0:
		p.Delete = append(p.Delete, one)
	case one.Live < least:
		p.Rewrite = append(p.Rewrite, one)
	default:
		p.Kept++
	}
}

// dooms returns the packs that would go.
func (v *view) dooms(p GCPlan) map[layout.ID]bool {
	doomed := maps.Clone(v.gone)
	for id := range v.condemned {
		doomed[id] = true
	}
	for _, list := range [][]GCPack{p.Delete, p.Rewrite} {
		for _, one := range list {
			if id, err := layout.ParseID(one.ID); err == nil {
				doomed[id] = true
			}
		}
	}
	return doomed
}
