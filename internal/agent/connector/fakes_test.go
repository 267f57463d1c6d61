package connector_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	fakedynamic "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/connector"
	"holdfast.dev/holdfast/internal/clock"
)

const (
	system = "kube-system"
	target = "holdfast"
)

// fakeChart behaves as an API server under strain: it fails a number of times.
// What it applied runs at once when ready is set.
type fakeChart struct {
	mu       sync.Mutex
	failures int
	refusal  error // what every attempt fails with
	applied  []map[string]any
	removed  int
	onApply  func()
}

func (f *fakeChart) Apply(_ context.Context, values map[string]any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failures > 0 {
		f.failures--
		return errors.New("etcd is away")
	}
	if f.refusal != nil {
		return f.refusal
	}
	f.applied = append(f.applied, values)
	if f.onApply != nil {
		f.onApply()
	}
	return nil
}

func (f *fakeChart) Remove(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed++
	return nil
}

func (f *fakeChart) Version() (string, error) { return "0.1.0", nil }

// world is a cluster with the connector's chart in it.
type world struct {
	client   client.WithWatch
	typed    *fake.Clientset
	dynamic  *fakedynamic.FakeDynamicClient
	chart    *fakeChart
	clock    *clock.Manual
	operator *connector.Operator
	handler  *connector.Handler
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: connector.ValuesSecret}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	node.Status.NodeInfo.OperatingSystem, node.Status.NodeInfo.Architecture = "linux", "amd64"
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	w := &world{
		client: fakeclient.NewClientBuilder().WithScheme(scheme).WithObjects(secret).WithStatusSubresource(&v1alpha1.Extension{}).Build(),
		typed:  fake.NewClientset(node, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: target}}),
		chart:  &fakeChart{}, clock: clock.NewManual(time.Now()),
	}
	w.typed.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{Major: "1", Minor: "37", GitVersion: "v1.37.2"}
	w.dynamic = newDynamic()
	w.chart.onApply = w.ready(t)
	log := slog.New(slog.DiscardHandler)
	w.operator = &connector.Operator{
		Client: w.client, Reader: w.client, Typed: w.typed, Dynamic: w.dynamic, Chart: w.chart,
		Image: connector.Image{Name: "image:1", PullPolicy: "Never"}, Namespace: target, Clock: w.clock, Log: log,
	}
	w.handler = &connector.Handler{Client: w.client, Namespace: system, Clock: w.clock, Log: log, Poll: 2 * time.Millisecond}
	return w
}

func newDynamic() *fakedynamic.FakeDynamicClient {
	lists := map[schema.GroupVersionResource]string{
		{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}: "CustomResourceDefinitionList",
		{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"}:  "VolumeSnapshotClassList",
		{Group: "holdfast.dev", Version: "v1alpha1", Resource: "backupruns"}:                  "BackupRunList",
		{Group: "holdfast.dev", Version: "v1alpha1", Resource: "restoreruns"}:                 "RestoreRunList",
		{Group: "holdfast.dev", Version: "v1alpha1", Resource: "recoverypointdeletions"}:      "RecoveryPointDeletionList",
		{Group: "holdfast.dev", Version: "v1alpha1", Resource: "vaultruns"}:                   "VaultRunList",
	}
	var objects []runtime.Object
	for _, name := range []string{"volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"} {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}}
		u.SetName(name + ".snapshot.storage.k8s.io")
		objects = append(objects, u)
	}
	return fakedynamic.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, objects...)
}

// ready returns a function that makes the extension's deployments run.
func (w *world) ready(t *testing.T) func() {
	return func() {
		for _, name := range []string{"holdfast-controller", "holdfast-agent", "holdfast-telemetry"} {
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: target, Name: name}}
			d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas = 1, 1, 1
			if err := w.typed.Tracker().Add(d); err != nil {
				t.Error(err)
			}
		}
	}
}

// reconcile makes one pass and returns the extension after it.
func (w *world) reconcile(t *testing.T) (*v1alpha1.Extension, time.Duration) {
	t.Helper()
	request := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: system, Name: "azure-aks-backup"}}
	result, err := w.operator.Reconcile(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	extension := &v1alpha1.Extension{}
	if err := w.client.Get(t.Context(), request.NamespacedName, extension); err != nil {
		t.Fatal(err)
	}
	return extension, result.RequeueAfter
}

// declare puts an extension into the cluster as the handler does.
func (w *world) declare(t *testing.T, id string, change func(*agentv1.InstallExtension)) {
	t.Helper()
	spec := agentv1.InstallExtension{
		Name: "azure-aks-backup", ExtensionType: "microsoft.dataprotection.kubernetes", Token: "token", AgentAddress: "https://h:1",
		ServiceCA: "ca", Location: agentv1.StorageLocation{URL: "https://a.example/c", Account: "a", Key: "k"},
		Settings: map[string]string{"resources.requests.cpu": "50m", "movers.perNode": "3", "configuration.backupStorageLocation.bucket": "c"},
	}
	if change != nil {
		change(&spec)
	}
	w.begin(t, operation(t, id, agentv1.KindInstallExtension, spec))
}

// begin handles an operation until it is declared, then leaves it, as a kill does.
func (w *world) begin(t *testing.T, o agentv1.Operation) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	declared := func(o client.Object, err error) error {
		if _, ok := o.(*v1alpha1.Extension); ok && err == nil {
			kill()
		}
		return err
	}
	handler := *w.handler
	handler.Client = interceptor.NewClient(w.client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			return declared(o, c.Create(ctx, o, options...))
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			return declared(o, c.Update(ctx, o, options...))
		},
	})
	handler.Handle(ctx, o, &report{})
}

func operation(t *testing.T, id string, kind agentv1.Kind, spec any) agentv1.Operation {
	t.Helper()
	raw, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	return agentv1.Operation{ID: id, Kind: kind, Spec: raw}
}

type report struct {
	mu     sync.Mutex
	phases []string
	health agentv1.Health // as it was told last
}

func (r *report) Progress(p agentv1.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phases = append(r.phases, p.Phase)
}

func (r *report) Health(h agentv1.Health) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health = h
}

func (r *report) Cancelled() <-chan struct{} { return nil }
