package movers_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/mover"
	"holdfast.dev/holdfast/internal/agent/movers"
	"holdfast.dev/holdfast/internal/agent/movers/moverstest"
)

const own = "holdfast"

// world is a cluster with one claim, and movers that end as a test wishes.
type world struct {
	*testing.T
	*moverstest.Cluster
	movers *movers.Movers
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	w := &world{T: t, Cluster: moverstest.New(t, append(objects, node("a"))...)}
	w.Move = func(context.Context, mover.Order) mover.Report { return mover.Report{BytesRead: 1} }
	w.movers = w.controller(w.Client)
	w.claim("data")
	return w
}

// controller is what one controller has of movers; another finds what it left.
func (w *world) controller(c client.Client) *movers.Movers {
	return &movers.Movers{Client: c, Kube: kubefake.NewClientset(), Namespace: own, Poll: time.Millisecond,
		Pod: func(context.Context) (movers.Template, error) {
			return movers.Template{Image: "image:1", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1280Mi")}}}, nil
		}}
}

func node(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
}

func (w *world) claim(name string) {
	w.Helper()
	class := "files"
	err := w.Client.Create(w.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: name, Labels: map[string]string{v1alpha1.LabelOperation: "op"}},
		Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: &class, Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}}}})
	if err != nil {
		w.Fatal(err)
	}
}

func work(name string) movers.Work {
	return movers.Work{Operation: "op", Name: name, Claim: "data", Deadline: time.Hour,
		Grant: func() agentv1.GateGrant { return agentv1.GateGrant{URL: "https://gate", Token: "secret"} },
		Order: mover.Order{Task: mover.Save, Stream: name}}
}

func quiet(agentv1.Progress) {}

// within ends a test that waits for ever.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (w *world) job(name string) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	err := w.Client.Get(w.Context(), client.ObjectKey{Namespace: own, Name: name}, job)
	return job, err
}

func TestRunAndClean(t *testing.T) {
	w := newWorld(t)
	report, err := w.movers.Run(within(t), work("m"), quiet)
	if err != nil || report.BytesRead != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	if left := w.Left(t.Context(), "op"); len(left) != 3 {
		t.Errorf("%v, want Job, Secret and claim", left)
	}
	keep := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "op", Labels: map[string]string{v1alpha1.LabelOperation: "op"}}}
	if err := w.Client.Create(t.Context(), keep); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing, which is no error
		if err := w.movers.Clean(t.Context(), "op", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if left := w.Left(t.Context(), "op"); !slices.Equal(left, []string{"*v1.Secret op"}) { // the run's own grant
		t.Errorf("left over: %v", left)
	}
	if handles := w.Handles(); len(handles) > 0 {
		t.Errorf("volumes left at the driver: %v", handles)
	}
}

// Names follow from the operation, so that a second controller finds the Job.
func TestNames(t *testing.T) {
	a := movers.Name("save", "op", "shop", "data")
	for _, other := range []string{movers.Name("load", "op", "shop", "data"), movers.Name("save", "op2", "shop", "data"),
		movers.Name("save", "op", "shop", "raw"), movers.Name("save", "opshop", "data")} {
		if a == other {
			t.Errorf("the same name twice: %s", a)
		}
	}
	if a != movers.Name("save", "op", "shop", "data") || len(a) > 63-len("-xxxxx") {
		t.Errorf("name %s", a)
	}
}

// What a pod may do and for how long is bounded.
func TestJob(t *testing.T) {
	w := newWorld(t)
	pinned := work("m")
	pinned.Node = "a"
	if _, err := w.movers.Run(within(t), pinned, quiet); err != nil {
		t.Fatal(err)
	}
	job, err := w.job("m")
	if err != nil {
		t.Fatal(err)
	}
	if *job.Spec.ActiveDeadlineSeconds != 3600 || *job.Spec.BackoffLimit != 3 || job.Spec.PodFailurePolicy.Rules[0].Action != batchv1.PodFailurePolicyActionIgnore {
		t.Errorf("deadline %d, attempts %d, %+v", *job.Spec.ActiveDeadlineSeconds, *job.Spec.BackoffLimit, job.Spec.PodFailurePolicy)
	}
	pod := job.Spec.Template.Spec
	one := pod.Containers[0]
	if one.Resources.Limits.Cpu().String() != "1" || one.Resources.Limits.Memory().String() != "1280Mi" {
		t.Errorf("limits %v", one.Resources.Limits)
	}
	if pod.ServiceAccountName != movers.ServiceAccount || *pod.AutomountServiceAccountToken || *pod.EnableServiceLinks || pod.RestartPolicy != corev1.RestartPolicyNever ||
		pod.HostNetwork || pod.HostPID || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("pod %+v", pod)
	}
	security := one.SecurityContext
	if *security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem || security.Privileged != nil ||
		!slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(security.Capabilities.Add) > 0 {
		t.Errorf("security %+v", security)
	}
	if pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchFields[0].Values[0] != "a" {
		t.Errorf("affinity %+v", pod.Affinity)
	}
	for i, want := range []corev1.UnsatisfiableConstraintAction{corev1.ScheduleAnyway, corev1.DoNotSchedule} {
		if c := pod.TopologySpreadConstraints[i]; c.WhenUnsatisfiable != want || int(c.MaxSkew) != i+1 || c.TopologyKey != corev1.LabelHostname ||
			c.LabelSelector.MatchLabels["app.kubernetes.io/name"] != job.Spec.Template.Labels["app.kubernetes.io/name"] {
			t.Errorf("spread %+v", c)
		}
	}
	for _, env := range one.Env {
		if strings.Contains(env.Value, "secret") {
			t.Error("the order is in the environment")
		}
	}
}

