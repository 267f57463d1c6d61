package workflow

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/keys"
)

// KindCare is the kind of the job that starts the collection and the
// verification of repositories in the vault when they are due. It is enqueued
// once, at start, and never ends.
const KindCare = "vault-care"

// Care says how repositories in the vault are looked after. The zero value does
// nothing by itself, and one thing at a time when asked.
type Care struct {
	CollectEvery time.Duration // garbage is collected; 0: only after deletions
	VerifyEvery  time.Duration // 0: only when somebody asks
	VerifyData   backup.VerifyData
	Sample       float64 // the share of the data that VerifySample reads, 0 to 1
	AtOnce       int     // how many repositories are worked on at a time; at least 1
}

const (
	careLook = 5 * time.Minute // how late something that is due may start
	carePage = 500             // instances looked at in one transaction
	// careLate is how late something starts only after a downtime. Then much is late
	// at once, and is spread over a fourth of its period.
	careLate = 3 * careLook
)

// StartCare enqueues the job that starts what is due, once.
func StartCare(ctx context.Context, store catalog.Store) error {
	return startForGood(ctx, store, KindCare)
}

// care starts what is due. What cannot be started does not hold up the rest; it
// is still due at the next look.
func (w *Workflow) care(ctx context.Context, _ json.RawMessage) (jobs.Result, error) {
	if w.Care.CollectEvery <= 0 && w.Care.VerifyEvery <= 0 {
		return jobs.Done(), nil // until the service starts again, with other flags
	}
	due, err := dueForCare(ctx, w, inventory.Instances, func(i *backup.Instance) string { return i.ID })
	if err != nil {
		return jobs.Result{}, err
	}
	deleted, err := dueForCare(ctx, w, inventory.Deleted, func(d *backup.DeletedInstance) string { return d.Instance.ID })
	if err != nil {
		return jobs.Result{}, err
	}
	due = append(due, deleted...)
	for _, id := range due {
		err := w.Store.Update(ctx, func(tx catalog.Tx) error {
			return w.startCare(&turn{tx: tx, now: w.Clock.Now()}, id)
		})
		if ctx.Err() != nil {
			return jobs.Result{}, ctx.Err()
		}
		if err != nil {
			w.Log.Warn("the upkeep of a repository in the vault was not started", "instance", id, "error", err)
		}
	}
	return jobs.Again(careLook), nil
}

// dueForCare lists the instances of a collection for which something may be due.
func dueForCare[T any, P interface {
	*T
	Base() *backup.Meta
}](ctx context.Context, w *Workflow, in inventory.Collection[T, P], idOf func(P) string) (due []string, err error) {
	for after, more := "", true; more && err == nil; more = after != "" {
		err = w.Store.View(ctx, func(tx catalog.Tx) error {
			var page []T
			if page, after, err = in.Page(tx, "", after, carePage); err != nil {
				return err
			}
			for i := range page {
				known, err := inventory.CareOf(tx, idOf(&page[i]))
				if err != nil {
					return err
				}
				now := w.Clock.Now()
				_, collects := w.collectDue(known, now)
				if _, verifies := w.verifyDue(known, now); collects || verifies {
					due = append(due, known.ID)
				}
			}
			return nil
		})
	}
	return due, err
}

// kept reads an instance that has something in the vault, also one that was deleted
// and can be taken back. catalog.ErrNotFound when it is gone, or is going for good.
func kept(tx catalog.Tx, id string) (*backup.Instance, error) {
	instance, err := inventory.Instances.Get(tx, id)
	if !errors.Is(err, catalog.ErrNotFound) {
		return instance, err
	}
	d, err := inventory.Deleted.Get(tx, backup.DeletedID(id))
	if err != nil {
		return nil, err
	}
	if d.State == backup.StateDeleting {
		return nil, fmt.Errorf("deleted instance %s is being purged: %w", d.ID, catalog.ErrNotFound)
	}
	return &d.Instance, nil
}

// collectDue and verifyDue return the last due times, by which the two do not fall
// on the same moment, and whether it is to be started now.
func (w *Workflow) collectDue(known *backup.Care, now time.Time) (due time.Time, start bool) {
	return w.careDue(known.ID, "collect", w.Care.CollectEvery, known.Collect.Due, now)
}

