package runs_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/runs"
	"holdfast.dev/holdfast/internal/agent/session"
	"holdfast.dev/holdfast/internal/clock"
)

const namespace = "holdfast"

var key = []byte("0123456789abcdef0123456789abcdef")

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(s), corev1.AddToScheme(s), metav1.AddMetaToScheme(s)); err != nil {
		t.Fatal(err)
	}
	return s
}

// cluster is an API that can be told to fail a number of requests.
type cluster struct {
	client.WithWatch
	failures atomic.Int32
	sticky   atomic.Pointer[error] // answered to every create
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	fail := func() error {
		if c.failures.Add(-1) >= 0 {
			return apierrors.NewInternalError(errors.New("etcd is away"))
		}
		return nil
	}
	c.WithWatch = fake.NewClientBuilder().WithScheme(scheme(t)).
		WithStatusSubresource(&v1alpha1.BackupRun{}, &v1alpha1.RestoreRun{}, &v1alpha1.RecoveryPointDeletion{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, w client.WithWatch, object client.Object, opts ...client.CreateOption) error {
				if err := c.sticky.Load(); err != nil {
					return *err
				}
				if err := fail(); err != nil {
					return err
				}
				return w.Create(ctx, object, opts...)
			},
			Get: func(ctx context.Context, w client.WithWatch, k client.ObjectKey, object client.Object, opts ...client.GetOption) error {
				if err := fail(); err != nil {
					return err
				}
				return w.Get(ctx, k, object, opts...)
			},
		}).Build()
	return c
}

// report records progress and can cancel.
type report struct {
	mu        sync.Mutex
	progress  []agentv1.Progress
	cancelled chan struct{}
}

func newReport() *report { return &report{cancelled: make(chan struct{})} }

func (r *report) Progress(p agentv1.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = append(r.progress, p)
}

func (r *report) Health(agentv1.Health) {}

func (r *report) Cancelled() <-chan struct{} { return r.cancelled }

func (r *report) looks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.progress)
}

func (r *report) saw(phase string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.progress {
		if p.Phase == phase {
			return true
		}
	}
	return false
}

func handler(c client.Client, tick clock.Clock) *runs.Handler {
	return &runs.Handler{
		Client: c, Namespace: namespace, Clock: tick, Log: slog.New(slog.DiscardHandler), Poll: 2 * time.Millisecond,
	}
}

func operation(t *testing.T, kind agentv1.Kind, spec any) agentv1.Operation {
	t.Helper()
	raw, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	return agentv1.Operation{ID: "op1", Kind: kind, Spec: raw, Deadline: time.Now().Add(time.Hour)}
}

func backup(t *testing.T) agentv1.Operation {
	t.Helper()
	return operation(t, agentv1.KindBackup, agentv1.Backup{
		InstanceID: "/i", RecoveryPointID: "aa", Repository: agentv1.RepositoryGrant{Prefix: "p/", Key: key},
	})
}

// begin handles an operation in the background.
func begin(ctx context.Context, h *runs.Handler, o agentv1.Operation, r session.Report) <-chan session.Result {
	done := make(chan session.Result, 1)
	go func() { done <- h.Handle(ctx, o, r) }()
	return done
}

func wait(t *testing.T, done <-chan session.Result) session.Result {
	t.Helper()
	select {
	case result := <-done:
		return result
	case <-time.After(time.Minute):
		t.Fatal("the handler did not return within a minute")
		return session.Result{}
	}
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !check(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// controller plays the controller: it waits for the run and writes a status.
func controller(t *testing.T, c client.Client, status v1alpha1.BackupRunStatus) *v1alpha1.BackupRun {
	t.Helper()
	object := &v1alpha1.BackupRun{}
	at := client.ObjectKey{Namespace: namespace, Name: v1alpha1.RunName("op1")}
	eventually(t, "a run", func() bool { return c.Get(t.Context(), at, object) == nil })
	object.Status = status
	if err := c.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	return object
}

func running(step string) v1alpha1.BackupRunStatus {
	return v1alpha1.BackupRunStatus{RunStatus: v1alpha1.RunStatus{
		Phase: v1alpha1.PhaseRunning, Step: step, Progress: &agentv1.Progress{ItemsDone: 5},
	}}
}

func TestBackupToItsEnd(t *testing.T) {
	c := newCluster(t)
	c.failures.Store(3)
	r := newReport()
	done := begin(t.Context(), handler(c, clock.System{}), backup(t), r)
	object := controller(t, c, running("Collect"))
	eventually(t, "progress", func() bool { return r.saw("Collect") })
	if object.Spec.Backup.Repository.Key != nil || object.Spec.Deadline == nil || object.Spec.ValidateOnly {
		t.Errorf("run object carries a key, has no deadline or only validates: %+v", object.Spec)
	}
	checkGrant(t, c, object)

	warnings := []agentv1.Warning{{Resource: "v1/PersistentVolumeClaim a/b"}}
	controller(t, c, v1alpha1.BackupRunStatus{
		RunStatus: v1alpha1.RunStatus{Phase: v1alpha1.PhaseSucceeded, Warnings: warnings},
		Result:    &agentv1.BackupResult{RecoveryPointID: "aa", Objects: 9},
	})
	result := wait(t, done)
	if result.Outcome != agentv1.OutcomeSucceeded || len(result.Warnings) != 1 || !strings.Contains(string(result.Value), `"objects":9`) {
		t.Errorf("result %+v %s", result, result.Value)
	}
	result.After(t.Context())
	checkEmpty(t, c)
}

func checkGrant(t *testing.T, c client.Client, object *v1alpha1.BackupRun) {
	t.Helper()
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: object.Spec.GrantSecret}, secret); err != nil {
		t.Fatal(err)
	}
	var grant v1alpha1.Grant
	if err := json.Unmarshal(secret.Data[v1alpha1.GrantKey], &grant); err != nil {
		t.Fatal(err)
	}
	if string(grant.Key) != string(key) || grant.Prefix != "p/" {
		t.Errorf("grant %+v", grant)
	}
	if len(secret.OwnerReferences) != 1 || secret.OwnerReferences[0].Name != object.Name {
		t.Errorf("owner of the grant: %+v", secret.OwnerReferences)
	}
}

