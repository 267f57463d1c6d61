package workflow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/repo"
)

// repairing is the repair of one repository: everything in it is read, what is
// damaged is brought back as far as it can be, and what is left is named.
type repairing struct {
	*Workflow
	at       *backup.VaultedPoint
	dry      bool
	progress func(repo.VerifyReport)
	found    verified
	// from are repositories that have the same: the replica, or the vault it is of.
	from  []*repo.Repository
	lines []string // for people
}

// carryRepair repairs a repository, or tells what that would do.
func (w *Workflow) carryRepair(ctx context.Context, job *backup.Job, at *backup.VaultedPoint, progress func(repo.VerifyReport)) outcome {
	r := &repairing{Workflow: w, at: at, dry: job.Upkeep.DryRun, progress: progress}
	done, err := r.run(ctx)
	if err == nil {
		return done
	}
	problem := backup.NewProblem(reasonOf(err), at.InstanceID, "%s of instance %s could not be repaired: %s", placeName(at), at.InstanceID, oneLine(err))
	if hopeless(err) {
		return outcome{detail: "not repaired", failed: true, warnings: []backup.Warning{{Resource: at.InstanceID, Problem: *problem}}}
	}
	return outcome{trouble: problem}
}

func (r *repairing) run(ctx context.Context) (outcome, error) {
	err := r.find(ctx)
	if err != nil || len(r.found.damaged)+len(r.found.report.Findings) == 0 {
		return outcome{detail: "nothing is damaged", verified: &r.found}, err
	}
	defer r.openOther(ctx)()
	in, err := r.open(ctx)
	if errors.Is(err, repo.ErrNoRepository) && r.dry {
		return r.planAnew(ctx), nil
	}
	if err != nil {
		return outcome{}, err
	}
	defer func() { _ = in.Close() }() // what counts is stored
	report, err := in.Repair(ctx, r.found.report, repo.RepairOptions{From: r.from, Dry: r.dry})
	if err != nil {
		return outcome{}, err
	}
	r.tell(report)
	back, err := r.bringBack(ctx, in)
	if err != nil {
		return outcome{}, err
	}
	left, err := r.left(ctx, report, back)
	if err != nil {
		return outcome{}, err
	}
	for _, warning := range left.warnings {
		r.line("lost: %s (%s)", warning.Resource, warning.Problem.Code)
	}
	done := outcome{detail: strings.Join(r.lines, "\n"), warnings: left.warnings, verified: &left}
	if r.dry {
		done.verified = &r.found
	}
	return done, nil
}