// A mover's own word on what went wrong arrives as it is; the Job is not lost.
func TestProblem(t *testing.T) {
	w := newWorld(t)
	tries := 0
	w.Move = func(context.Context, mover.Order) mover.Report {
		tries++
		return mover.Report{Problem: &agentv1.Problem{Code: mover.CodeDevice, Message: "no such device"}}
	}
	_, err := w.movers.Run(within(t), work("m"), quiet)
	var told *agentv1.Problem
	if !errors.As(err, &told) || told.Code != mover.CodeDevice || tries != 4 || errors.Is(err, movers.ErrLost) {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

// Whoever takes pods or Jobs away only makes it take longer.
func TestTakenAway(t *testing.T) {
	cases := map[string]func(w *world, job *batchv1.Job){
		"a running pod": func(w *world, _ *batchv1.Job) {
			w.await(func() bool { return w.podRuns() })
			w.deletePods()
		},
		"the Job": func(w *world, job *batchv1.Job) {
			if err := w.Client.Delete(w.Context(), job, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
				w.Error(err)
			}
		},
		"the pod with its report": func(w *world, job *batchv1.Job) {
			w.await(func() bool {
				job, err := w.job(job.Name)
				return err == nil && len(job.Status.Conditions) > 0
			})
			w.deletePods()
		},
	}
	for name, take := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			made := 0
			w.movers = w.controller(interceptor.NewClient(w.Client, interceptor.Funcs{
				Create: func(ctx context.Context, inner client.WithWatch, o client.Object, _ ...client.CreateOption) error {
					err := inner.Create(ctx, o)
					if job, ok := o.(*batchv1.Job); ok && err == nil {
						if made++; made == 1 {
							take(w, job)
						}
					}
					return err
				}}))
			report, err := w.movers.Run(within(t), work("m"), quiet)
			if err != nil || report.BytesRead != 1 || (made == 1) != (name == "a running pod") {
				t.Errorf("%d Jobs: %+v, %v", made, report, err)
			}
		})
	}
}

// await lets the cluster go on until something is so.
func (w *world) await(so func() bool) {
	for range 100 {
		if so() {
			return
		}
	}
	w.Fatal("it never came to be")
}

func (w *world) podRuns() bool {
	pods := &corev1.PodList{}
	return w.Client.List(w.Context(), pods) == nil && len(pods.Items) > 0 && pods.Items[0].Status.Phase == corev1.PodRunning
}

func (w *world) deletePods() {
	if err := w.Client.DeleteAllOf(w.Context(), &corev1.Pod{}, client.InNamespace(own)); err != nil {
		w.Error(err)
	}
}

// A Job that is deleted again and again is given up.
func TestTakenAwayForEver(t *testing.T) {
	w := newWorld(t)
	w.movers = w.controller(interceptor.NewClient(w.Client, interceptor.Funcs{
		Get: func(ctx context.Context, inner client.WithWatch, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
			if job, ok := o.(*batchv1.Job); ok && inner.Get(ctx, key, job) == nil {
				if err := inner.Delete(ctx, job); err != nil {
					return err
				}
			}
			return inner.Get(ctx, key, o)
		}}))
	if _, err := w.movers.Run(within(t), work("m"), quiet); err == nil || !strings.Contains(err.Error(), "4 times") {
		t.Errorf("%v", err)
	}
}

