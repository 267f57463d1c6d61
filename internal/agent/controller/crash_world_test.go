package controller

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/mover"
	"holdfast.dev/holdfast/internal/agent/movers"
	"holdfast.dev/holdfast/internal/agent/movers/moverstest"
	"holdfast.dev/holdfast/internal/agent/restore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

const (
	ownNamespace = "holdfast"
	crashPoint   = "00000000000000000000000000000001"
	operationID  = "op"
)

var operationName = v1alpha1.RunName(operationID)

// crashWorld is one run and everything that outlives the controllers which
// carry it out: the cluster, the stores, the driver.
type crashWorld struct {
	*testing.T
	cluster  *moverstest.Cluster
	gate     *gatetest.World
	bucket   *objstoretest.Memory // of the operational tier
	key      repo.Key
	content  []byte // of the volume
	snapshot string // its handle
	kube     kubernetes.Interface

	mu        sync.Mutex
	killMover context.CancelFunc // of the mover at work
}

// newCrashWorld has one recovery point with an archive and a volume in the
// operational tier, and an empty vault behind a gate.
func newCrashWorld(t *testing.T) *crashWorld {
	t.Helper()
	return newCrashWorldWith(t, &objstoretest.Memory{})
}

// newCrashWorldWith has the given vault.
func newCrashWorldWith(t *testing.T, vault objstore.Store) *crashWorld {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	w := &crashWorld{T: t, cluster: moverstest.New(t, node), bucket: &objstoretest.Memory{}, content: make([]byte, 1<<20)}
	w.key, _ = repo.ParseKey(bytes.Repeat([]byte{7}, 32))
	_, _ = rand.NewChaCha8([32]byte{1}).Read(w.content[:300<<10])
	w.snapshot = w.cluster.Snapshot(w.content)
	w.gate = gatetest.New(t, vault, gatetest.Options{})
	move := w.cluster.Move
	w.cluster.Move = func(ctx context.Context, order mover.Order) mover.Report {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w.mu.Lock()
		w.killMover = cancel
		w.mu.Unlock()
		return move(ctx, order)
	}
	nothing := httptest.NewServer(http.NotFoundHandler()) // no metadata of snapshots, no logs
	t.Cleanup(nothing.Close)
	var err error
	if w.kube, err = kubernetes.NewForConfig(&rest.Config{Host: nothing.URL}); err != nil {
		t.Fatal(err)
	}
	w.back()
	w.grant()
	return w
}

// back writes the recovery point that a backup would have written.
func (w *crashWorld) back() {
	w.Helper()
	ctx := w.Context()
	store := objstore.Sub(w.bucket, "r/")
	if err := repo.Create(ctx, store, w.key, repo.CreateOptions{ID: repositoryID("r/")}); err != nil {
		w.Fatal(err)
	}
	r := w.open(store, w.key)
	writer, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: crashPoint})
	if err != nil {
		w.Fatal(err)
	}
	defer writer.Close()
	archive, err := writer.Archive("objects")
	if err != nil {
		w.Fatal(err)
	}
	for _, key := range []string{"a", "b", "c"} {
		if err := archive.Add(key, bytes.Repeat([]byte(key), 5000)); err != nil {
			w.Fatal(err)
		}
	}
	stream, err := archive.Close()
	if err == nil {
		err = writer.Commit(ctx, repo.Manifest{Streams: []repo.StreamRef{stream}, Facts: map[string]string{}, Created: time.Now(),
			Volumes: []repo.Volume{{Namespace: "shop", Claim: "data", Protected: true, Driver: moverstest.Driver, SnapshotHandle: w.snapshot,
				StorageClass: "files", SizeBytes: int64(len(w.content))}}})
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *crashWorld) open(store objstore.Store, key repo.Key) *repo.Repository {
	w.Helper()
	r, err := repo.Open(w.Context(), store, key)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { r.Close() })
	return r
}

// grant puts the Secret of the run into place: it is good for both directions.
func (w *crashWorld) grant() {
	w.Helper()
	usual := gatetest.Usual()
	usual.Operation, usual.RecoveryPoint, usual.Rights = operationID, crashPoint, grants.Append
	opened := w.gate.Grant(usual)
	there := agentv1.RepositoryGrant{Prefix: gatetest.Prefix, Key: w.key[:], Gate: &opened}
	for name, grant := range map[string]v1alpha1.Grant{
		"vault":   {RepositoryGrant: agentv1.RepositoryGrant{Prefix: "r/", Key: w.key[:]}, Target: &there},
		"restore": {RepositoryGrant: there},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: name},
			Data: map[string][]byte{v1alpha1.GrantKey: encode(w.T, grant)}}
		if err := w.cluster.Client.Create(w.Context(), secret); err != nil {
			w.Fatal(err)
		}
	}
}