func (r *repairing) line(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// find reads everything.
func (r *repairing) find(ctx context.Context) (err error) {
	r.found, err = r.verifyAt(ctx, r.at, repo.VerifyOptions{Share: 1, Progress: r.progress})
	r.found.dry = r.dry
	return err
}

// openOther opens the repository that has the same, if there is one: what cannot be
// opened heals nothing, and is told. It returns what closes it.
func (r *repairing) openOther(ctx context.Context) (done func()) {
	other := *r.at
	err := r.Store.View(ctx, func(tx catalog.Tx) (err error) {
		if other.Region = ""; r.at.Region == "" {
			other.Region, err = inventory.ReplicaRegion(tx, r.at.InstanceID)
		}
		return err
	})
	if err == nil && other.Region == r.at.Region {
		r.line("there is no replica to take anything from")
		return func() {}
	}
	var opened *repo.Repository
	if err == nil {
		opened, err = r.openVaulted(ctx, &other)
	}
	if err != nil {
		r.line("nothing can be taken from %s: %s", placeName(&other), oneLine(err))
		return func() {}
	}
	r.from = append(r.from, opened)
	return func() { _ = opened.Close() } // nothing was written through it
}

// open opens the repository that is repaired. When the object is lost that makes it
// one, it is made anew, and looked at again.
func (r *repairing) open(ctx context.Context) (*repo.Repository, error) {
	in, err := r.openVaulted(ctx, r.at)
	if !errors.Is(err, repo.ErrNoRepository) || r.dry {
		return in, err
	}
	if r.at.Region != "" {
		in, err = r.openReplica(ctx, r.at)
	} else if err = r.makeVaulted(ctx, r.at); err == nil {
		in, err = r.openVaulted(ctx, r.at)
	}
	if err != nil {
		return nil, err
	}
	r.line("the object that makes it a repository is made anew")
	if err := r.find(ctx); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// planAnew is the plan where the object is lost that makes it a repository: behind it
// nothing can be read until that is there again.
func (r *repairing) planAnew(ctx context.Context) outcome {
	r.line("the object that makes it a repository is made anew; what else is damaged can be told then")
	return outcome{detail: strings.Join(r.lines, "\n"), warnings: r.found.warnings, verified: &r.found}
}

// tell says what a repair did, or would do.
func (r *repairing) tell(report repo.RepairReport) {
	r.line("%d recovery points of %d are damaged", len(r.found.damaged), r.found.report.Points)
	for _, one := range []struct {
		count int64
		text  string
	}{
		{report.Healed, "blocks are stored again"},
		{int64(len(report.Manifests)), "manifests are put back"},
		{int64(len(report.Condemned)), "damaged packs are given up: the next collection deletes those that nothing needs any more"},
		{int64(report.Segments), "index segments are made anew"},
	} {
		if one.count > 0 {
			r.line("%d %s", one.count, one.text)
		}
	}
}

// bringBack replicates the recovery points that are not there at all, and returns
// those that are there now, or would be.
func (r *repairing) bringBack(ctx context.Context, in *repo.Repository) (map[string]bool, error) {
	back := map[string]bool{}
	for point, why := range r.found.absent {
		if !errors.Is(why, repo.ErrNoRecoveryPoint) {
			continue // another is in its place, or it was made void
		}
		for _, from := range r.from {
			err := r.bringOne(ctx, from, in, point)
			if ctx.Err() != nil {
				return nil, err
			}
			if err == nil {
				back[point] = true
				r.line("recovery point %s is copied back", point)
				break
			}
			r.line("recovery point %s cannot be copied back: %s", point, oneLine(err))
		}
	}
	return back, nil
}

func (r *repairing) bringOne(ctx context.Context, from, in *repo.Repository, point string) error {
	if r.dry {
		return from.Verify(ctx, point)
	}
	_, err := repo.Replicate(ctx, from, in, point, repo.ReplicateOptions{})
	return err
}

// left is what is damaged after a repair, or would be. What a look at the structure
// does not show is known from what was read before.
func (r *repairing) left(ctx context.Context, report repo.RepairReport, back map[string]bool) (left verified, err error) {
	left = verified{report: r.found.report, damage: map[string]*backup.Damage{}, readAll: true}
	for point, why := range r.found.absent {
		if !back[point] {
			left.add(r.at, affected{Affected: repo.Affected{Point: point}, code: absenceOf(why), why: why})
		}
	}
	for _, a := range report.Lost {
		why := r.found.reason(a)
		left.add(r.at, affected{a, reasonOf(why), why})
	}
	if !r.dry {
		err = r.after(ctx, &left)
	}
	for point := range left.damage {
		left.damaged = append(left.damaged, point)
	}
	return left, err
}

// after looks at what is there now, and asks for what was given up to be collected.
func (r *repairing) after(ctx context.Context, left *verified) error {
	now, err := r.verifyAt(ctx, r.at, repo.VerifyOptions{})
	if err != nil {
		return err
	}
	for point, damage := range now.damage {
		if left.damage[point] == nil { // somebody damaged it meanwhile
			left.damage[point] = damage
			left.warnings = append(left.warnings, now.about(point)...)
		}
	}
	return r.Store.Update(ctx, func(tx catalog.Tx) error {
		return (&turn{tx: tx, now: r.Clock.Now()}).enqueueCollectAt(r.at, r.Clock.Now().Add(collectDelay))
	})
}

// reason is why something could not be restored.
func (v *verified) reason(a repo.Affected) error {
	for _, f := range v.report.Findings {
		for _, who := range f.Affected {
			if who == a {
				return f.Err
			}
		}
	}
	return repo.ErrDamaged
}

// about are the warnings about one recovery point.
func (v *verified) about(point string) (all []backup.Warning) {
	for _, w := range v.warnings {
		if strings.HasSuffix(w.Problem.Target, "/"+point) {
			all = append(all, w)
		}
	}
	return all
}
