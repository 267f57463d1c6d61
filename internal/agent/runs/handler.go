package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/session"
	"holdfast.dev/holdfast/internal/clock"
)

// Problem codes of this package.
const (
	// CodeTracking: the controller did not report in time.
	CodeTracking = "KubernetesBackupCustomResourcesTrackingTimeOutError"
	// CodeNotUnderstood: this version of the extension cannot carry the operation out.
	CodeNotUnderstood = "OperationNotSupported"
	// CodeRunRefused: the cluster did not accept the run object.
	CodeRunRefused = "RunRefused"
	// CodeRunDeleted: somebody deleted the run object while it was under way.
	CodeRunDeleted = "RunDeleted"
)

const (
	defaultPoll   = 500 * time.Millisecond
	defaultPickup = 10 * time.Minute
	defaultGrace  = 5 * time.Minute
)

// Handler carries out the extension's operations as run objects in Namespace.
type Handler struct {
	Client    client.Client // reads must not come from a cache
	Namespace string
	Clock     clock.Clock
	Log       *slog.Logger
	Poll      time.Duration // between two looks at a run; 0 means 500 ms
	Pickup    time.Duration // for the controller to begin; 0 means 10 minutes
	// Grace is how long after its deadline, or after a request to cancel, a run
	// may take to end by itself; 0 means 5 minutes.
	Grace time.Duration
}

// Handle implements session.Handler.
func (h *Handler) Handle(ctx context.Context, operation agentv1.Operation, report session.Report) session.Result {
	r, grant, err := newRun(operation)
	if err != nil {
		return session.Failure(agentv1.Problem{
			Code: CodeNotUnderstood, Message: err.Error(), Actions: []string{"Upgrade the extension of this cluster."},
		})
	}
	r.object.SetNamespace(h.Namespace)
	if err := h.ensure(ctx, r, grant); err != nil {
		return session.Failure(agentv1.Problem{
			Code: CodeRunRefused, Message: err.Error(), Target: r.object.GetName(), Retryable: true,
			Actions: []string{"Check that the extension is installed completely, then try again."},
		})
	}
	return h.follow(ctx, r, report)
}

// follow watches a run until it is over and reports its progress.
func (h *Handler) follow(ctx context.Context, r run, report session.Report) session.Result {
	watch := patience{clock: h.Clock, pickup: orDefault(h.Pickup, defaultPickup), grace: orDefault(h.Grace, defaultGrace)}
	ticker := time.NewTicker(orDefault(h.Poll, defaultPoll))
	defer ticker.Stop()
	for {
		err := h.read(ctx, r)
		switch {
		case apierrors.IsNotFound(err):
			return session.Failure(agentv1.Problem{Code: CodeRunDeleted, Target: r.object.GetName(), Message: "The run was deleted while it was under way.", Retryable: true})
		case err != nil:
			h.Log.WarnContext(ctx, "cannot read a run, will try again", "run", r.object.GetName(), "error", err)
		case r.status.Phase.Final():
			return h.result(r)
		default:
			h.advance(ctx, r, report)
		}
		if problem := watch.exceeded(r); problem != nil {
			return h.withCleanup(session.Failure(*problem), r)
		}
		select {
		case <-ctx.Done():
			return session.Result{}
		case <-ticker.C:
		}
	}
}

// advance passes progress on, and the request to cancel the other way.
func (h *Handler) advance(ctx context.Context, r run, report session.Report) {
	report.Progress(progress(r.status))
	select {
	case <-report.Cancelled():
	default:
		return
	}
	if r.spec.Cancel {
		return
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"cancel":true}}`))
	if err := h.Client.Patch(ctx, r.object, patch); err != nil {
		h.Log.WarnContext(ctx, "cannot cancel a run, will try again", "run", r.object.GetName(), "error", err)
	}
}

// read brings r up to date; when it fails, r stays as it was.
func (h *Handler) read(ctx context.Context, r run) error {
	held := reflect.ValueOf(r.object).Elem()
	fresh := reflect.New(held.Type())
	if err := h.Client.Get(ctx, client.ObjectKeyFromObject(r.object), fresh.Interface().(client.Object)); err != nil {
		return err
	}
	held.Set(fresh.Elem())
	return nil
}

func (h *Handler) result(r run) session.Result {
	result := session.Result{Warnings: r.status.Warnings, Problem: r.status.Problem}
	switch r.status.Phase {
	case v1alpha1.PhaseSucceeded:
		result.Outcome, result.Problem = agentv1.OutcomeSucceeded, nil
	case v1alpha1.PhaseCancelled:
		result.Outcome = agentv1.OutcomeCancelled
	case v1alpha1.PhaseFailed, v1alpha1.PhasePending, v1alpha1.PhaseRunning:
		result.Outcome = agentv1.OutcomeFailed
		if result.Problem == nil {
			result.Problem = &agentv1.Problem{Code: CodeTracking, Message: r.status.Message, Target: r.object.GetName()}
		}
	}
	if value := r.result(); value != nil && !reflect.ValueOf(value).IsNil() {
		raw, err := json.Marshal(value)
		if err != nil {
			return session.Failure(agentv1.Problem{Code: CodeTracking, Message: fmt.Sprintf("encode the result: %v", err)})
		}
		result.Value = raw
	}
	return h.withCleanup(result, r)
}

func (h *Handler) withCleanup(result session.Result, r run) session.Result {
	result.After = func(ctx context.Context) {
		if err := h.remove(ctx, r.object); err != nil {
			h.Log.WarnContext(ctx, "cannot delete a finished run, the sweep will", "run", r.object.GetName(), "error", err)
		}
	}
	return result
}

// progress is the run's progress; its phase falls back on the step's name.
func progress(status *v1alpha1.RunStatus) agentv1.Progress {
	var p agentv1.Progress
	if status.Progress != nil {
		p = *status.Progress
	}
	if p.Phase == "" {
		p.Phase = status.Step
	}
	return p
}

func orDefault(value, fallback time.Duration) time.Duration {
	if value == 0 {
		return fallback
	}
	return value
}
