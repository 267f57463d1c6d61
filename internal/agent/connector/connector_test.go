package connector_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/connector"
	"holdfast.dev/holdfast/internal/agent/preflight"
	"holdfast.dev/holdfast/internal/agent/session"
	"holdfast.dev/holdfast/internal/chart"
)

func TestInstall(t *testing.T) {
	w := newWorld(t)
	w.chart.failures = 2
	w.declare(t, "op1", nil)
	for range 2 { // the chart fails twice and the operator tries again
		if got, again := w.reconcile(t); got.Status.Phase != v1alpha1.ExtensionInstalling || again == 0 {
			t.Fatalf("status %+v, again in %s", got.Status, again)
		}
	}
	got, _ := w.reconcile(t)
	if got.Status.Phase != v1alpha1.ExtensionInstalled || got.Status.Version != "0.1.0" || !got.Status.Statuses[0].Healthy {
		t.Fatalf("status %+v", got.Status)
	}
	want := map[string]any{
		"image": "image:1", "imagePullPolicy": "Never",
		"service":   map[string]any{"address": "https://h:1", "ca": "ca", "token": "token"},
		"location":  map[string]any{"url": "https://a.example/c", "account": "a", "key": "k"},
		"resources": map[string]any{"requests": map[string]any{"cpu": "50m"}},
		"movers":    map[string]any{"perNode": int64(3)},
		"telemetry": map[string]any{"endpoint": ""},
	}
	if diff := cmp.Diff([]map[string]any{want}, w.chart.applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	raw, err := json.Marshal(got)
	if err != nil || strings.Contains(string(raw), `"token"`) || strings.Contains(string(raw), `"k"`) {
		t.Errorf("the object carries a secret (%v): %s", err, raw)
	}
}

// TestKilledAnywhere kills the operator after every pass and the handler at
// any time: each is called anew and goes on.
func TestKilledAnywhere(t *testing.T) {
	w := newWorld(t)
	w.chart.onApply = nil // pods take their time
	w.declare(t, "op1", nil)
	w.reconcile(t)
	w.declare(t, "op1", nil) // delivered again
	if got, _ := w.reconcile(t); got.Status.Phase != v1alpha1.ExtensionInstalling || got.Status.Problem.Code != chart.CodeMissing {
		t.Fatalf("status %+v", got.Status)
	}
	w.ready(t)()
	if got, _ := w.reconcile(t); got.Status.Phase != v1alpha1.ExtensionInstalled || got.Status.Problem != nil {
		t.Fatalf("status %+v", got.Status)
	}
	result := w.handler.Handle(t.Context(), operation(t, "op1", agentv1.KindInstallExtension, agentv1.InstallExtension{
		Name: "azure-aks-backup", ExtensionType: "microsoft.dataprotection.kubernetes",
	}), &report{})
	if result.Outcome != agentv1.OutcomeSucceeded || !strings.Contains(string(result.Value), `"version":"0.1.0"`) || len(result.Warnings) == 0 {
		t.Errorf("result %+v %s", result, result.Value)
	}
}

func TestRefusals(t *testing.T) {
	velero := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "velero"}}
	velero.Spec.Template.Spec.Containers = []corev1.Container{{Image: "velero/velero:v1"}}
	cases := map[string]struct {
		prepare func(*testing.T, *world)
		change  func(*agentv1.InstallExtension)
		want    string
	}{
		"another backup product": {prepare: func(t *testing.T, w *world) {
			if err := w.typed.Tracker().Add(velero); err != nil {
				t.Fatal(err)
			}
		}, want: preflight.CodeOtherBackup},
		"unknown type":    {change: func(i *agentv1.InstallExtension) { i.ExtensionType = "microsoft.flux" }, want: connector.CodeTypeNotKnown},
		"unknown version": {change: func(i *agentv1.InstallExtension) { i.Version = "9.9" }, want: connector.CodeVersionUnknown},
		"bad quantity": {change: func(i *agentv1.InstallExtension) {
			i.Settings = map[string]string{"resources.limits.memory": "lots"}
		}, want: connector.CodeSetting},
		"zero quantity": {change: func(i *agentv1.InstallExtension) {
			i.Settings = map[string]string{"resources.limits.cpu": "0"}
		}, want: connector.CodeSetting},
		"no mover at all": {change: func(i *agentv1.InstallExtension) {
			i.Settings = map[string]string{"movers.perTarget": "0"}
		}, want: connector.CodeSetting},
		"second of its type": {prepare: func(t *testing.T, w *world) {
			other := &v1alpha1.Extension{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "other"}}
			if err := w.client.Create(t.Context(), other); err != nil {
				t.Fatal(err)
			}
		}, want: connector.CodeAlreadyThere},
		"more requested than the limit": {prepare: func(_ *testing.T, w *world) {
			w.chart.refusal = fmt.Errorf("apply chart: %w", apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "holdfast-agent",
				field.ErrorList{field.Invalid(field.NewPath("resources", "requests"), "50", "must be less than or equal to cpu limit of 1")}))
		}, want: connector.CodeNotValid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.prepare != nil {
				c.prepare(t, w)
			}
			w.declare(t, "op1", c.change)
			if name == "second of its type" {
				w.age(t)
			}
			got, again := w.reconcile(t)
			if got.Status.Phase != v1alpha1.ExtensionFailed || got.Status.Problem.Code != c.want || len(got.Status.Problem.Actions) == 0 {
				t.Errorf("status %+v %+v, want %s", got.Status, got.Status.Problem, c.want)
			}
			if again != 0 || len(w.chart.applied) != 0 {
				t.Errorf("again in %s, applied %d times", again, len(w.chart.applied))
			}
		})
	}
}

