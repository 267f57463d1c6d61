package snapshot

import (
	"context"
	"errors"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

var asked = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// driver is an API in which every snapshot object is bound at once to a content
// that the driver has cut and that edit may spoil.
func driver(t *testing.T, edit func(*snapshotv1.VolumeSnapshotContent), there ...client.Object) (client.Client, *Snapshots) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := snapshotv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(there...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			object, ok := o.(*snapshotv1.VolumeSnapshot)
			if !ok {
				return c.Create(ctx, o)
			}
			content := contentOf("content-of-"+o.GetName(), "handle-new")
			edit(content)
			object.Status = &snapshotv1.VolumeSnapshotStatus{BoundVolumeSnapshotContentName: &content.Name}
			if err := c.Create(ctx, object); err != nil {
				return err
			}
			going := content.DeletionTimestamp != nil
			content.DeletionTimestamp = nil
			err := c.Create(ctx, content)
			if going {
				err = errors.Join(err, c.Delete(ctx, content))
			}
			return err
		},
	}).Build()
	return c, &Snapshots{Client: c, Operation: "op", Patience: time.Minute}
}

func contentOf(name, handle string) *snapshotv1.VolumeSnapshotContent {
	cut, ready := asked.Add(time.Second).UnixNano(), true
	return &snapshotv1.VolumeSnapshotContent{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(asked), Finalizers: []string{contentFinalizer}},
		Spec:       snapshotv1.VolumeSnapshotContentSpec{DeletionPolicy: snapshotv1.VolumeSnapshotContentDelete},
		Status:     &snapshotv1.VolumeSnapshotContentStatus{SnapshotHandle: &handle, CreationTime: &cut, ReadyToUse: &ready},
	}
}

func data() Item {
	return Item{UID: "claim", Volume: agentv1.Volume{Namespace: "shop", Claim: "data", State: agentv1.VolumeProtected, SnapshotClass: "c"}}
}

// A snapshot that is on its way out is never taken for a good one: it would be
// recorded in the recovery point and be gone a moment later.
func TestCutDoesNotTrustWhatIsGoing(t *testing.T) {
	now := metav1.Now()
	c, s := driver(t, func(content *snapshotv1.VolumeSnapshotContent) { content.DeletionTimestamp = &now })
	item, err := s.Cut(t.Context(), data())
	if err != nil || item.Volume.State != agentv1.VolumeSkipped || item.Volume.SnapshotHandle != "" {
		t.Fatalf("%+v, %v", item.Volume, err)
	}
	content := &snapshotv1.VolumeSnapshotContent{}
	name := "content-of-" + objectName("op", "claim")
	if err := c.Get(t.Context(), types.NamespacedName{Name: name}, content); err != nil || content.DeletionTimestamp == nil {
		t.Fatalf("%+v, %v", content.ObjectMeta, err)
	}
}

// An attempt that was killed while it wound up leaves objects that go. The next
// one waits for their end and cuts anew.
func TestCutWaitsForWhatIsGoing(t *testing.T) {
	old := &snapshotv1.VolumeSnapshot{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: objectName("op", "claim"), Finalizers: []string{"test/hold"}}}
	content := contentOf("old", "handle-old")
	old.Status = &snapshotv1.VolumeSnapshotStatus{BoundVolumeSnapshotContentName: &content.Name}
	c, s := driver(t, func(*snapshotv1.VolumeSnapshotContent) {}, old, content)
	if err := c.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	gone := time.AfterFunc(300*time.Millisecond, func() {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		if err := c.Patch(context.Background(), old, patch); err != nil {
			t.Error(err)
		}
	})
	defer gone.Stop()
	item, err := s.Cut(t.Context(), data())
	if err != nil || item.Volume.SnapshotHandle != "handle-new" {
		t.Fatalf("%+v, %v", item.Volume, err)
	}
	if item, err = s.AwaitReady(t.Context(), item); err != nil || item.Volume.State != agentv1.VolumeProtected {
		t.Fatalf("%+v, %v", item.Volume, err)
	}
}

// Somebody who winds the operation up decides that the snapshot goes: then it
// must not be recorded.
func TestReadyWantsTheSnapshotKept(t *testing.T) {
	c, s := driver(t, func(*snapshotv1.VolumeSnapshotContent) {})
	item, err := s.Cut(t.Context(), data())
	if err != nil {
		t.Fatal(err)
	}
	content := &snapshotv1.VolumeSnapshotContent{}
	if err := c.Get(t.Context(), types.NamespacedName{Name: item.Content}, content); err != nil {
		t.Fatal(err)
	}
	if err := s.decide(t.Context(), content, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if item, err = s.AwaitReady(t.Context(), item); err != nil || item.Volume.State != agentv1.VolumeSkipped {
		t.Fatalf("%+v, %v", item.Volume, err)
	}
}

func TestCutAtIsBelievedWithinReason(t *testing.T) {
	_, s := driver(t, func(*snapshotv1.VolumeSnapshotContent) {})
	for cut, want := range map[time.Time]time.Time{
		asked.Add(2 * time.Second):  asked.Add(2 * time.Second),
		asked.Add(-2 * time.Minute): asked.Add(-2 * time.Minute), // clocks differ a little
		time.Unix(0, 0):             asked,                       // the driver does not tell
		asked.Add(-time.Hour):       asked,
		asked.Add(24 * time.Hour):   asked,
	} {
		content, at := contentOf("c", "h"), cut.UnixNano()
		content.Status.CreationTime = &at
		if got := s.cutAt(*content); !got.Equal(want) {
			t.Errorf("%s: got %s, want %s", cut, got, want)
		}
	}
	content := contentOf("c", "h")
	content.Status.CreationTime = nil
	if got := s.cutAt(*content); !got.IsZero() {
		t.Errorf("got %s", got)
	}
}
