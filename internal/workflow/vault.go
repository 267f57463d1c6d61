package workflow

import (
	"context"
	"errors"
	"strconv"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
)

// The second half of a backup job: the recovery point, which exists and can be
// restored from the operational tier, is copied into the vault.

// A store or a cluster that is away is waited for: a copy that begins late is told
// of, and better than none.
var vaultPatience = patience{whole: 24 * time.Hour, silence: 30 * time.Minute, early: 24 * time.Hour}

const (
	// vaultAttempts is how often the copying is begun when the cluster reports
	// something that may be better later, and vaultPause the time between.
	vaultAttempts = 5
	vaultPause    = 5 * time.Minute
)

// decideVault says whether the recovery point of a backup goes into the vault
// now. The reason is empty when its policy has nothing to do with vaults.
func (t *turn) decideVault(job *backup.Job) (backup.VaultDecision, error) {
	policy, err := inventory.Policies.Get(t.tx, job.PolicyID)
	if errors.Is(err, catalog.ErrNotFound) {
		return backup.VaultDecision{}, nil
	}
	if err != nil || !policy.UsesVaultTier() {
		return backup.VaultDecision{}, err
	}
	rule, ok := policy.RetentionOf(job.Tag)
	if !ok {
		return backup.VaultDecision{}, nil
	}
	return t.decideTagged(job, policy, policy.VaultOnDemand(rule))
}

// beginVaulting begins the second half of a job. Others of the instance need
// not wait for it.
func (t *turn) beginVaulting(job *backup.Job, d backup.VaultDecision, warnings []backup.Warning) error {
	job.BeginVaulting(t.now, d, warnings)
	return errors.Join(inventory.Jobs.Put(t.tx, job), t.wakeJobs(job.InstanceID))
}

// vault takes the second half of a job one step on.
func (w *Workflow) vault(ctx context.Context, work backup.Work) (jobs.Result, error) {
	refused, err := w.prepareVaulting(ctx, work.Subject)
	if err != nil {
		return jobs.Result{}, err
	}
	var events vaultEvents
	result, err := w.take(ctx, work, func(t *turn) (jobs.Result, error) {
		result, err := t.vault(refused, backup.VaultBounds(w.VaultLimits))
		events = t.vaultEvents
		return result, err
	})
	if err == nil {
		w.VaultCounts.add(events)
	}
	return result, err
}

// prepareVaulting makes the repository in the vault before the cluster is asked
// to write to it. What is wrong with the store is a *backup.Problem.
func (w *Workflow) prepareVaulting(ctx context.Context, jobID string) (*backup.Problem, error) {
	var at *backup.VaultedPoint
	err := w.Store.View(ctx, func(tx catalog.Tx) error {
		job, err := inventory.Jobs.Get(tx, jobID)
		if err != nil || job.Status.Terminal() || job.Vaulting == nil || job.CancelRequested {
			return gone(err)
		}
		if _, err = agentops.Get(tx, vaultOperation(job)); !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		instance, err := inventory.Instances.Get(tx, job.InstanceID)
		if err != nil {
			return gone(err)
		}
		at, err = vaultOf(tx, instance)
		return err
	})
	if err != nil || at == nil {
		return nil, err
	}
	err = w.makeVaulted(ctx, at)
	if problem, ok := backup.AsProblem(err); ok {
		return problem, nil
	}
	return nil, err
}

// vaultOperation is the id of the operation of a job's present attempt.
func vaultOperation(job *backup.Job) string {
	return agentops.NewID(vaultName(job), string(agentv1.KindVault))
}

func vaultName(job *backup.Job) string {
	return job.ID + " vaulting " + strconv.Itoa(job.Vaulting.Attempt)
}

func (t *turn) vault(refused *backup.Problem, service backup.VaultBounds) (jobs.Result, error) {
	job, err := inventory.Jobs.Get(t.tx, t.work.Subject)
	if errors.Is(err, catalog.ErrNotFound) {
		return jobs.Done(), t.fail(backup.NewProblem(backup.CodeResourceNotFound, t.work.Subject, "job %s does not exist any more", t.work.Subject))
	}
	if err != nil || job.Status.Terminal() || job.Vaulting == nil {
		return jobs.Done(), err
	}
	o, err := agentops.Get(t.tx, vaultOperation(job))
	if errors.Is(err, catalog.ErrNotFound) {
		return t.startVaulting(job, refused, service)
	}
	if err != nil {
		return jobs.Result{}, err
	}
	if o, err = t.drive(errand{Operation: o, started: job.Vaulting.Since, patience: vaultPatience, cancel: job.CancelRequested}); err != nil {
		return jobs.Result{}, err
	}
	return t.followVaulting(job, o)
}

// startVaulting posts the operation of an attempt.
func (t *turn) startVaulting(job *backup.Job, refused *backup.Problem, service backup.VaultBounds) (jobs.Result, error) {
	if job.CancelRequested {
		return jobs.Done(), t.cancelVaulting(job)
	}
	busy, err := t.othersVaulting(job)
	if err != nil {
		return jobs.Result{}, err
	}
	waited := t.now.Sub(job.Vaulting.Since)
	switch {
	case refused != nil && refused.Retryable && waited < vaultPatience.whole:
		return jobs.Again(lookAgain), t.awaitVaulting(job, "Waiting for the store of the vaults")
	case refused != nil:
		return jobs.Done(), t.missVault(job, refused, nil)
	case waited >= vaultPatience.whole:
		return jobs.Done(), t.missVault(job, backup.NewProblem(backup.CodeTrackingTimeout, job.InstanceID,
			"the cluster could not be asked within %s", vaultPatience.whole), nil)
	case busy:
		return jobs.Again(lookAgain), t.awaitVaulting(job, "Waiting for another recovery point to be copied")
	}
	e, err := t.vaultErrand(job, service)
	if problem, ok := backup.AsProblem(err); ok {
		return jobs.Done(), t.missVault(job, problem, nil)
	}
	if err != nil {
		return jobs.Result{}, err
	}
	if _, err := t.drive(e); err != nil {
		return jobs.Result{}, err
	}
	return jobs.Again(lookAgain), t.awaitVaulting(job, "Waiting for the cluster")
}

