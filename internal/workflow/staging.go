package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/repo"
)

// The first half of a restore from the vault that was given a staging account: its
// recovery point is replicated into the account, and read from there by the cluster.
//
//	vault, or replica --hydrate--> holdfast-staging/restores/JOB/INSTANCE/ --gate--> cluster

const (
	hydrateTime = 50 * time.Minute // for one step; cut off, it goes on with the next
	// hydrateSlots bounds how many recovery points are hydrated at a time.
	hydrateSlots    = 2
	hydratePatience = 30 * time.Minute // how long stores may fail before the job does
	hydratePause    = time.Minute      // until they are asked again
)

// StagingStore is what gate grants call the place that a recovery point is hydrated
// in. Each has a name of its own, so that none is taken for one that was there before.
func StagingStore(containerID, prefix string) string {
	return stagingStore + containerID + " at " + prefix
}

// StagingContainerOf returns the id of the container that a grant is for; ok is false
// when it is for another store.
func StagingContainerOf(store string) (containerID string, ok bool) {
	place, ok := strings.CutPrefix(store, stagingStore)
	containerID, _, _ = strings.Cut(place, " at ")
	return containerID, ok
}

const stagingStore = "staging in "

// hydration names what a restore hydrates among what can be claimed.
func hydration(jobID string) string { return "hydration of " + backup.Key(jobID) }

