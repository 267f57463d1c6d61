// Package moverstest is a small cluster for tests of those who run movers: an
// API server in memory and the controllers that movers meet, with their habits.
//
//	Jobs start pods, and others for those that vanish; pods run a real mover, in
//	this process, on a file in place of a device; claims are bound to volumes,
//	empty ones or clones of snapshots; claims wait for their pods, volumes for
//	their claims, Jobs for their pods, and snapshots for their contents.
//
// Nothing happens by itself: whoever reads lets every controller take one turn.
// So what a test sees does not depend on how fast the machine is.
package moverstest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/mover"
)

// Driver is the name of the driver of all volumes.
const Driver = "files.csi.example"

// Cluster is a running cluster.
type Cluster struct {
	// Client reaches the API server as anybody does.
	Client client.WithWatch
	// Move carries an order out for a pod; ctx ends when the pod is taken away.
	Move func(ctx context.Context, order mover.Order) mover.Report

	t     testing.TB
	inner client.WithWatch // without turns
	dir   string           // HANDLE.volume and HANDLE.snapshot
	mu    sync.Mutex
	made  int
	pods  map[types.UID]*process
}

// process is the mover of a pod.
type process struct {
	cancel context.CancelFunc
	done   chan struct{}
	report mover.Report
}

// New starts a cluster with these objects for the length of a test.
func New(t testing.TB, objects ...client.Object) *Cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, snapshotv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := &Cluster{t: t, dir: t.TempDir(), pods: map[types.UID]*process{}}
	c.Move = func(ctx context.Context, order mover.Order) mover.Report {
		report, _ := mover.Run(ctx, order, func(agentv1.Progress) {}) // its error is in the report
		return report
	}
	c.inner = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&batchv1.Job{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}).Build()
	c.Client = interceptor.NewClient(c.inner, interceptor.Funcs{Create: c.create, Delete: c.delete,
		Get: func(ctx context.Context, inner client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			c.turn(ctx)
			return inner.Get(ctx, key, o, options...)
		},
		List: func(ctx context.Context, inner client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			c.turn(ctx)
			return inner.List(ctx, list, options...)
		}})
	t.Cleanup(c.stop)
	return c
}

// stop ends all movers.
func (c *Cluster) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pods {
		p.cancel()
		<-p.done
	}
}

// finalizers that the API server or controllers set on what is made.
var finalizers = map[string]string{
	"*v1.PersistentVolumeClaim": "kubernetes.io/pvc-protection",
	"*v1.VolumeSnapshotContent": "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection",
}

func (c *Cluster) create(ctx context.Context, inner client.WithWatch, o client.Object, options ...client.CreateOption) error {
	o.SetUID(uuid.NewUUID())
	o.SetCreationTimestamp(metav1.Now())
	if f := finalizers[fmt.Sprintf("%T", o)]; f != "" {
		controllerutil.AddFinalizer(o, f)
	}
	return inner.Create(ctx, o, options...)
}

// delete makes a Job wait for its pods, as it was asked to.
func (c *Cluster) delete(ctx context.Context, inner client.WithWatch, o client.Object, options ...client.DeleteOption) error {
	asked := &client.DeleteOptions{}
	asked.ApplyOptions(options)
	if asked.PropagationPolicy != nil && *asked.PropagationPolicy == metav1.DeletePropagationForeground {
		if job, ok := o.(*batchv1.Job); ok {
			now := &batchv1.Job{}
			if err := inner.Get(ctx, client.ObjectKeyFromObject(job), now); err != nil {
				return err
			}
			if controllerutil.AddFinalizer(now, metav1.FinalizerDeleteDependents) {
				if err := inner.Update(ctx, now); err != nil {
					return err
				}
			}
		}
	}
	return inner.Delete(ctx, o, options...)
}

// turn lets every controller look once. It goes on with what it finds when the
// API server says no: somebody else was faster.
func (c *Cluster) turn(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	for _, controller := range []func(context.Context){c.contents, c.volumes, c.claims, c.jobs, c.runPods} {
		controller(ctx)
	}
}

// list returns all objects of a kind.
func list[L client.ObjectList](ctx context.Context, c *Cluster, into L, options ...client.ListOption) L {
	if err := c.inner.List(ctx, into, options...); err != nil {
		c.t.Error(err)
	}
	return into
}

// write stores what a controller changed.
func (c *Cluster) write(ctx context.Context, o client.Object, status bool) {
	var err error
	if status {
		err = c.inner.Status().Update(ctx, o)
	} else {
		err = c.inner.Update(ctx, o)
	}
	if err != nil && client.IgnoreNotFound(err) != nil {
		c.t.Errorf("write %T %s: %v", o, o.GetName(), err)
	}
}

// Snapshot makes a snapshot with this content at the driver, and returns its handle.
func (c *Cluster) Snapshot(content []byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	handle := c.handle("snapshot")
	c.store(handle, content)
	return handle
}

// Known says whether the driver has a volume or a snapshot of this handle.
func (c *Cluster) Known(handle string) bool {
	_, err := os.Stat(c.path(handle))
	return err == nil
}

// Content reads a volume.
func (c *Cluster) Content(handle string) []byte {
	c.t.Helper()
	raw, err := os.ReadFile(c.path(handle))
	if err != nil {
		c.t.Fatal(err)
	}
	return raw
}

// Handles are the volumes that the driver has.
func (c *Cluster) Handles() []string {
	found, err := filepath.Glob(filepath.Join(c.dir, "volume-*"))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

// Left names the objects of an operation that are still there.
func (c *Cluster) Left(ctx context.Context, operation string) []string {
	c.t.Helper()
	var left []string
	for _, kind := range []client.ObjectList{&batchv1.JobList{}, &corev1.SecretList{}, &corev1.PersistentVolumeClaimList{},
		&corev1.PersistentVolumeList{}, &snapshotv1.VolumeSnapshotList{}, &snapshotv1.VolumeSnapshotContentList{}} {
		if err := c.Client.List(ctx, kind, client.MatchingLabels{v1alpha1.LabelOperation: operation}); err != nil {
			c.t.Fatal(err)
		}
		_ = meta.EachListItem(kind, func(o runtime.Object) error {
			left = append(left, fmt.Sprintf("%T %s", o, o.(client.Object).GetName()))
			return nil
		})
	}
	return left
}

func (c *Cluster) handle(word string) string {
	c.made++
	return fmt.Sprintf("%s-%d", word, c.made)
}

func (c *Cluster) path(handle string) string {
	return filepath.Join(c.dir, strings.ReplaceAll(handle, "/", "_"))
}

func (c *Cluster) store(handle string, content []byte) {
	if err := os.WriteFile(c.path(handle), content, 0o600); err != nil {
		c.t.Error(err)
	}
}
