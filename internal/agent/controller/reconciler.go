package controller

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/clock"
)

// statusInterval is how often a running run's status is written.
const statusInterval = 2 * time.Second

// maxDuration ends a run that has no deadline of its own.
const maxDuration = 24 * time.Hour

// run is a run object of any kind.
type run interface {
	client.Object
	Common() (*v1alpha1.RunSpec, *v1alpha1.RunStatus)
}

// reconciler brings the runs of one kind to their end.
type reconciler[R run] struct {
	client client.Client
	clock  clock.Clock
	empty  func() R
	work   work[R]
	pool   *pool[R]
}

// Reconcile starts the task of a run and writes what it says into the status.
func (r *reconciler[R]) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object := r.empty()
	if err := r.client.Get(ctx, request.NamespacedName, object); err != nil {
		r.pool.drop(request.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	spec, status := object.Common()
	if status.Phase.Final() {
		r.pool.drop(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	t := r.task(request.NamespacedName, object)
	if t == nil {
		return ctrl.Result{RequeueAfter: statusInterval}, nil
	}
	if spec.Cancel || object.GetDeletionTimestamp() != nil {
		t.cancel(errCancelled)
	}
	if t.settled { // the cache has not seen the last status yet
		return ctrl.Result{}, nil
	}
	before := object.DeepCopyObject().(R)
	over := r.summarize(object, t)
	if err := r.write(ctx, before, object); err != nil {
		return ctrl.Result{}, err
	}
	if t.settled = over; over {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: statusInterval}, nil
}

// task finds or starts the work on a run.
func (r *reconciler[R]) task(name types.NamespacedName, object R) *task[R] {
	own := object.DeepCopyObject().(R)
	spec, _ := own.Common()
	return r.pool.get(name, own.GetUID(), func(ctx context.Context, j *journal) (func(R), error) {
		deadline := r.clock.Now().Add(maxDuration)
		if spec.Deadline != nil {
			deadline = spec.Deadline.Time
		}
		ctx, cancel := context.WithDeadlineCause(ctx, deadline, errDeadline)
		defer cancel()
		finish, err := r.work(ctx, own, j)
		if err != nil {
			step, _, _ := j.now()
			err = problemOf(ctx, step, err)
		}
		return finish, err
	})
}

// write stores the status when it differs from before. A run that vanished
// needs none.
func (r *reconciler[R]) write(ctx context.Context, before, object R) error {
	if equality.Semantic.DeepEqual(before, object) {
		return nil
	}
	err := r.client.Status().Patch(ctx, object, client.MergeFrom(before))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write status of %s: %w", object.GetName(), err)
	}
	return nil
}
