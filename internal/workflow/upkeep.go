package workflow

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/repo"
)

// Jobs over repositories in the vault and their replicas, that people start and
// watch: one task for each, one step for each task. No cluster is needed.

const (
	// upkeepTime is for one repository, all data of which may be read. Cut off, the
	// repository is begun anew.
	upkeepTime = 24 * time.Hour
	// upkeepPatience is how long a store may fail before the task does.
	upkeepPatience = 30 * time.Minute
	upkeepPause    = time.Minute     // until the store is asked again
	upkeepTold     = 2 * time.Second // between two reports of progress
)

func (w *Workflow) upkeeper() jobs.Handler {
	handler := w.handler(backup.WorkUpkeep, w.upkeep)
	handler.Timeout = upkeepTime
	return handler
}

// place names a repository among those of all stores.
func place(at *backup.VaultedPoint) string { return at.Region + " " + at.Prefix }

// placeName is what people call the place of a repository.
func placeName(at *backup.VaultedPoint) string {
	if at.Region == "" {
		return "the vault"
	}
	return "the replica in " + at.Region
}

// outcome is what became of one task.
type outcome struct {
	warnings []backup.Warning
	failed   bool // the task, and with it the job
	detail   string
	verified *verified
	trouble  *backup.Problem // of the store; nothing is known
}

// upkeep takes a job one repository on.
func (w *Workflow) upkeep(ctx context.Context, work backup.Work) (jobs.Result, error) {
	job, at, err := w.nextUpkeep(ctx, work)
	if err != nil || job == nil {
		return jobs.Done(), err
	}
	if _, more := job.NextTask(); !more || job.CancelRequested {
		return w.take(ctx, work, (*turn).endUpkeep)
	}
	var done outcome
	if at != nil {
		release, ok := w.claim(ctx, &w.upkeeping, place(at), w.Care.AtOnce)
		if !ok {
			return w.take(ctx, work, func(t *turn) (jobs.Result, error) {
				return jobs.Again(lookAgain), t.noteUpkeep("Waiting for the upkeep of others")
			})
		}
		defer release()
		done = w.carry(ctx, job, at)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return jobs.Result{}, ctx.Err() // the service stops
	}
	return w.take(context.WithoutCancel(ctx), work, func(t *turn) (jobs.Result, error) { return t.finishTask(done) })
}

// nextUpkeep returns the job, nil when it has ended, and where the repository of
// its next task lies, nil when its instance is gone.
func (w *Workflow) nextUpkeep(ctx context.Context, work backup.Work) (job *backup.Job, at *backup.VaultedPoint, err error) {
	err = w.Store.View(ctx, func(tx catalog.Tx) error {
		found, err := inventory.Jobs.Get(tx, work.Subject)
		if err != nil || found.Status.Terminal() || found.Upkeep == nil {
			return gone(err)
		}
		job = found
		n, more := job.NextTask()
		if !more {
			return nil
		}
		instance, err := kept(tx, job.Upkeep.Instances[n])
		if err != nil {
			return gone(err)
		}
		if at, err = vaultOf(tx, instance); err != nil {
			return gone(err)
		}
		at.Region = job.Upkeep.Region(n)
		return nil
	})
	return job, at, err
}

// carry does what the job is for, to one repository.
func (w *Workflow) carry(ctx context.Context, job *backup.Job, at *backup.VaultedPoint) outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	switch job.Kind {
	case backup.JobCollect:
		return w.carryCollect(ctx, job, at)
	case backup.JobRepair:
		return w.carryRepair(ctx, job, at, w.reporter(ctx, job, cancel))
	}
	v, err := w.verifyAt(ctx, at, repo.VerifyOptions{
		Share: w.shareOf(job.Upkeep.Data), Seed: seedOf(job), Progress: w.reporter(ctx, job, cancel),
	})
	if err != nil {
		return outcome{trouble: backup.NewProblem(reasonOf(err), at.InstanceID, "%s of instance %s could not be verified: %s", placeName(at), at.InstanceID, oneLine(err))}
	}
	if len(v.damaged) > 0 {
		w.Log.Error("verification found damage in the vault", "instance", at.InstanceID, "region", at.Region, "damagedPoints", v.damaged,
			"findings", v.findings(), "first", v.warnings[0].Problem.Error())
	} else {
		w.Log.Info("verified the vault", "instance", at.InstanceID, "region", at.Region, "data", string(job.Upkeep.Data), "points", v.report.Points,
			"blocks", v.report.Blocks, "bytesRead", v.report.Bytes, "findings", v.findings())
	}
	return outcome{verified: &v, warnings: v.warnings, failed: len(v.damaged) > 0}
}