func checkEmpty(t *testing.T, c client.Client) {
	t.Helper()
	var secrets corev1.SecretList
	var list v1alpha1.BackupRunList
	if err := errors.Join(c.List(t.Context(), &secrets), c.List(t.Context(), &list)); err != nil {
		t.Fatal(err)
	}
	if len(secrets.Items)+len(list.Items) != 0 {
		t.Errorf("left over: %d Secrets, %d runs", len(secrets.Items), len(list.Items))
	}
}

func TestRedeliveryFindsTheRun(t *testing.T) {
	c := newCluster(t)
	ctx, kill := context.WithCancel(t.Context())
	done := begin(ctx, handler(c, clock.System{}), backup(t), newReport())
	before := controller(t, c, running("Snapshot"))
	kill()
	wait(t, done)

	done = begin(t.Context(), handler(c, clock.System{}), backup(t), newReport())
	after := controller(t, c, v1alpha1.BackupRunStatus{RunStatus: v1alpha1.RunStatus{Phase: v1alpha1.PhaseSucceeded}})
	if result := wait(t, done); result.Outcome != agentv1.OutcomeSucceeded {
		t.Errorf("outcome %s", result.Outcome)
	}
	if before.UID != after.UID || after.Name != v1alpha1.RunName("op1") {
		t.Errorf("a second run was made: %s, %s", before.UID, after.UID)
	}
}

func TestCancelReachesTheRun(t *testing.T) {
	c := newCluster(t)
	r := newReport()
	done := begin(t.Context(), handler(c, clock.System{}), backup(t), r)
	object := controller(t, c, running("Collect"))
	close(r.cancelled)
	eventually(t, "spec.cancel", func() bool {
		return c.Get(t.Context(), client.ObjectKeyFromObject(object), object) == nil && object.Spec.Cancel
	})
	controller(t, c, v1alpha1.BackupRunStatus{RunStatus: v1alpha1.RunStatus{Phase: v1alpha1.PhaseCancelled}})
	if result := wait(t, done); result.Outcome != agentv1.OutcomeCancelled {
		t.Errorf("outcome %s", result.Outcome)
	}
}

func TestFailures(t *testing.T) {
	problem := &agentv1.Problem{Code: "UserErrorNamespaceNotFound", Message: "gone"}
	failed := v1alpha1.RunStatus{Phase: v1alpha1.PhaseFailed, Problem: problem}
	t.Run("run failed", func(t *testing.T) {
		c := newCluster(t)
		done := begin(t.Context(), handler(c, clock.System{}), backup(t), newReport())
		controller(t, c, v1alpha1.BackupRunStatus{RunStatus: failed})
		if got := wait(t, done); got.Outcome != agentv1.OutcomeFailed || got.Problem.Code != problem.Code {
			t.Errorf("result %+v", got)
		}
	})
	t.Run("run deleted", func(t *testing.T) {
		c := newCluster(t)
		done := begin(t.Context(), handler(c, clock.System{}), backup(t), newReport())
		if err := c.Delete(t.Context(), controller(t, c, running("Collect"))); err != nil {
			t.Fatal(err)
		}
		if got := wait(t, done); got.Problem == nil || got.Problem.Code != runs.CodeRunDeleted {
			t.Errorf("result %+v", got)
		}
	})
	t.Run("create refused", func(t *testing.T) {
		c := newCluster(t)
		err := error(apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("x").GroupResource(), "op-op1", errors.New("no")))
		c.sticky.Store(&err)
		got := wait(t, begin(t.Context(), handler(c, clock.System{}), backup(t), newReport()))
		if got.Problem == nil || got.Problem.Code != runs.CodeRunRefused {
			t.Errorf("result %+v", got)
		}
	})
	t.Run("kind not known", func(t *testing.T) {
		o := operation(t, "Teleport", map[string]string{})
		got := wait(t, begin(t.Context(), handler(newCluster(t), clock.System{}), o, newReport()))
		if got.Problem == nil || got.Problem.Code != runs.CodeNotUnderstood {
			t.Errorf("result %+v", got)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	for name, elapsed := range map[string]time.Duration{"never picked up": 11 * time.Minute, "past its deadline": 70 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			c, manual := newCluster(t), clock.NewManual(time.Now())
			r := newReport()
			done := begin(t.Context(), handler(c, manual), backup(t), r)
			status := v1alpha1.BackupRunStatus{}
			if name != "never picked up" {
				status = running("Collect")
			}
			controller(t, c, status)
			before := r.looks()
			eventually(t, "a look that began and ended since", func() bool { return r.looks() >= before+2 })
			manual.Advance(elapsed)
			got := wait(t, done)
			if got.Problem == nil || got.Problem.Code != runs.CodeTracking || got.After == nil {
				t.Errorf("result %+v", got)
			}
		})
	}
}