// What the API server refuses for a moment is asked again; what it refuses for
// good ends the run.
func TestServerErrors(t *testing.T) {
	busy := apierrors.NewTooManyRequestsError("busy")
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "m", errors.New("no"))
	for name, c := range map[string]struct {
		err  error
		ends bool
	}{"busy": {busy, false}, "forbidden": {forbidden, true}} {
		w := newWorld(t)
		refused := map[string]int{}
		w.movers = w.controller(interceptor.NewClient(w.Client, interceptor.Funcs{
			Create: func(ctx context.Context, inner client.WithWatch, o client.Object, _ ...client.CreateOption) error {
				if refused[o.GetName()]++; refused[o.GetName()] <= 2 {
					return c.err
				}
				return inner.Create(ctx, o)
			}}))
		if _, err := w.movers.Run(within(t), work("m"), quiet); (err != nil) != c.ends || c.ends && !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Four volumes on a node that takes one mover at a time: they take turns, and
// who waits says what for.
func TestTurns(t *testing.T) {
	w := newWorld(t)
	w.movers = w.controller(interceptor.NewClient(w.Client, interceptor.Funcs{
		Create: func(ctx context.Context, inner client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			jobs := &batchv1.JobList{}
			if _, ok := o.(*batchv1.Job); ok {
				if err := inner.List(ctx, jobs); err != nil {
					return err
				}
			}
			for _, job := range jobs.Items {
				if len(job.Status.Conditions) == 0 {
					t.Errorf("%s begins while %s is at work", o.GetName(), job.Name)
				}
			}
			return inner.Create(ctx, o)
		}}))
	w.movers.Limits = movers.Limits{PerNode: 1}
	var mu sync.Mutex
	reasons := map[string]bool{}
	var all sync.WaitGroup
	for _, name := range []string{"m1", "m2", "m3", "m4"} {
		all.Go(func() {
			_, err := w.movers.Run(within(t), work(name), func(p agentv1.Progress) {
				mu.Lock()
				defer mu.Unlock()
				reasons[p.Phase] = true
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if !reasons["waiting: 1 mover on 1 node"] || len(reasons) != 1 {
		t.Errorf("waited for %v", reasons)
	}
}

// A controller that takes over counts the movers that it finds at work.
func TestTurnsAfterARestart(t *testing.T) {
	running := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "left", Labels: map[string]string{v1alpha1.LabelOperation: "other"},
		Annotations: map[string]string{"holdfast.dev/target": "https://gate"}, Finalizers: []string{"test/stays"}},
		Spec: batchv1.JobSpec{BackoffLimit: new(int32)}}
	w := newWorld(t, running)
	w.movers.Limits = movers.Limits{PerTarget: 1}
	waiting := make(chan string, 1)
	over := make(chan error, 1)
	go func() {
		_, err := w.movers.Run(within(t), work("m"), func(p agentv1.Progress) {
			select {
			case waiting <- p.Phase:
			default:
			}
		})
		over <- err
	}()
	select {
	case reason := <-waiting:
		if reason != "waiting: 1 mover for the same target" {
			t.Errorf("waited for %q", reason)
		}
	case err := <-over:
		t.Fatalf("did not wait: %v", err)
	}
	if err := w.movers.Clean(within(t), "other", time.Minute); err != nil { // its operation ended
		t.Fatal(err)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// Who waits for a turn can be cancelled.
func TestCancelledWhileWaiting(t *testing.T) {
	w := newWorld(t, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "left", Labels: map[string]string{v1alpha1.LabelOperation: "other"},
		Annotations: map[string]string{"holdfast.dev/target": "https://gate"}}, Spec: batchv1.JobSpec{BackoffLimit: new(int32)}})
	w.movers.Limits = movers.Limits{PerTarget: 1}
	ctx, cancel := context.WithCancelCause(within(t))
	cause := errors.New("cancelled on request")
	_, err := w.movers.Run(ctx, work("m"), func(agentv1.Progress) { cancel(cause) })
	if !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}

// Operations are found by what they left, however long ago, and not before.
func TestOperations(t *testing.T) {
	old := metav1.NewTime(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	marked := func(name, operation string) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Namespace: own, Name: name, CreationTimestamp: old}
		if operation != "" {
			m.Labels = map[string]string{v1alpha1.LabelOperation: operation}
		}
		return m
	}
	volume := &corev1.PersistentVolume{ObjectMeta: marked("kept", "by-volume"), Spec: corev1.PersistentVolumeSpec{
		PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain, ClaimRef: &corev1.ObjectReference{}}}
	volume.Namespace = ""
	elsewhere := &corev1.PersistentVolumeClaim{ObjectMeta: marked("claim", "elsewhere")}
	elsewhere.Namespace, elsewhere.Spec.VolumeName = "shop", "none"
	w := newWorld(t, volume, elsewhere,
		&batchv1.Job{ObjectMeta: marked("job", "by-job"), Spec: batchv1.JobSpec{BackoffLimit: new(int32)}},
		&batchv1.Job{ObjectMeta: marked("job-2", "by-job"), Spec: batchv1.JobSpec{BackoffLimit: new(int32)}},
		&corev1.PersistentVolumeClaim{ObjectMeta: marked("claim", "by-claim"), Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "none"}},
		&corev1.PersistentVolumeClaim{ObjectMeta: marked("somebody's", ""), Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "none"}})
	got, err := w.movers.Operations(t.Context(), old.Add(time.Hour)) // "op" is from today
	if err != nil || !slices.Equal(got, []string{"by-claim", "by-job", "by-volume"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// What does not go in time is told, with its number.
func TestCleanThatTakesTooLong(t *testing.T) {
	w := newWorld(t, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "claim", Finalizers: []string{"test/stays"},
		Labels: map[string]string{v1alpha1.LabelOperation: "stuck"}}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "none"}})
	w.movers.Client = interceptor.NewClient(w.Client, interceptor.Funcs{
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return nil }})
	err := w.movers.Clean(t.Context(), "stuck", 20*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "1 helper objects of stuck are still there") {
		t.Errorf("%v", err)
	}
}