func (w *Workflow) shareOf(data backup.VerifyData) float64 {
	switch data {
	case backup.VerifyAll:
		return 1
	case backup.VerifySample:
		return w.Care.Sample
	default:
		return 0
	}
}

// seedOf lets each job draw another sample, and the same when it is cut off.
func seedOf(job *backup.Job) uint64 {
	sum, _ := hex.DecodeString(agentops.NewID(job.ID, "sample")) // it is hex
	return binary.BigEndian.Uint64(sum)
}

// reporter keeps a job's progress in the catalog, and ends the work when the job
// is called off.
func (w *Workflow) reporter(ctx context.Context, job *backup.Job, cancel func()) func(repo.VerifyReport) {
	told := w.Clock.Now()
	return func(r repo.VerifyReport) {
		if now := w.Clock.Now(); now.Sub(told) < upkeepTold {
			return
		}
		told = w.Clock.Now()
		err := w.Store.Update(ctx, func(tx catalog.Tx) error {
			current, err := inventory.Jobs.Get(tx, job.ID)
			if err != nil {
				return err
			}
			if current.CancelRequested {
				cancel()
			}
			return (&turn{tx: tx}).note(current, agentv1.Progress{Phase: "Verifying", ItemsDone: int64(current.Upkeep.Points + r.Points),
				BytesDone: current.Upkeep.BytesRead + r.Bytes})
		})
		if err != nil && ctx.Err() == nil {
			w.Log.Debug("the progress of a job was not kept", "job", job.ID, "error", err)
		}
	}
}

// carryCollect collects the garbage of a repository, or tells what that would do.
func (w *Workflow) carryCollect(ctx context.Context, job *backup.Job, at *backup.VaultedPoint) outcome {
	text, err := "", error(nil)
	if job.Upkeep.DryRun {
		text, err = w.planCollect(ctx, at)
	} else {
		var done repo.GCResult
		if done, err = w.collectAt(ctx, at); err == nil {
			text = fmt.Sprintf("%d packs deleted, %d bytes freed, %d blocks stored again, %d bytes stored, %d index segments replaced, %d packs stay condemned",
				done.Deleted, done.Freed, done.Carried, done.Stored, done.Replaced, len(done.Pending))
		}
		if err == nil || hopeless(err) {
			err = errors.Join(err, w.noteCollected(ctx, at, done, err))
		}
	}
	switch {
	case err == nil:
		return outcome{detail: text}
	case errors.Is(err, repo.ErrNoRepository), errors.Is(err, catalog.ErrNotFound):
		return outcome{detail: "there is nothing in the vault"}
	case errors.Is(err, repo.ErrBusy):
		return outcome{detail: "not collected", warnings: []backup.Warning{{Resource: at.InstanceID,
			Problem: *backup.NewProblem(backup.CodeVaultBusy, at.InstanceID, "garbage of instance %s was not collected: %s", at.InstanceID, oneLine(err))}}}
	}
	problem := backup.NewProblem(reasonOf(err), at.InstanceID, "garbage of instance %s in %s could not be collected: %s", at.InstanceID, placeName(at), oneLine(err))
	if hopeless(err) {
		return outcome{detail: "not collected", failed: true, warnings: []backup.Warning{{Resource: at.InstanceID, Problem: *problem}}}
	}
	return outcome{trouble: problem}
}

