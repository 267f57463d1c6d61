package workflow

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/retention"
)

// The end of recovery points. One job for each instance sleeps until the next
// end that is known, and is woken by what may bring one forward: a backup, a
// copy or a restore that has ended, and a change of the protection. What it does
// is decided by package retention; each step does some of it.
//
//	vault:        store off the entry + order to unvault, in one transaction
//	operational:  marked as going, the cluster deletes, store off the entry
//	to be copied: a job that copies; the place goes once the copy is there
//
// An entry that is in no place any more is deleted.

// A cluster that is cut off for a month may come back all the same.
var expirePatience = patience{whole: 30 * 24 * time.Hour, silence: 30 * 24 * time.Hour}

const (
	expireLook  = 24 * time.Hour   // until the next look, at the latest
	expireSoon  = 15 * time.Minute // while something is on its way
	expireBatch = 50               // deletions at the cluster at one time, and in the vault in one step
	copyAgain   = 24 * time.Hour
)

// enqueueExpire asks for a look at what has expired of an instance.
func (t *turn) enqueueExpire(instanceID string) error {
	if instanceID == "" {
		return nil // a job over several
	}
	return inventory.Enqueue(t.tx, backup.Work{Kind: backup.WorkExpire, Subject: instanceID})
}

// StartExpiry makes sure that each instance has its job. Those that sleep
// already are not woken.
func StartExpiry(ctx context.Context, store catalog.Store) error {
	for after, next := "", ""; ; after = next {
		err := store.Update(ctx, func(tx catalog.Tx) (err error) {
			var instances []backup.Instance
			instances, next, err = inventory.Instances.Page(tx, "", after, 200) // after stays: the transaction may be run again
			for i := range instances {
				job, encode := inventory.JobOf(backup.Work{Kind: backup.WorkExpire, Subject: instances[i].ID})
				job.NotBefore = time.Unix(1, 0) // a time that has passed: at once, and no wake-up call
				if err = errors.Join(err, encode); err == nil {
					err = tx.Enqueue(job)
				}
			}
			return err
		})
		if err != nil || next == "" {
			return err
		}
	}
}

// expiring is one step for one instance.
type expiring struct {
	*turn
	instance *backup.Instance
	points   map[string]*backup.RecoveryPoint
	inUse    map[string]bool // by running jobs
	copying  bool            // a job is in its second half
	going    int             // deletions at the cluster
	dropped  int             // from the vault
	next     time.Time       // of the next look
}

// expire ends recovery points whose time is over, and says when to look again.
func (w *Workflow) expire(ctx context.Context, work backup.Work) (jobs.Result, error) {
	return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		instance, err := inventory.Instances.Get(t.tx, work.Subject)
		if errors.Is(err, catalog.ErrNotFound) {
			return jobs.Done(), nil
		}
		if err != nil || instance.State == backup.StateDeleting {
			return jobs.Again(expireLook), err // its points go, or stay, with it
		}
		e := &expiring{turn: t, instance: instance, next: t.now.Add(expireLook)}
		if err := e.run(); err != nil {
			return jobs.Result{}, fmt.Errorf("expire recovery points of %s: %w", instance.ID, err)
		}
		if len(e.points) == 0 {
			return jobs.Done(), nil // the next recovery point brings another job
		}
		return jobs.Again(e.next.Sub(t.now)), nil
	})
}

func (e *expiring) run() error {
	points, err := inventory.RecoveryPoints.Below(e.tx, e.instance.ID)
	if err != nil {
		return err
	}
	e.points = make(map[string]*backup.RecoveryPoint, len(points))
	candidates := make([]retention.Point, 0, len(points))
	for i := range points {
		e.points[points[i].Name()] = &points[i]
		candidates = append(candidates, retained(&points[i]))
	}
	if err := e.look(); err != nil {
		return err
	}
	for i := range points {
		if here := points[i].Place(backup.TierOperational); here != nil && here.Going != nil {
			if err := e.goOn(&points[i], here); err != nil {
				return err
			}
		}
	}
	policy, err := inventory.Policies.Get(e.tx, e.instance.PolicyID)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	for _, v := range retention.Apply(candidates, retention.StateOf(e.instance, policy), e.now) {
		if err := e.carryOut(v); err != nil {
			return err
		}
	}
	return nil
}

// retained is a recovery point as retention sees it: what goes already is not
// there any more.
func retained(p *backup.RecoveryPoint) retention.Point {
	out := retention.Point{ID: p.Name(), Time: p.Time}
	if p.State == backup.StateDeleting {
		return out
	}
	for _, s := range p.Stores {
		if s.Going != nil {
			continue
		}
		c := retention.Copy{Tier: s.Tier, Expires: s.Expires, Lacks: len(s.LeftOut) > 0, Damaged: s.Damage != nil}
		if s.Onward != nil {
			c.CopyDue = s.Onward.Due
		}
		out.Copies = append(out.Copies, c)
	}
	return out
}

// look finds out what running jobs use.
func (e *expiring) look() error {
	open, err := openJobs(e.tx, e.instance.ID)
	if err != nil {
		return err
	}
	e.inUse = map[string]bool{}
	for i := range open {
		e.inUse[open[i].RecoveryPointID] = true
		e.copying = e.copying || open[i].Vaulting != nil
	}
	return nil
}

