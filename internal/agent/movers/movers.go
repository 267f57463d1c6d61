// Package movers runs mover pods: for each volume a Job of its own with one
// block claim and one order, watched until it is over. The Jobs of one
// operation have names that follow from it, so an interrupted controller finds
// them again and goes on watching.
//
//	Work -> turn (Limits) -> Secret (order) + Job -> pod -> log (progress) -> termination message (report)
//
// A Job that somebody deletes, or whose report is lost with its pod, is started
// again: what its mover stored is found and not sent again. What bears an operation's label goes with Clean.
package movers

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/mover"
)

// Movers starts and watches mover pods in the extension's namespace.
type Movers struct {
	Client    client.Client // reads must not come from a cache
	Kube      kubernetes.Interface
	Namespace string
	// Pod is what mover pods have of the controller's own pod: image, limits,
	// tolerations. Asked anew for each Job.
	Pod func(ctx context.Context) (Template, error)
	// Limits bound how many run at the same time.
	Limits Limits
	// Poll is the time between two looks; 0 means a second.
	Poll time.Duration

	queue queue
}

// Work is one order for one volume.
type Work struct {
	Operation string // v1alpha1.RunName of the operation's id
	Name      string // of Job, Secret and pod: see Name
	Claim     string // block claim in the extension's namespace
	Node      string // where the pod must run; empty leaves that to the scheduler
	Order     mover.Order
	Deadline  time.Duration // how long the Job may take in all
	// Grant is the right to the gate as it stands now. An order is brought up to
	// date with it, for the pod that takes the place of one that was lost.
	Grant func() agentv1.GateGrant
}

// freshEvery is how often an order gets a fresh grant: well within its life.
const freshEvery = 10 * time.Minute

// Device is where a mover finds the block device of its claim.
const Device = "/dev/holdfast"

// ErrLost says that a Job ended without a report.
var ErrLost = errors.New("the mover ended without a report")

// errAgain says that a Job must be started again, through no fault of its own.
var errAgain = errors.New("the mover was taken away")

// Run waits for the turn of a work, starts its Job, or finds it, and waits until
// it is over. The error is a *agentv1.Problem when the mover itself reported one.
// report is called with what the mover says of its progress, and while it waits
// with a Phase that says what for.
func (m *Movers) Run(ctx context.Context, work Work, report func(agentv1.Progress)) (mover.Report, error) {
	if err := m.patiently(ctx, func() error { return m.enter(ctx, work, report) }); err != nil {
		return mover.Report{}, err
	}
	defer m.leave(work.Name)
	for try := 1; ; try++ {
		if err := m.patiently(ctx, func() error { return m.start(ctx, work) }); err != nil {
			return mover.Report{}, fmt.Errorf("start mover %s: %w", work.Name, err)
		}
		result, err := m.watch(ctx, work, report)
		if !errors.Is(err, errAgain) {
			return result, err
		}
		if try == attempts {
			return mover.Report{}, fmt.Errorf("%w, %d times", err, attempts)
		}
	}
}

// watch waits until a Job is over.
func (m *Movers) watch(ctx context.Context, work Work, report func(agentv1.Progress)) (mover.Report, error) {
	ticker, fresh := time.NewTicker(m.poll()), time.NewTicker(freshEvery)
	defer ticker.Stop()
	defer fresh.Stop()
	for {
		result, over, err := m.look(ctx, work, report)
		if over || err != nil && !transient(err) {
			return result, err
		}
		select {
		case <-ticker.C:
		case <-fresh.C:
			if err := m.order(ctx, work); err != nil && !transient(err) {
				return mover.Report{}, err
			}
		case <-ctx.Done():
			return mover.Report{}, context.Cause(ctx)
		}
	}
}

// patiently repeats what the API server refused for a reason that passes.
func (m *Movers) patiently(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || !transient(err) {
			return err
		}
		if err := m.pause(ctx); err != nil {
			return err
		}
	}
}

// pause waits a moment, or until ctx ends.
func (m *Movers) pause(ctx context.Context) error {
	select {
	case <-time.After(m.poll()):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *Movers) poll() time.Duration {
	if m.Poll > 0 {
		return m.Poll
	}
	return time.Second
}

// transient says whether the API server may answer the same request later.
func transient(err error) bool {
	return apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) || apierrors.IsConflict(err) ||
		utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
}