// age makes the extension younger than the other one.
func (w *world) age(t *testing.T) {
	t.Helper()
	extension := &v1alpha1.Extension{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: system, Name: "azure-aks-backup"}, extension); err != nil {
		t.Fatal(err)
	}
	extension.CreationTimestamp = metav1.NewTime(time.Now())
	if err := w.client.Update(t.Context(), extension); err != nil {
		t.Fatal(err)
	}
}

func TestDeadlineGivesTheReason(t *testing.T) {
	w := newWorld(t)
	w.chart.onApply = nil
	w.declare(t, "op1", nil)
	w.reconcile(t)
	w.clock.Advance(time.Hour)
	got, _ := w.reconcile(t)
	if got.Status.Phase != v1alpha1.ExtensionFailed || got.Status.Problem.Code != chart.CodeMissing {
		t.Errorf("status %+v %+v", got.Status, got.Status.Problem)
	}
	// The next operation begins anew.
	w.ready(t)()
	w.declare(t, "op2", nil)
	if got, _ := w.reconcile(t); got.Status.Phase != v1alpha1.ExtensionInstalled || got.Status.OperationID != "op2" {
		t.Errorf("status %+v", got.Status)
	}
}

// stopper is a report that ends the wait once it is told of a problem.
type stopper struct {
	report
	stop func()
}

func (s *stopper) Health(h agentv1.Health) {
	s.report.Health(h)
	if !h.Healthy {
		s.stop()
	}
}

// TestWaitingIsReported: while pods find no room, the service is told so in the
// words of the scheduler; and why an attempt failed.
func TestWaitingIsReported(t *testing.T) {
	for name, c := range map[string]struct {
		arrange    func(*testing.T, *world)
		code, says string
	}{
		"no room": {func(t *testing.T, w *world) {
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: target, Name: "holdfast-agent"}}
			d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: target, Name: "a-1", Labels: d.Spec.Selector.MatchLabels}}
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available: 1 Insufficient cpu."}}
			w.chart.onApply = nil
			if err := errors.Join(w.typed.Tracker().Add(d), w.typed.Tracker().Add(pod)); err != nil {
				t.Fatal(err)
			}
		}, chart.CodeUnschedulable, "1 Insufficient cpu."},
		"no API server": {func(_ *testing.T, w *world) { w.chart.failures = 1 }, connector.CodeRetrying, "etcd is away"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.arrange(t, w)
			w.declare(t, "op1", nil)
			w.reconcile(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			told := &stopper{stop: cancel}
			o := operation(t, "op1", agentv1.KindInstallExtension, agentv1.InstallExtension{Name: "azure-aks-backup", ExtensionType: connector.ExtensionType})
			w.handler.Handle(ctx, o, told)
			if len(told.health.Problems) == 0 || told.health.Problems[0].Code != c.code || !strings.Contains(told.health.Problems[0].Message, c.says) {
				t.Errorf("told %+v", told.health)
			}
		})
	}
}