// planCollect tells what a collection would do, and why.
func (w *Workflow) planCollect(ctx context.Context, at *backup.VaultedPoint) (string, error) {
	repository, err := w.openVaulted(ctx, at)
	if err != nil {
		return "", err
	}
	defer func() { _ = repository.Close() }() // nothing was written through it
	plan, err := repository.PlanGC(ctx, w.collectOptions(ctx, at))
	return plan.String(), err
}

// noteUpkeep tells why nothing moves.
func (t *turn) noteUpkeep(phase string) error {
	job, err := inventory.Jobs.Get(t.tx, t.work.Subject)
	if err != nil || job.Status.Terminal() {
		return gone(err)
	}
	progress := agentv1.Progress(job.Progress)
	progress.Phase = phase
	return t.note(job, progress)
}

// finishTask enters what became of the present task, and goes on with the next.
func (t *turn) finishTask(done outcome) (jobs.Result, error) {
	job, err := inventory.Jobs.Get(t.tx, t.work.Subject)
	if err != nil || job.Status.Terminal() {
		return jobs.Done(), gone(err)
	}
	n, more := job.NextTask()
	if !more || job.CancelRequested {
		return t.endUpkeep()
	}
	u := job.Upkeep
	if done.trouble != nil {
		if u.TroubleSince.IsZero() {
			u.TroubleSince = t.now
		}
		if t.now.Sub(u.TroubleSince) < upkeepPatience {
			job.Progress.Phase = "Waiting to try again: " + done.trouble.Message
			return jobs.Again(upkeepPause), inventory.Jobs.Put(t.tx, job)
		}
		done.failed, done.warnings = true, []backup.Warning{{Resource: u.Instances[n], Problem: *done.trouble}}
	}
	u.TroubleSince = time.Time{}
	if err := t.noteVerified(u.Instances[n], u.Region(n), done); err != nil {
		return jobs.Result{}, err
	}
	job.EndTask(n, t.now, done.failed, done.warnings)
	job.CountUp(n, done.count())
	if done.detail != "" {
		job.Detail(u.Name(n), done.detail)
	}
	return jobs.Again(0), inventory.Jobs.Put(t.tx, job)
}

// count is what a verification adds to the counts of its job.
func (o outcome) count() backup.Upkeep {
	if o.verified == nil {
		return backup.Upkeep{}
	}
	r := o.verified.report
	return backup.Upkeep{Points: r.Points, Blocks: r.Blocks, BytesRead: r.Bytes, Damaged: len(o.verified.damaged),
		Findings: o.verified.findings(), Untold: o.verified.untold}
}

// noteVerified keeps how the last verification of a repository ended.
func (t *turn) noteVerified(instanceID, region string, done outcome) error {
	if done.verified == nil && done.trouble == nil {
		return nil
	}
	var damaged []string
	if done.verified != nil {
		var err error
		if damaged, err = t.markDamage(instanceID, region, done.verified); err != nil {
			return err
		}
	}
	return t.noteCare(instanceID, region, func(c *backup.Condition) {
		if c.Verify.Problem = done.trouble; done.verified != nil {
			c.Verify.Ended, c.Damaged, c.Findings = t.now, damaged, done.verified.findings()
		}
	})
}

// endUpkeep ends a job whose tasks have ended, or that was called off.
func (t *turn) endUpkeep() (jobs.Result, error) {
	job, err := inventory.Jobs.Get(t.tx, t.work.Subject)
	if err != nil || job.Status.Terminal() {
		return jobs.Done(), gone(err)
	}
	if _, more := job.NextTask(); more { // called off
		return jobs.Done(), t.endJobCancelled(job)
	}
	job.TellRest()
	u := job.Upkeep
	if job.Kind != backup.JobCollect {
		for name, n := range map[string]int64{"recoveryPoints": int64(u.Points), "damagedRecoveryPoints": int64(u.Damaged),
			"findings": int64(u.Findings), "blocks": u.Blocks, "bytesRead": u.BytesRead} {
			job.Detail(name, strconv.FormatInt(n, 10))
		}
		job.Detail("data", string(u.Data))
	}
	if why := job.UpkeepProblem(); why != nil {
		return jobs.Done(), t.endJobBadly(job, why)
	}
	return jobs.Done(), t.endJobWell(job, nil)
}