// life is one controller, from its start to its end.
type life struct {
	*worker
	ctx context.Context
	end context.CancelCauseFunc

	mu     sync.Mutex
	writes int  // to the API server, so far
	last   int  // the write at which it dies; 0 for none
	dead   bool // nothing it does has any effect
}

// start starts a controller which dies at its Nth write to the API server: the
// write is done, and nobody learns of it. 0 lets it live.
func (w *crashWorld) start(dies int) *life {
	l := &life{last: dies}
	ctx, stop := context.WithTimeout(w.Context(), 5*time.Minute)
	w.Cleanup(stop)
	l.ctx, l.end = context.WithCancelCause(ctx)
	c := l.client(w.cluster.Client)
	pod := func(context.Context) (movers.Template, error) { return movers.Template{Image: "image:1"}, nil }
	l.worker = &worker{client: c, kube: w.kube, restorer: stubRestorer{c},
		movers: &movers.Movers{Client: c, Kube: w.kube, Namespace: ownNamespace, Pod: pod, Poll: time.Millisecond},
		options: Options{Namespace: ownNamespace, Clock: clock.System{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Location: func() (agentv1.StorageLocation, error) { return agentv1.StorageLocation{}, nil },
			Open:     func(context.Context, agentv1.StorageLocation) (objstore.Store, error) { return w.bucket, nil }}}
	return l
}

// die ends a controller as a power failure does.
func (l *life) die() {
	l.mu.Lock()
	l.dead = true
	l.mu.Unlock()
	l.end(errShutdown)
}

func (l *life) died() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// client is the controller's way to the API server.
func (l *life) client(server client.WithWatch) client.WithWatch {
	write := func(do func() error) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.dead {
			runtime.Goexit()
		}
		err := do()
		if l.writes++; l.writes == l.last {
			l.dead = true
			l.end(errShutdown)
			runtime.Goexit()
		}
		return err
	}
	read := func(do func() error) error {
		if l.died() {
			runtime.Goexit()
		}
		return do()
	}
	return interceptor.NewClient(server, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			return write(func() error { return c.Create(ctx, o, options...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			return write(func() error { return c.Update(ctx, o, options...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, options ...client.PatchOption) error {
			return write(func() error { return c.Patch(ctx, o, patch, options...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			return write(func() error { return c.Delete(ctx, o, options...) })
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			return read(func() error { return c.Get(ctx, key, o, options...) })
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return read(func() error { return c.List(ctx, list, options...) })
		},
	})
}

// copy carries out the run that copies the recovery point into the vault.
func (l *life) copy() (*agentv1.BackupResult, []agentv1.Warning, error) {
	run := &v1alpha1.VaultRun{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: operationName},
		Spec: v1alpha1.VaultRunSpec{RunSpec: v1alpha1.RunSpec{OperationID: operationID, GrantSecret: "vault"},
			Vault: agentv1.Vault{InstanceID: "instance", RecoveryPointID: crashPoint}}}
	var err error
	j := &journal{}
	l.live(func() {
		var finish func(*v1alpha1.VaultRun)
		if finish, err = l.vault(l.ctx, run, j); finish != nil {
			finish(run)
		}
	})
	return run.Status.Result, j.listWarnings(), err
}

// live works until the work is done or the controller dies: its goroutines end
// where they meet the API server next.
func (l *life) live(do func()) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		do()
	}()
	<-over
}

// load carries out the run that restores it.
func (l *life) load() ([]agentv1.Warning, error) {
	run := &v1alpha1.RestoreRun{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: operationName},
		Spec: v1alpha1.RestoreRunSpec{RunSpec: v1alpha1.RunSpec{OperationID: operationID, GrantSecret: "restore"},
			Restore: agentv1.Restore{InstanceID: "instance", RecoveryPointID: crashPoint}}}
	var err error
	j := &journal{}
	l.live(func() { _, err = l.restore(l.ctx, run, j) })
	return j.listWarnings(), err
}

// stubRestorer restores one claim with its data, as package restore does.
type stubRestorer struct{ client client.Client }

func (r stubRestorer) Run(ctx context.Context, run restore.Run, report func(agentv1.Progress)) (agentv1.RestoreResult, []agentv1.Warning, error) {
	ref := restore.Ref{Version: "v1", Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "data"}
	class := "files"
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name},
		Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: &class, VolumeName: run.Loader.VolumeName(ref),
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}}}}
	if err := r.client.Create(ctx, claim); err != nil && !apierrors.IsAlreadyExists(err) {
		return agentv1.RestoreResult{}, nil, err
	}
	if err := run.Loader.Load(ctx, restore.Load{Claim: ref, Volume: run.Volumes[0]}, report); err != nil {
		return agentv1.RestoreResult{}, nil, err
	}
	for claim.Status.Phase != corev1.ClaimBound {
		if err := r.client.Get(ctx, client.ObjectKeyFromObject(claim), claim); err != nil {
			return agentv1.RestoreResult{}, nil, err
		}
	}
	return agentv1.RestoreResult{}, nil, nil
}