func (w *Workflow) verifyDue(known *backup.Care, now time.Time) (due time.Time, start bool) {
	return w.careDue(known.ID, "verify", w.Care.VerifyEvery, known.Verify.Due, now)
}

// careDue lets what is late wait for a moment of its own since the service is back.
func (w *Workflow) careDue(id, what string, every time.Duration, done, now time.Time) (due time.Time, start bool) {
	due = backup.DueAt(id+" "+what, every, now)
	switch {
	case !due.After(done):
		return due, false
	case done.IsZero() || now.Sub(due) <= careLate:
		return due, true
	}
	return due, backup.DueAt(id+" late", every/4, now).After(w.opened)
}

// startCare starts what is due for an instance, and notes that it did: each due
// time starts something once, whoever looks. The first due time of a repository
// is passed over: it is new, or so is the schedule.
func (w *Workflow) startCare(t *turn, id string) error {
	instance, err := kept(t.tx, id)
	if err != nil || instance.State == backup.StateDeleting {
		return gone(err)
	}
	if _, err := t.tx.Get(keys.Kind, vaultKeyName(instance.UID)); err != nil {
		return gone(err) // nothing was ever copied into the vault
	}
	known, err := inventory.CareOf(t.tx, id)
	if err != nil {
		return err
	}
	region, err := inventory.ReplicaRegion(t.tx, id)
	if err != nil {
		return err
	}
	if due, start := w.collectDue(known, t.now); start {
		if first := known.Collect.Due.IsZero(); !first {
			err = t.startCollect(instance, region)
		}
		known.Collect.Due = due
	}
	if due, start := w.verifyDue(known, t.now); start && err == nil {
		if first := known.Verify.Due.IsZero(); !first {
			what := backup.Upkeep{Data: w.Care.VerifyData}
			what.Add(id, region)
			err = t.startVerify(instance, due, what)
		}
		known.Verify.Due = due
	}
	return errors.Join(err, inventory.Cares.Put(t.tx, known))
}

// startCollect asks for the garbage of an instance's repository to be collected, and
// of its replica where there is one; a collection that waits for its day is made now.
func (t *turn) startCollect(instance *backup.Instance, region string) error {
	at, err := vaultOf(t.tx, instance)
	if err != nil {
		return err
	}
	err = t.enqueueCollectAt(at, time.Time{})
	if region != "" && err == nil {
		there := *at
		there.Region = region
		err = t.enqueueCollectAt(&there, time.Time{})
	}
	return err
}

// startVerify starts a job that verifies an instance's repositories, unless one is
// at it.
func (t *turn) startVerify(instance *backup.Instance, due time.Time, what backup.Upkeep) error {
	all, err := inventory.Jobs.With(t.tx, inventory.LabelInstance, backup.Key(instance.ID))
	if err != nil || backup.CheckRunning(all, backup.JobVerify) != nil {
		return err
	}
	name := agentops.NewID(instance.ID, "verify", due.Format(time.RFC3339Nano))
	var random [10]byte
	if _, err := hex.Decode(random[:], []byte(name[:20])); err != nil {
		return fmt.Errorf("name of a verification of %s: %w", instance.ID, err)
	}
	job := &backup.Job{
		Meta:       backup.Meta{ID: instance.VaultID() + "/backupJobs/" + backup.NewJobID(due, random)},
		InstanceID: instance.ID, InstanceName: instance.FriendlyName, Datasource: instance.Datasource, PolicyID: instance.PolicyID,
		Kind: backup.JobVerify, Status: backup.JobInProgress, Started: t.now, ActivityID: guidOf(name),
	}
	job.Upkeep, job.Tasks = backup.NewUpkeep(what)
	if err := inventory.Jobs.Put(t.tx, job); err != nil {
		return err
	}
	return inventory.Enqueue(t.tx, job.Work())
}

// noteCare changes what is known of a repository whose instance is still there.
func (t *turn) noteCare(instanceID, region string, change func(*backup.Condition)) error {
	if _, err := kept(t.tx, instanceID); err != nil {
		return gone(err)
	}
	known, err := inventory.CareOf(t.tx, instanceID)
	if err != nil {
		return err
	}
	change(known.At(region))
	return inventory.Cares.Put(t.tx, known)
}
