package controller

import (
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// What movers left is taken away when it is old and its run is over, or gone;
// a kept volume with an heir goes without its data, one without an heir with it.
func TestSweepMovers(t *testing.T) {
	w := newCrashWorld(t)
	l := w.start(0)
	for operation, phase := range map[string]v1alpha1.Phase{"working": v1alpha1.PhaseRunning, "over": v1alpha1.PhaseFailed} {
		run := &v1alpha1.VaultRun{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: operation}}
		run.Status.Phase = phase
		w.make(run)
	}
	for _, operation := range []string{"working", "over", "gone"} {
		w.make(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: operation + "-job",
			Labels: map[string]string{v1alpha1.LabelOperation: operation}}, Spec: batchv1.JobSpec{BackoffLimit: new(int32)}})
		claim := blockClaim(ownNamespace, operation+"-claim", operation, "files", 1<<20)
		w.make(claim)
		for claim.Status.Phase != corev1.ClaimBound {
			if err := w.cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(claim), claim); err != nil {
				t.Fatal(err)
			}
		}
	}
	inherited := w.keep("over", true)
	orphan := w.keep("gone", false)

	s := sweeper{l.worker}
	if err := s.sweepMovers(t.Context(), time.Now().Add(-time.Hour)); err != nil { // nothing is that old
		t.Fatal(err)
	}
	if left := w.cluster.Left(t.Context(), "gone"); len(left) != 3 {
		t.Fatalf("what is new is gone too: %v", left)
	}
	if err := s.sweepMovers(t.Context(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for operation, want := range map[string]int{"working": 2, "over": 0, "gone": 0} {
		if left := w.cluster.Left(t.Context(), operation); len(left) != want {
			t.Errorf("%s: %v", operation, left)
		}
	}
	if handles := w.cluster.Handles(); !slices.Contains(handles, inherited) || slices.Contains(handles, orphan) {
		t.Errorf("volumes %v, want %s and not %s", handles, inherited, orphan)
	}
}

func (w *crashWorld) make(o client.Object) {
	w.Helper()
	if err := w.cluster.Client.Create(w.Context(), o); err != nil {
		w.Fatal(err)
	}
}

// keep makes the volume of an operation's claim one that is being handed over,
// to an heir that is there or is not, and returns its handle.
func (w *crashWorld) keep(operation string, withHeir bool) string {
	w.Helper()
	l := &loader{worker: w.start(0).worker, operation: operation}
	old, err := l.volumeOf(w.Context(), operation+"-claim")
	if err != nil || old == nil {
		w.Fatalf("%v, %v", old, err)
	}
	if err := l.keep(w.Context(), old, operation+"-heir", corev1.PersistentVolumeReclaimDelete); err != nil {
		w.Fatal(err)
	}
	if withHeir {
		target := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: operation},
			Spec: corev1.PersistentVolumeClaimSpec{VolumeName: operation + "-heir"}}
		w.make(target)
		heir := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: operation + "-heir"}, Spec: *old.Spec.DeepCopy()}
		heir.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: operation, UID: target.UID}
		w.make(heir)
	}
	return old.Spec.CSI.VolumeHandle
}