// by moves the next look forward.
func (e *expiring) by(moment time.Time) {
	if moment.Before(e.next) {
		e.next = moment
	}
}

func (e *expiring) carryOut(v retention.Verdict) error {
	point := e.points[v.PointID]
	switch {
	case v.Action == retention.Keep:
		if !v.Until.IsZero() {
			e.by(v.Until)
		}
		return nil
	case v.Action == retention.Move:
		return e.copyOnward(point, point.Place(v.Tier))
	case e.inUse[v.PointID]:
		e.by(e.now.Add(expireSoon)) // the end of the job wakes, this is for when it does not
		return nil
	case v.Tier == backup.TierVault:
		return e.unvault(point)
	default:
		return e.begin(point, v.Reason)
	}
}

// begin lets the cluster delete a recovery point.
func (e *expiring) begin(point *backup.RecoveryPoint, why retention.Reason) error {
	if e.going >= expireBatch {
		return nil // the end of those before wakes
	}
	here := point.Place(backup.TierOperational)
	here.Going = &backup.Going{Since: e.now, Attempt: 1, Reason: string(why)}
	if err := inventory.RecoveryPoints.Put(e.tx, point); err != nil {
		return err
	}
	return e.goOn(point, here)
}

// goOn takes a deletion at the cluster one step on.
func (e *expiring) goOn(point *backup.RecoveryPoint, here *backup.RecoveryStore) error {
	if left := here.Going.After; left.After(e.now) {
		e.by(left)
		return nil
	}
	o, err := e.askCluster(point, here)
	switch {
	case err != nil:
		return err
	case o.State != agentops.Finished:
		e.going++
		e.by(e.now.Add(expireSoon))
		return nil
	case o.Outcome != agentv1.OutcomeSucceeded:
		return e.tryLater(point, here, problemOf(o))
	}
	return e.drop(point, backup.TierOperational)
}

// askCluster drives the operation that deletes a recovery point at the cluster.
func (e *expiring) askCluster(point *backup.RecoveryPoint, here *backup.RecoveryStore) (agentops.Operation, error) {
	ref, err := e.refsToDelete(e.instance, *here)
	if err != nil {
		return agentops.Operation{}, err
	}
	name := fmt.Sprintf("%s expiry %d", point.ID, here.Going.Attempt)
	o, err := newOperation(name, e.instance.Datasource.ID, agentv1.KindDeleteRecoveryPoint, agentv1.DeleteRecoveryPoint{
		InstanceID: e.instance.ID, RecoveryPointID: point.Name(), Repository: agentv1.RepositoryGrant{Prefix: here.Prefix},
	})
	if err != nil {
		return o, err
	}
	o.Refs = ref.pack()
	return e.drive(errand{Operation: o, started: here.Going.Since, patience: expirePatience})
}

// tryLater keeps a recovery point listed that the cluster could not delete.
func (e *expiring) tryLater(point *backup.RecoveryPoint, here *backup.RecoveryStore, why *backup.Problem) error {
	after := e.now.Add(backup.DeleteAgain)
	here.Going = &backup.Going{Since: after, Attempt: here.Going.Attempt + 1, Reason: here.Going.Reason, After: after, Problem: why}
	e.by(after)
	return inventory.RecoveryPoints.Put(e.tx, point)
}

// drop takes a place off the entry of a recovery point, and the entry with the
// last one.
func (e *expiring) drop(point *backup.RecoveryPoint, tier backup.Tier) error {
	point.DropStore(tier)
	if len(point.Stores) > 0 {
		return inventory.RecoveryPoints.Put(e.tx, point)
	}
	delete(e.points, point.Name())
	return inventory.RecoveryPoints.Delete(e.tx, point.ID)
}

// unvault ends a recovery point in the vault. The order to do so is given in the
// transaction that forgets it there.
func (e *expiring) unvault(point *backup.RecoveryPoint) error {
	if e.dropped >= expireBatch {
		e.by(e.now)
		return nil
	}
	e.dropped++
	at, err := vaultOf(e.tx, e.instance)
	if err != nil {
		return err
	}
	at.RecoveryPointID = point.Name()
	return errors.Join(e.drop(point, backup.TierVault),
		inventory.Enqueue(e.tx, backup.Work{Kind: backup.WorkUnvault, Subject: point.ID, Vaulted: at}))
}

// copyOnward starts the job that copies a recovery point to the vault. One at a
// time is enough: they could not overtake each other.
func (e *expiring) copyOnward(point *backup.RecoveryPoint, here *backup.RecoveryStore) error {
	if again := here.Onward.Tried.Add(copyAgain); again.After(e.now) && !here.Onward.Tried.IsZero() {
		e.by(again)
		return nil
	}
	if e.copying || e.inUse[point.Name()] {
		e.by(e.now.Add(expireSoon))
		return nil
	}
	e.copying = true
	here.Onward.Tried = e.now
	var random [10]byte
	rand.Read(random[:]) // documented never to fail
	job := e.instance.NewCopyJob(point, *here.Onward, e.now, random)
	return errors.Join(inventory.RecoveryPoints.Put(e.tx, point), inventory.Jobs.PutIf(e.tx, job, catalog.IfAbsent), inventory.Enqueue(e.tx, job.Work()))
}