func TestHandlerGivesUpWithoutAnOperator(t *testing.T) {
	w := newWorld(t)
	done := make(chan session.Result, 1)
	o := operation(t, "op1", agentv1.KindInstallExtension, agentv1.InstallExtension{Name: "azure-aks-backup"})
	go func() { done <- w.handler.Handle(t.Context(), o, &report{}) }()
	for {
		select {
		case got := <-done:
			if got.Problem == nil || got.Problem.Code != connector.CodeTimeout {
				t.Errorf("result %+v", got)
			}
			return
		case <-time.After(10 * time.Millisecond):
			w.clock.Advance(time.Hour) // again, if it had not begun to wait
		}
	}
}

func TestDirectoryRelaxesTheNamespace(t *testing.T) {
	for url, want := range map[string]string{"file:///backups": "privileged", "https://a.example/c": "restricted"} {
		w := newWorld(t)
		w.declare(t, "op1", func(i *agentv1.InstallExtension) { i.Location = agentv1.StorageLocation{URL: url} })
		w.reconcile(t)
		namespace, err := w.typed.CoreV1().Namespaces().Get(t.Context(), target, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := namespace.Labels["pod-security.kubernetes.io/enforce"]; got != want {
			t.Errorf("%s: namespace enforces %q, want %q", url, got, want)
		}
	}
}

func TestDeletedDeploymentComesBack(t *testing.T) {
	w := newWorld(t)
	w.declare(t, "op1", nil)
	w.reconcile(t)
	if err := w.typed.AppsV1().Deployments(target).Delete(t.Context(), "holdfast-agent", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.chart.onApply = nil
	got, _ := w.reconcile(t)
	if got.Status.Phase != v1alpha1.ExtensionInstalled || got.Status.Statuses[0].Healthy || len(w.chart.applied) != 2 {
		t.Errorf("status %+v, applied %d times", got.Status, len(w.chart.applied))
	}
}

func TestRemove(t *testing.T) {
	w := newWorld(t)
	w.declare(t, "op1", nil)
	w.reconcile(t)
	run := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "holdfast.dev/v1alpha1", "kind": "BackupRun"}}
	run.SetName("op-x")
	run.SetNamespace(target)
	gvr := schema.GroupVersionResource{Group: "holdfast.dev", Version: "v1alpha1", Resource: "backupruns"}
	if err := w.dynamic.Tracker().Create(gvr, run, target); err != nil {
		t.Fatal(err)
	}
	removal := operation(t, "op2", agentv1.KindDeleteExtension, agentv1.DeleteExtension{Name: "azure-aks-backup"})
	w.begin(t, removal)
	if got, _ := w.reconcile(t); got.Status.Phase != v1alpha1.ExtensionRemoving || w.chart.removed != 0 {
		t.Fatalf("removed while a run was there: %+v", got.Status)
	}
	if got, _ := w.reconcile(t); got.Status.Phase != v1alpha1.ExtensionRemoved || w.chart.removed != 1 {
		t.Fatalf("status %+v", got.Status)
	}
	result := w.handler.Handle(t.Context(), removal, &report{})
	if result.Outcome != agentv1.OutcomeSucceeded {
		t.Fatalf("result %+v", result)
	}
	result.After(t.Context())
	w.checkForgotten(t)
	if again := w.handler.Handle(t.Context(), removal, &report{}); again.Outcome != agentv1.OutcomeSucceeded {
		t.Errorf("removing what is gone: %+v", again)
	}
}

func (w *world) checkForgotten(t *testing.T) {
	t.Helper()
	var list v1alpha1.ExtensionList
	var secret corev1.Secret
	if err := w.client.List(t.Context(), &list); err != nil || len(list.Items) != 0 {
		t.Errorf("%d extensions left, %v", len(list.Items), err)
	}
	err := w.client.Get(t.Context(), client.ObjectKey{Namespace: system, Name: connector.ValuesSecret}, &secret)
	if err != nil || len(secret.Data) != 0 {
		t.Errorf("%d values left, %v", len(secret.Data), err)
	}
}

func TestOtherKindsAreRefused(t *testing.T) {
	w := newWorld(t)
	got := w.handler.Handle(t.Context(), operation(t, "op1", agentv1.KindBackup, agentv1.Backup{}), &report{})
	if got.Outcome != agentv1.OutcomeFailed || !strings.Contains(got.Problem.Message, connector.CodeNotUnderstood) {
		t.Errorf("result %+v", got)
	}
}

func TestReconcileOfNothing(t *testing.T) {
	w := newWorld(t)
	request := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: system, Name: "gone"}}
	if result, err := w.operator.Reconcile(context.WithoutCancel(t.Context()), request); err != nil || result.RequeueAfter != 0 {
		t.Errorf("%+v %v", result, err)
	}
}
