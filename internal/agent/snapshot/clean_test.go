package snapshot

import (
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// imported is a snapshot that was just made known, before any sidecar came by.
func imported(t *testing.T) *Snapshots {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := snapshotv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := &Snapshots{Client: fake.NewClientBuilder().WithScheme(scheme).Build(), Operation: "op"}
	v := agentv1.Volume{Driver: "d", SnapshotHandle: "precious"}
	if _, err := s.Import(t.Context(), v, "own", snapshotv1.VolumeSnapshotContentRetain); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Snapshots) onlyContent(t *testing.T) *snapshotv1.VolumeSnapshotContent {
	t.Helper()
	contents := &snapshotv1.VolumeSnapshotContentList{}
	if err := s.Client.List(t.Context(), contents); err != nil || len(contents.Items) != 1 {
		t.Fatalf("%d contents, %v", len(contents.Items), err)
	}
	return &contents.Items[0]
}

// A run that ends before a sidecar has looked at an imported snapshot must not
// delete it: it belongs to a recovery point.
func TestDecideKeepsWhatWasJustImported(t *testing.T) {
	for _, keep := range []bool{true, false} {
		s := imported(t)
		if err := s.decide(t.Context(), s.onlyContent(t), func(handle string) bool { return keep && handle == "precious" }); err != nil {
			t.Fatal(err)
		}
		want := snapshotv1.VolumeSnapshotContentDelete
		if keep {
			want = snapshotv1.VolumeSnapshotContentRetain
		}
		if got := s.onlyContent(t).Spec.DeletionPolicy; got != want {
			t.Errorf("policy %s, want %s", got, want)
		}
	}
}

func TestLeaving(t *testing.T) {
	s := imported(t)
	want := func(want bool, when string) {
		t.Helper()
		if got, err := s.Leaving(t.Context()); err != nil || got != want {
			t.Errorf("%s: %v, %v", when, got, err)
		}
	}
	want(false, "just imported")
	object := &snapshotv1.VolumeSnapshot{}
	name := s.onlyContent(t).Spec.VolumeSnapshotRef.Name
	if err := s.Client.Get(t.Context(), types.NamespacedName{Namespace: "own", Name: name}, object); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	want(false, "a content that waits for its object")
	content := s.onlyContent(t)
	content.Spec.VolumeSnapshotRef.UID = "of-the-object"
	if err := s.Client.Update(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	want(true, "a content whose object is gone")
	if err := s.Clean(t.Context(), time.Minute, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	want(false, "nothing there")
}
