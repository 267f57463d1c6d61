// Package movers runs mover pods: for each volume a Job of its own with one
// block claim and one order, watched until it is over. The Jobs of one
// operation have names that follow from it, so an interrupted controller finds
// them again and goes on watching.
//
//	Work -> Secret (order) + Job -> pod -> log (progress) -> termination message (report)
//
// What bears an operation's label goes with Clean.
package movers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
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
	// Slots bounds how many run at the same time; one is taken by sending.
	Slots chan struct{}
	// Poll is the time between two looks; 0 means a second.
	Poll time.Duration
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

// ErrLost says that a Job ended without a report, or that it was deleted.
var ErrLost = errors.New("the mover ended without a report")

// Run starts the Job of a work, or finds it, and waits until it is over. The
// error is a *agentv1.Problem when the mover itself reported one. report is
// called with what the mover says of its progress.
func (m *Movers) Run(ctx context.Context, work Work, report func(agentv1.Progress)) (mover.Report, error) {
	select {
	case m.Slots <- struct{}{}:
		defer func() { <-m.Slots }()
	case <-ctx.Done():
		return mover.Report{}, context.Cause(ctx)
	}
	if err := m.start(ctx, work); err != nil {
		return mover.Report{}, fmt.Errorf("start mover %s: %w", work.Name, err)
	}
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

func (m *Movers) poll() time.Duration {
	if m.Poll > 0 {
		return m.Poll
	}
	return time.Second
}

// start makes the Secret and the Job, or finds them.
func (m *Movers) start(ctx context.Context, work Work) error {
	pod, err := m.Pod(ctx)
	if err != nil {
		return err
	}
	if err := m.order(ctx, work); err != nil {
		return err
	}
	err = m.Client.Create(ctx, m.job(work, pod))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create Job: %w", err)
	}
	return nil
}

// order writes the Secret with the order and a grant that is fresh.
func (m *Movers) order(ctx context.Context, work Work) error {
	fresh := work.Grant()
	work.Order.Repository.Gate = &fresh
	raw, err := json.Marshal(work.Order)
	if err != nil {
		return fmt.Errorf("encode order: %w", err)
	}
	secret := &corev1.Secret{ObjectMeta: m.meta(work), Data: map[string][]byte{orderKey: raw}}
	err = m.Client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		err = m.Client.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("put order: %w", err)
	}
	return nil
}

func (m *Movers) meta(work Work) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: work.Name, Labels: map[string]string{v1alpha1.LabelOperation: work.Operation}}
}

// look reads how a Job stands, and says whether it is over.
func (m *Movers) look(ctx context.Context, work Work, report func(agentv1.Progress)) (mover.Report, bool, error) {
	job := &batchv1.Job{}
	if err := m.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: work.Name}, job); err != nil {
		if apierrors.IsNotFound(err) {
			return mover.Report{}, true, fmt.Errorf("mover %s was deleted: %w", work.Name, ErrLost)
		}
		return mover.Report{}, false, err
	}
	pods := &corev1.PodList{}
	err := m.Client.List(ctx, pods, client.InNamespace(m.Namespace), client.MatchingLabels{batchv1.JobNameLabel: work.Name})
	if err != nil {
		return mover.Report{}, false, err
	}
	newest := latest(pods.Items)
	switch condition := ended(job); {
	case condition == nil:
		m.progress(ctx, newest, report)
		return mover.Report{}, false, nil
	case newest == nil:
		return mover.Report{}, true, fmt.Errorf("mover %s: %s %s: %w", work.Name, condition.Reason, condition.Message, ErrLost)
	default:
		result, err := reportOf(newest)
		if err != nil {
			err = fmt.Errorf("mover %s: %s %s: %w", work.Name, condition.Reason, condition.Message, err)
		}
		return result, true, err
	}
}

func ended(job *batchv1.Job) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

func latest(pods []corev1.Pod) *corev1.Pod {
	var newest *corev1.Pod
	for i := range pods {
		if newest == nil || newest.CreationTimestamp.Before(&pods[i].CreationTimestamp) {
			newest = &pods[i]
		}
	}
	return newest
}

// reportOf reads the termination message of a mover's pod.
func reportOf(pod *corev1.Pod) (mover.Report, error) {
	for _, status := range pod.Status.ContainerStatuses {
		end := status.State.Terminated
		if end == nil {
			continue
		}
		var result mover.Report
		if json.Unmarshal([]byte(end.Message), &result) != nil {
			return mover.Report{}, fmt.Errorf("%s (exit code %d): %s: %w", end.Reason, end.ExitCode, strings.TrimSpace(end.Message), ErrLost)
		}
		if result.Problem != nil {
			return result, result.Problem
		}
		return result, nil
	}
	return mover.Report{}, fmt.Errorf("pod %s is %s: %s: %w", pod.Name, pod.Status.Phase, pod.Status.Message, ErrLost)
}

// transient says whether the API server may answer the same request later.
func transient(err error) bool {
	return apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) || apierrors.IsConflict(err)
}