// othersVaulting says whether an earlier recovery point of the instance is being
// copied: the next one builds upon it.
func (t *turn) othersVaulting(job *backup.Job) (bool, error) {
	open, err := openJobs(t.tx, job.InstanceID)
	if err != nil {
		return false, err
	}
	for _, o := range open {
		if o.Vaulting != nil && before(o, *job) {
			return true, nil
		}
	}
	return false, nil
}

// vaultErrand is the operation that copies the recovery point of a job.
func (t *turn) vaultErrand(job *backup.Job, service backup.VaultBounds) (errand, error) {
	instance, err := inventory.Instances.Get(t.tx, job.InstanceID)
	if err != nil {
		return errand{}, err
	}
	point, err := t.pointOf(job)
	if err != nil {
		return errand{}, err
	}
	source, ok := point.Store(backup.TierOperational)
	if !ok {
		return errand{}, backup.NewProblem(backup.CodeResourceNotFound, point.ID, "recovery point %s is not in the OperationalStore any more", point.Name())
	}
	ref, err := t.refsAt(instance, source, instance.Datasource.ID)
	if err != nil {
		return errand{}, err
	}
	at, err := vaultOf(t.tx, instance)
	if err != nil {
		return errand{}, err
	}
	base, err := t.newestVaulted(instance.ID)
	if err != nil {
		return errand{}, err
	}
	limits, err := t.boundsOf(job, service)
	if err != nil {
		return errand{}, err
	}
	ref.Target = at.KeyName
	o, err := newOperation(vaultName(job), instance.Datasource.ID, agentv1.KindVault, agentv1.Vault{
		InstanceID: instance.ID, RecoveryPointID: point.Name(), Base: base,
		Source: agentv1.RepositoryGrant{Prefix: source.Prefix}, Target: agentv1.RepositoryGrant{Prefix: at.Prefix}, Limits: agentv1.VaultLimits(limits),
	})
	o.Refs = ref.pack()
	return errand{Operation: o, started: job.Vaulting.Since, patience: vaultPatience}, err
}

// boundsOf are those of the policy that the job is under; the service's where there
// is none any more.
func (t *turn) boundsOf(job *backup.Job, service backup.VaultBounds) (backup.VaultBounds, error) {
	policy, err := inventory.Policies.Get(t.tx, job.PolicyID)
	if errors.Is(err, catalog.ErrNotFound) {
		return service, nil
	}
	if err != nil {
		return service, err
	}
	return policy.VaultLimits.Bounds(service), nil
}

// pointOf reads the recovery point that a job has made.
func (t *turn) pointOf(job *backup.Job) (*backup.RecoveryPoint, error) {
	id := job.InstanceID + "/recoveryPoints/" + job.RecoveryPointID
	point, err := inventory.RecoveryPoints.Get(t.tx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, backup.NewProblem(backup.CodeResourceNotFound, id, "recovery point %s does not exist any more", job.RecoveryPointID)
	}
	return point, err
}

// newestVaulted returns the id of the newest recovery point of an instance that
// is in the vault; empty when none is.
func (t *turn) newestVaulted(instanceID string) (string, error) {
	points, err := inventory.RecoveryPoints.Below(t.tx, instanceID)
	if err != nil {
		return "", err
	}
	newest, at := "", time.Time{}
	for i := range points {
		if _, vaulted := points[i].Store(backup.TierVault); vaulted && points[i].Time.After(at) {
			newest, at = points[i].Name(), points[i].Time
		}
	}
	return newest, nil
}

// followVaulting ends the job with its operation, keeps its progress, or begins
// another attempt.
func (t *turn) followVaulting(job *backup.Job, o agentops.Operation) (jobs.Result, error) {
	if err := t.noteVaulting(job, o); err != nil {
		return jobs.Result{}, err
	}
	if o.State != agentops.Finished && o.Attempts == 0 {
		return jobs.Again(lookAgain), t.awaitVaulting(job, "Waiting for the cluster")
	}
	if o.State != agentops.Finished {
		progress := agentv1.Progress(job.Progress)
		if o.Progress != nil {
			progress = *o.Progress
		}
		return jobs.Again(lookAgain), t.note(job, progress)
	}
	switch {
	case o.Outcome == agentv1.OutcomeSucceeded:
		return jobs.Done(), t.finishVaulting(job, o)
	case o.Outcome == agentv1.OutcomeCancelled || job.CancelRequested:
		return jobs.Done(), t.cancelVaulting(job)
	case problemOf(o).Retryable && !o.GivenUp() && job.Vaulting.Attempt < vaultAttempts:
		return t.vaultAgain(job, o)
	default:
		return jobs.Done(), t.missVault(job, problemOf(o), domainWarnings(o.Warnings))
	}
}

// vaultAgain begins the next attempt when the pause after the last is over.
func (t *turn) vaultAgain(job *backup.Job, o agentops.Operation) (jobs.Result, error) {
	if left := o.Ended.Add(vaultPause).Sub(t.now); left > 0 {
		return jobs.Again(left), t.note(job, agentv1.Progress{Phase: "Waiting to try again: " + problemOf(o).Message})
	}
	job.Vaulting.Attempt++
	return jobs.Again(0), inventory.Jobs.Put(t.tx, job)
}