func TestOtherKinds(t *testing.T) {
	location := &agentv1.StorageLocation{URL: "https://a/b", Account: "a", Key: "secret"}
	restore := agentv1.Restore{RecoveryPointID: "aa", Location: location, Repository: agentv1.RepositoryGrant{Prefix: "p/", Key: key}}
	deletion := agentv1.DeleteRecoveryPoint{RecoveryPointID: "aa", Location: location, Repository: agentv1.RepositoryGrant{Prefix: "p/", Key: key}}
	cases := map[agentv1.Kind]struct {
		spec   any
		object client.Object
	}{
		agentv1.KindValidateBackup:      {agentv1.Backup{}, &v1alpha1.BackupRun{}},
		agentv1.KindRestore:             {restore, &v1alpha1.RestoreRun{}},
		agentv1.KindValidateRestore:     {restore, &v1alpha1.RestoreRun{}},
		agentv1.KindDeleteRecoveryPoint: {deletion, &v1alpha1.RecoveryPointDeletion{}},
		agentv1.KindVault: {agentv1.Vault{RecoveryPointID: "aa", Location: location, Source: agentv1.RepositoryGrant{Prefix: "p/", Key: key},
			Target: agentv1.RepositoryGrant{Key: key, Gate: &agentv1.GateGrant{URL: "https://s", Token: "secret"}}}, &v1alpha1.VaultRun{}},
	}
	for kind, want := range cases {
		t.Run(string(kind), func(t *testing.T) {
			c := newCluster(t)
			ctx, cancel := context.WithCancel(t.Context())
			done := begin(ctx, handler(c, clock.System{}), operation(t, kind, want.spec), newReport())
			at := client.ObjectKey{Namespace: namespace, Name: v1alpha1.RunName("op1")}
			eventually(t, "the run", func() bool { return c.Get(ctx, at, want.object) == nil })
			cancel()
			wait(t, done)
			raw, err := json.Marshal(want.object)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(raw), "secret\"") || strings.Contains(string(raw), `"key":`) {
				t.Errorf("the run carries a key: %s", raw)
			}
			validates := strings.Contains(string(raw), `"dryRun":true`) || strings.Contains(string(raw), `"validateOnly":true`)
			if validates != strings.HasPrefix(string(kind), "Validate") {
				t.Errorf("validates: %v", validates)
			}
		})
	}
}

func TestSweep(t *testing.T) {
	c := newCluster(t)
	now := time.Now()
	manual := clock.NewManual(now)
	ended := func(name string, ago time.Duration) {
		at := metav1.NewTime(now.Add(-ago))
		object := &v1alpha1.BackupRun{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		object.Status.Phase, object.Status.FinishedAt = v1alpha1.PhaseSucceeded, &at
		if err := c.Status().Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	grant := func(name string, ago time.Duration) {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: namespace, Labels: map[string]string{v1alpha1.LabelOperation: name},
			CreationTimestamp: metav1.NewTime(now.Add(-ago)),
		}}
		if err := c.Create(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	ended("old", 25*time.Hour)
	ended("new", time.Hour)
	busy := &v1alpha1.BackupRun{ObjectMeta: metav1.ObjectMeta{Name: "busy", Namespace: namespace}}
	if err := c.Create(t.Context(), busy); err != nil {
		t.Fatal(err)
	}
	grant("old", 25*time.Hour)
	grant("new", 25*time.Hour)   // its run has ended and waits for its result to be taken
	grant("busy", 25*time.Hour)  // its run is at work
	grant("orphan", 2*time.Hour) // its run never came
	grant("coming", time.Minute) // its run may still come
	if err := handler(c, manual).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	var secrets corev1.SecretList
	var list v1alpha1.BackupRunList
	if err := errors.Join(c.List(t.Context(), &secrets), c.List(t.Context(), &list)); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range secrets.Items {
		names = append(names, s.Name)
	}
	if len(list.Items) != 2 || list.Items[1].Name != "new" || strings.Join(names, " ") != "busy coming" {
		t.Errorf("runs %d, Secrets %v", len(list.Items), names)
	}
}