func (stubRestorer) Clean(context.Context, string) error { return nil }

// wantCopy looks at the vault: the whole volume is there, it was sent once, and
// no helper is left.
func (w *crashWorld) wantCopy(result *agentv1.BackupResult, warnings []agentv1.Warning, err error) {
	w.Helper()
	if err != nil || result == nil || len(warnings) > 0 {
		w.Fatalf("%+v, warnings %+v, %v", result, warnings, err)
	}
	w.wantNothingLeft()
	r := w.open(objstore.Sub(w.gate.Store, gatetest.Prefix), w.key)
	if err := r.Verify(w.Context(), crashPoint); err != nil {
		w.Error(err)
	}
	m, err := r.Manifest(w.Context(), crashPoint)
	if err != nil || len(m.Streams) != 2 || m.Root != result.Root {
		w.Fatalf("%+v, %v", m, err)
	}
	volume, err := r.Volume(w.Context(), m.Streams[1])
	if err != nil {
		w.Fatal(err)
	}
	got := make([]byte, len(w.content))
	err = volume.Restore(w.Context(), func(b repo.VolumeBlock) error { copy(got[b.Offset:], b.Data); return nil }, nil)
	if err != nil || !bytes.Equal(got, w.content) {
		w.Errorf("the vault has other data: %v", err)
	}
	if !w.cluster.Known(w.snapshot) {
		w.Error("the snapshot of the operational tier is gone")
	}
	if handles := w.cluster.Handles(); len(handles) > 0 {
		w.Errorf("clones left at the driver: %v", handles)
	}
}

func (w *crashWorld) wantNothingLeft() {
	w.Helper()
	if left := w.cluster.Left(w.Context(), operationName); len(left) > 0 {
		w.Errorf("left over: %v", left)
	}
}

// packs counts the packs in the vault and their bytes.
func (w *crashWorld) packs() (count int, size int64) {
	w.Helper()
	for object, err := range w.gate.Store.List(w.Context(), "") {
		if err != nil {
			w.Fatal(err)
		}
		if strings.Contains(object.Name, "pack") {
			count++
			size += object.Size
		}
	}
	return count, size
}

// wantLoaded looks at the restored claim: its volume has the data, nothing else
// has a volume, and no helper is left.
func (w *crashWorld) wantLoaded(warnings []agentv1.Warning, err error) {
	w.Helper()
	if err != nil || len(warnings) > 0 {
		w.Fatalf("warnings %+v, %v", warnings, err)
	}
	w.wantNothingLeft()
	volumes := &corev1.PersistentVolumeList{}
	if err := w.cluster.Client.List(w.Context(), volumes); err != nil || len(volumes.Items) != 1 {
		w.Fatalf("%d volumes, %v", len(volumes.Items), err)
	}
	heir := volumes.Items[0]
	handle := heir.Spec.CSI.VolumeHandle
	if handles := w.cluster.Handles(); !slices.Equal(handles, []string{handle}) {
		w.Errorf("volumes at the driver: %v, the claim has %s", handles, handle)
	}
	if !bytes.Equal(w.cluster.Content(handle), w.content) {
		w.Error("the restored volume has other data")
	}
	if heir.Spec.ClaimRef.Name != "data" || heir.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		w.Errorf("%+v", heir.Spec)
	}
}
