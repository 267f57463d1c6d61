package workflow

import (
	"cmp"
	"context"
	"errors"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/operations"
)

// lookAgain is when a step looks again although nobody woke it: to notice a
// deadline, or a cluster that fell silent.
const lookAgain = 15 * time.Second

// turn is one step inside its transaction.
type turn struct {
	tx    catalog.Tx
	now   time.Time
	work  backup.Work
	lines []string // to be rung when the transaction has committed
	vaultEvents
}

// take runs one step in one transaction.
func (w *Workflow) take(ctx context.Context, work backup.Work, do func(*turn) (jobs.Result, error)) (jobs.Result, error) {
	var result jobs.Result
	var t *turn
	err := w.Store.Update(ctx, func(tx catalog.Tx) (err error) {
		t = &turn{tx: tx, now: w.Clock.Now(), work: work}
		result, err = do(t)
		return err
	})
	if err != nil {
		return jobs.Result{}, err
	}
	for _, line := range t.lines {
		w.Bell.Ring(line)
	}
	return result, nil
}

// patience bounds the wait for a cluster.
type patience struct {
	whole   time.Duration // from the start of the work to its end
	silence time.Duration // without anybody holding the operation
	// early is the silence that is borne before anybody has taken the operation up;
	// zero means silence.
	early time.Duration
}

// errand is an operation for a cluster as a step wants it.
type errand struct {
	agentops.Operation
	started  time.Time // of the work
	patience patience
	cancel   bool // somebody wants it called off
}

// drive posts the operation where that has not happened, gives it up when it
// is overdue, and returns it as it stands.
func (t *turn) drive(e errand) (agentops.Operation, error) {
	wake, err := inventory.JobOf(t.work)
	if err != nil {
		return agentops.Operation{}, err
	}
	e.Wake = wake
	e.Deadline = e.started.Add(e.patience.whole)
	o, err := agentops.Post(t.tx, t.now, e.Operation)
	if err != nil {
		return o, err
	}
	if o.State == agentops.Pending {
		t.lines = append(t.lines, o.Line())
	}
	if o.State == agentops.Finished {
		return o, nil
	}
	problem, err := t.overdue(o, e.patience)
	if err != nil {
		return o, err
	}
	if problem != nil {
		err = agentops.GiveUp(t.tx, t.now, o.ID, wireProblem(*problem))
	} else if e.cancel {
		err = agentops.Cancel(t.tx, t.now, o.ID)
	}
	if err != nil {
		return o, err
	}
	return agentops.Get(t.tx, o.ID)
}

// overdue says why an operation should not be waited for any longer, or nil.
func (t *turn) overdue(o agentops.Operation, p patience) (*backup.Problem, error) {
	if !t.now.Before(o.Deadline) {
		return backup.NewProblem(backup.CodeTrackingTimeout, o.ClusterID, "the cluster did not finish the operation %s by %s%s",
			o.Kind, o.Deadline.Format(time.RFC3339), lastPhase(o)), nil
	}
	if !t.now.Before(o.LeaseExpires) {
		if ended, err := t.turnedAway(o); ended != nil || err != nil {
			return ended, err
		}
	}
	if early := cmp.Or(p.early, p.silence); o.Attempts == 0 && t.now.Sub(o.Created) > early {
		if busy, err := t.busy(o); busy || err != nil {
			return nil, err
		}
		return backup.NewProblem(backup.CodeClusterNotConnected, o.ClusterID, "no %s of the cluster took up the operation %s within %s", o.Role, o.Kind, early), nil
	}
	if o.Attempts > 0 && t.now.Sub(o.LeaseExpires) > p.silence {
		return backup.NewProblem(backup.CodeTrackingTimeout, o.ClusterID, "the %s of the cluster was not heard of for %s while it worked on the operation %s%s",
			o.Role, p.silence, o.Kind, lastPhase(o)), nil
	}
	return nil, nil
}

// turnedAway says why nobody can take the operation up, or go on with it: the
// cluster is not connected as this resource any more.
func (t *turn) turnedAway(o agentops.Operation) (*backup.Problem, error) {
	c, err := inventory.Connections.Get(t.tx, backup.ConnectionID(o.ClusterID, string(o.Role)))
	if err != nil || c.Ended == nil {
		return nil, gone(err)
	}
	p := backup.NewProblem(backup.CodeClusterNotConnected, o.ClusterID, "the %s of the cluster is turned away: %s", o.Role, c.Ended.Message)
	p.Actions, p.Retryable = c.Ended.Actions, false
	return p, nil
}

// busy says whether an operation that nobody has taken up stands in line for a
// cluster that is there and has others to do: it has its turn to come.
func (t *turn) busy(o agentops.Operation) (bool, error) {
	c, err := inventory.Connections.Get(t.tx, backup.ConnectionID(o.ClusterID, string(o.Role)))
	if err != nil || !c.Alive(t.now) {
		return false, gone(err)
	}
	open, err := agentops.Open(t.tx, o.Line())
	return open > 1, err
}

func lastPhase(o agentops.Operation) string {
	if o.Progress == nil || o.Progress.Phase == "" {
		return ""
	}
	return "; it was last seen at: " + o.Progress.Phase
}

// problemOf returns why an operation that has ended did not succeed.
func problemOf(o agentops.Operation) *backup.Problem {
	switch {
	case o.Problem != nil:
		p := domainProblem(*o.Problem)
		return &p
	case o.Outcome == agentv1.OutcomeCancelled:
		return backup.NewProblem(codeCancelled, o.ClusterID, "the operation %s was called off", o.Kind)
	default:
		return backup.NewProblem(backup.CodeInternal, o.ClusterID, "the cluster reported %s of the operation %s without a reason", o.Outcome, o.Kind)
	}
}

// codeCancelled is the code of what was called off.
const codeCancelled backup.Code = "UserErrorOperationCancelled"

// succeed ends the operation of the API, if there is one.
func (t *turn) succeed(result []byte) error {
	if t.work.OperationID == "" {
		return nil
	}
	return gone(operations.Succeed(t.tx, t.now, t.work.OperationID, result))
}

// fail ends the operation of the API badly, if there is one.
func (t *turn) fail(p *backup.Problem) error {
	if t.work.OperationID == "" {
		return nil
	}
	return gone(operations.Fail(t.tx, t.now, t.work.OperationID, operationProblem(p)))
}

// called off ends the operation of the API as cancelled, if there is one.
func (t *turn) calledOff(p *backup.Problem) error {
	if t.work.OperationID == "" {
		return nil
	}
	return gone(operations.Cancel(t.tx, t.now, t.work.OperationID, operationProblem(p)))
}

// started is when the operation of the API began; now when there is none, or
// none any more.
func (t *turn) started() (time.Time, error) {
	record, err := operations.Get(t.tx, t.work.OperationID)
	if errors.Is(err, catalog.ErrNotFound) {
		return t.now, nil
	}
	return record.Started, err
}

// ended says whether the operation of the API has ended already: then a step
// is a repetition and there is nothing to do.
func (t *turn) ended() (bool, error) {
	record, err := operations.Get(t.tx, t.work.OperationID)
	if errors.Is(err, catalog.ErrNotFound) {
		return true, nil
	}
	return record.Status.Terminal(), err
}

// gone forgives that a document was removed meanwhile.
func gone(err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return err
}
