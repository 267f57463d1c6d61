package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/clock"
)

const (
	lookSoon  = 2 * time.Second  // while something is under way
	lookLater = 30 * time.Second // at what is installed
	lookAgain = 5 * time.Second  // after an error
)

// Chart installs and removes the extension's chart.
type Chart interface {
	// Apply brings the chart into the cluster with exactly these values.
	Apply(ctx context.Context, values map[string]any) error
	// Remove takes it out again; what is not there is fine.
	Remove(ctx context.Context) error
	// Version is the version Apply installs.
	Version() (string, error)
}

// Operator reconciles Extension objects.
type Operator struct {
	Client    client.Client // of Extension objects and run objects
	Reader    client.Reader // the same without a cache
	Typed     kubernetes.Interface
	Dynamic   dynamic.Interface
	Chart     Chart
	Image     Image
	Namespace string // where the extension is installed
	Clock     clock.Clock
	Log       *slog.Logger
}

// NewOperator returns an operator for the cluster of config; install is what
// it installs into namespace.
func NewOperator(config *rest.Config, c client.Client, r client.Reader, install Chart, image Image, namespace string, log *slog.Logger) (*Operator, error) {
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return &Operator{
		Client: c, Reader: r, Typed: typed, Dynamic: dyn, Chart: install, Image: image,
		Namespace: namespace, Clock: clock.System{}, Log: log,
	}, nil
}

// Register makes a manager call the operator.
func (o *Operator) Register(manager ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(manager).For(&v1alpha1.Extension{}).Named("extension").
		Complete(reconcile.Func(o.Reconcile))
	if err != nil {
		return fmt.Errorf("register the operator: %w", err)
	}
	return nil
}

// job is one pass over one extension; steps change its status, Reconcile
// writes it.
type job struct {
	extension *v1alpha1.Extension
	status    *v1alpha1.ExtensionStatus
	declared  agentv1.InstallExtension
}

// step does one thing towards the goal. It returns errWait when it must be
// looked at again, a *agentv1.Problem when it cannot succeed, and any other
// error when the attempt failed.
type step func(ctx context.Context, j *job) error

// errWait says that a step is not done yet and why stands in the status.
var errWait = errors.New("not yet")

// Reconcile takes an extension one pass further and writes its status once.
func (o *Operator) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var extension v1alpha1.Extension
	if err := o.Reader.Get(ctx, request.NamespacedName, &extension); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	before := extension.DeepCopy()
	j := &job{extension: &extension, status: &extension.Status}
	if j.status.OperationID != extension.Spec.OperationID {
		begin(j)
	}
	after := o.pass(ctx, j)
	if equality.Semantic.DeepEqual(before.Status, extension.Status) {
		return reconcile.Result{RequeueAfter: after}, nil
	}
	if err := o.Client.Status().Update(ctx, &extension); err != nil {
		return reconcile.Result{}, fmt.Errorf("write the status of extension %s: %w", extension.Name, err)
	}
	return reconcile.Result{RequeueAfter: after}, nil
}

// begin starts over for a new operation; what is installed stays known.
func begin(j *job) {
	*j.status = v1alpha1.ExtensionStatus{
		OperationID: j.extension.Spec.OperationID, Version: j.status.Version, Phase: v1alpha1.ExtensionPending,
		Message: "The operator has begun.",
	}
}

// pass runs the steps that the phase asks for and returns when to look again.
func (o *Operator) pass(ctx context.Context, j *job) time.Duration {
	var steps []step
	var during, done v1alpha1.ExtensionPhase
	switch {
	case j.status.Phase == v1alpha1.ExtensionFailed || j.status.Phase == v1alpha1.ExtensionRemoved:
		return 0
	case j.status.Phase == v1alpha1.ExtensionInstalled && !j.extension.Spec.Remove:
		o.watchOver(ctx, j)
		return lookLater
	case j.extension.Spec.Remove:
		steps, during, done = o.removal(), v1alpha1.ExtensionRemoving, v1alpha1.ExtensionRemoved
	default:
		steps, during, done = o.installation(), v1alpha1.ExtensionInstalling, v1alpha1.ExtensionInstalled
	}
	j.status.Phase = during
	for _, s := range steps {
		if err := s(ctx, j); err != nil {
			return o.stopped(ctx, j, err)
		}
	}
	j.status.Phase, j.status.Problem, j.status.Message = done, nil, "The extension is "+lower(done)+"."
	o.Log.InfoContext(ctx, "extension done", "extension", j.extension.Name, "phase", string(done))
	return lookLater
}

// stopped decides what an unfinished pass means: wait, try again, or give up.
func (o *Operator) stopped(ctx context.Context, j *job, err error) time.Duration {
	var problem *agentv1.Problem
	again := lookSoon
	switch {
	case errors.Is(err, errWait):
	case errors.As(err, &problem):
		o.fail(ctx, j, *problem)
		return 0
	case apierrors.IsInvalid(err):
		o.fail(ctx, j, agentv1.Problem{Code: CodeNotValid, Target: j.extension.Spec.Name, Message: err.Error(),
			Actions: []string{"Change the setting that the message tells of, then declare the extension again."}})
		return 0
	default:
		again = lookAgain
		o.Log.WarnContext(ctx, "extension not done, will try again", "extension", j.extension.Name, "error", err)
		j.status.Message = err.Error()
		health(j, []agentv1.Problem{{Code: CodeRetrying, Target: j.extension.Spec.Name, Message: err.Error(), Retryable: true}})
	}
	deadline := j.extension.Spec.Deadline
	if deadline == nil || o.Clock.Now().Before(deadline.Time) {
		return again
	}
	if j.status.Problem == nil {
		j.status.Problem = &agentv1.Problem{Code: CodeTimeout, Target: j.extension.Spec.Name, Message: j.status.Message, Retryable: true}
	}
	o.fail(ctx, j, *j.status.Problem)
	return 0
}

func (o *Operator) fail(ctx context.Context, j *job, problem agentv1.Problem) {
	o.Log.WarnContext(ctx, "extension failed", "extension", j.extension.Name, "code", problem.Code, "reason", problem.Message)
	j.status.Phase, j.status.Problem, j.status.Message = v1alpha1.ExtensionFailed, &problem, problem.Message
}