// preflightStaging asks for everything that stands in the way of hydrating.
func (w *Workflow) preflightStaging(ctx context.Context, i *backup.Instance, r *backup.RestoreRequest) error {
	if !r.Staged() {
		return nil
	}
	err := w.Store.View(ctx, func(tx catalog.Tx) error {
		facts, err := w.stagingFacts(tx, i, r)
		if err != nil {
			return err
		}
		places, err := inventory.StagingFacts(tx, r)
		if err != nil {
			return err
		}
		if found := backup.PreflightStaging(r, facts, places); len(found) > 0 {
			return &found[0]
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.probeStaging(ctx, backup.ContainerID(r.StagingAccountID, backup.StagingContainer))
}

// stagingFacts are those of the target cluster, with the vault as it is known here.
func (w *Workflow) stagingFacts(tx catalog.Tx, i *backup.Instance, r *backup.RestoreRequest) (backup.Facts, error) {
	there := *i
	there.Datasource.ID = r.Target.ID
	needs := func(i *backup.Instance, f backup.Facts) []backup.Grant { return backup.StagingGrants(i, f, r) }
	if r.Region == "" {
		return inventory.GatherFacts(tx, &there, w.Clock.Now(), needs)
	}
	vault, err := inventory.SecondaryVaults.Get(tx, i.VaultID())
	if err != nil {
		return backup.Facts{}, err
	}
	return inventory.GatherSecondaryFacts(tx, &there, vault, w.Clock.Now(), needs)
}

// probeStaging makes sure that the store of an account can be reached. The container
// is made when it is needed.
func (w *Workflow) probeStaging(ctx context.Context, containerID string) error {
	at, err := w.locate(ctx, containerID)
	if err != nil {
		return err
	}
	if _, err := location.Probe(ctx, location.Location(at)); err != nil {
		return unreachable(containerID, err)
	}
	return nil
}

// hydrate takes the first half of a staged restore one step on; ready says that
// the restore goes on with its next step, as one without staging does at once.
func (w *Workflow) hydrate(ctx context.Context, work backup.Work, refused *backup.Problem) (result jobs.Result, ready bool, err error) {
	job, err := w.toHydrate(ctx, work)
	if err != nil || job == nil || refused != nil && job.Staging.Begun.IsZero() {
		return jobs.Result{}, true, err
	}
	release, ok := w.claim(ctx, &w.hydrating, hydration(job.ID), hydrateSlots)
	if !ok { // others are hydrated, or an earlier step is at it
		result, err = w.take(ctx, work, (*turn).waitToHydrate)
		return result, false, err
	}
	defer release()
	var bytes int64
	if err = asError(cmp.Or(refused, w.overdueHydration(job))); err == nil {
		if err = w.beginHydration(ctx, work); err == nil {
			bytes, err = w.carryIn(ctx, job)
		}
	}
	if ctx.Err() != nil {
		return jobs.Result{}, false, ctx.Err()
	}
	result, err = w.take(ctx, work, func(t *turn) (_ jobs.Result, failed error) {
		result, ready, failed = t.endHydration(bytes, err)
		return result, failed
	})
	return result, ready, err
}

// overdueHydration says why hydrating should not go on, or nil.
func (w *Workflow) overdueHydration(job *backup.Job) *backup.Problem {
	if !pastHydration(job.Staging, w.Clock.Now()) {
		return nil
	}
	return backup.NewProblem(backup.CodeTrackingTimeout, job.Staging.ContainerID, "recovery point %s was not hydrated within %s", job.RecoveryPointID, restorePatience.whole)
}

func pastHydration(s *backup.Staging, now time.Time) bool {
	return !s.Begun.IsZero() && !now.Before(s.Begun.Add(restorePatience.whole))
}

// asError keeps a nil problem from becoming an error.
func asError(p *backup.Problem) error {
	if p == nil {
		return nil
	}
	return p
}

// toHydrate returns the job when there is something to hydrate for it, else nil.
func (w *Workflow) toHydrate(ctx context.Context, work backup.Work) (job *backup.Job, err error) {
	err = w.Store.View(ctx, func(tx catalog.Tx) error {
		found, err := inventory.Jobs.Get(tx, work.Subject)
		if err != nil || !hydrates(found) {
			return gone(err)
		}
		first, err := isFirst(tx, found)
		if first {
			job = found
		}
		return err
	})
	return job, err
}

func hydrates(job *backup.Job) bool {
	return job.Staging != nil && job.Staging.Ready.IsZero() && !job.Status.Terminal() && !job.CancelRequested
}

// beginHydration asks, before anything is written, for it to be deleted.
func (w *Workflow) beginHydration(ctx context.Context, work backup.Work) error {
	_, err := w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		job, err := inventory.Jobs.Get(t.tx, work.Subject)
		if err != nil || !hydrates(job) {
			return jobs.Done(), gone(err)
		}
		if job.Staging.Begun.IsZero() {
			job.Staging.Begun = t.now
		}
		job.Progress.Phase = backup.TaskHydrating
		return jobs.Done(), errors.Join(inventory.Jobs.Put(t.tx, job), t.enqueueUnstage(job))
	})
	return err
}

// waitToHydrate tells why nothing moves.
func (t *turn) waitToHydrate() (jobs.Result, error) {
	job, err := inventory.Jobs.Get(t.tx, t.work.Subject)
	if err != nil || !hydrates(job) {
		return jobs.Again(0), gone(err)
	}
	if !job.Staging.Begun.IsZero() {
		return jobs.Again(lookAgain), nil
	}
	return jobs.Again(lookAgain), t.note(job, agentv1.Progress{Phase: "Waiting for other restores to be hydrated"})
}

// endHydration enters how hydrating went. ready says that the restore can go on.
func (t *turn) endHydration(bytes int64, failed error) (result jobs.Result, ready bool, err error) {
	job, err := inventory.Jobs.Get(t.tx, t.work.Subject)
	if err != nil || !hydrates(job) { // called off meanwhile
		return jobs.Done(), true, gone(err)
	}
	if failed == nil {
		job.EndHydration(t.now, bytes)
		return jobs.Done(), true, inventory.Jobs.Put(t.tx, job)
	}
	s, problem := job.Staging, hydrationProblem(job, failed)
	if s.TroubleSince.IsZero() {
		s.TroubleSince = t.now
	}
	problem.Retryable = problem.Retryable && !pastHydration(s, t.now)
	if problem.Retryable && t.now.Sub(s.TroubleSince) < hydratePatience {
		job.Progress.Phase = "Waiting to try again: " + problem.Message
		return jobs.Again(hydratePause), false, inventory.Jobs.Put(t.tx, job)
	}
	return jobs.Done(), false, t.endJobBadly(job, problem)
}

// hydrationProblem says why a recovery point could not be hydrated.
func hydrationProblem(job *backup.Job, err error) *backup.Problem {
	if problem, ok := backup.AsProblem(err); ok {
		return problem
	}
	code := backup.CodeHydrationFailed
	switch {
	case hopeless(err):
		code = reasonOf(err)
	case errors.Is(err, repo.ErrNoRecoveryPoint), errors.Is(err, repo.ErrVoid):
		code = backup.CodeResourceNotFound
	}
	problem := backup.NewProblem(code, job.Staging.ContainerID, "recovery point %s could not be hydrated into %s: %s", job.RecoveryPointID, job.Staging.ContainerID, oneLine(err))
	problem.Retryable = problem.Retryable && !errors.Is(err, objstore.ErrUnsafe)
	return problem
}

// OpenStaging opens, for the gate, the container that a grant names.
func (w *Workflow) OpenStaging(ctx context.Context, containerID string) (objstore.Store, error) {
	at, err := w.locate(ctx, containerID)
	if err != nil {
		return nil, fmt.Errorf("staging container %s: %w", containerID, err)
	}
	return w.OpenContainer(ctx, location.Location(at))
}
