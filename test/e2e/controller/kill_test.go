//go:build e2e

package controller

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/controller"
	"holdfast.dev/holdfast/internal/agent/snapshot"
)

// TestKilledBackupEndsByItself kills the controller at the worst moments of a
// backup and lets another one finish it.
func TestKilledBackupEndsByItself(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	moments := []struct {
		name string
		come func(operation string, n, packs int) bool
	}{
		{"the run was seen", func(operation string, _, _ int) bool { return w.phase(operation) == v1alpha1.PhaseRunning }},
		{"a snapshot object exists", func(operation string, _, _ int) bool { return len(w.objects(operation)) > 0 }},
		{"a snapshot is kept", func(operation string, _, _ int) bool { return len(w.contents(operation)) > 0 }},
		{"both snapshots are kept", func(operation string, _, _ int) bool { return len(w.contents(operation)) == 2 }},
		{"packs are written", func(_ string, _, packs int) bool { return w.stored("pack") > packs }},
		{"the recovery point exists", func(_ string, n, _ int) bool { return w.stored(point(n)) > 0 }},
		{"a snapshot object is gone", func(operation string, n, _ int) bool {
			return w.stored(point(n)) > 0 && len(w.objects(operation)) < 2
		}},
	}
	for i, moment := range moments {
		t.Run(moment.name, func(t *testing.T) {
			whole := w.t
			w.t = t
			defer func() { w.t = whole }()
			packs := w.stored("pack")
			operation := fmt.Sprintf("killed-%d", i)
			run := w.backup(operation, i)
			w.start()
			w.until(moment.name, func() bool {
				return moment.come(w.named(operation), i, packs) || w.phase(w.named(operation)).Final()
			})
			w.kill()
			t.Logf("killed in phase %s", w.phase(w.named(operation)))
			w.start()
			w.finished(run, v1alpha1.PhaseSucceeded)
			w.kill()
			wantVolumes(t, run.Status.Result.Volumes)
			wantWarnings(t, run.Status.Warnings)
			if err := w.repository().Verify(context.Background(), point(i)); err != nil {
				t.Error(err)
			}
			w.known(protected(run.Status.Result.Volumes), true)
		})
	}
}

// TestKilledDeletionEndsByItself kills the controller while the snapshots of a
// recovery point are on their way out.
func TestKilledDeletionEndsByItself(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	w.start()
	for i, moment := range []func(operation string) bool{
		func(operation string) bool { return len(w.contents(operation)) > 0 },
		func(operation string) bool { return len(w.objects(operation)) == 2 },
	} {
		run := w.backup(fmt.Sprintf("backup-%d", i), i)
		w.finished(run, v1alpha1.PhaseSucceeded)
		deletion := w.remove(fmt.Sprintf("deletion-%d", i), i)
		w.until("the moment", func() bool { return moment(deletion.Name) || w.ended(deletion) })
		w.kill()
		w.start()
		w.finished(deletion, v1alpha1.PhaseSucceeded)
		w.known(protected(run.Status.Result.Volumes), false)
		if w.stored(point(i)) > 0 {
			t.Error("the recovery point is still there")
		}
	}
}

// TestDeletionsLeaveNoSnapshot repeats what is a race between three controllers:
// a content that goes too early leaves its snapshot at the driver.
func TestDeletionsLeaveNoSnapshot(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	w.start()
	var handles []string
	for i := range 6 {
		run := w.backup(fmt.Sprintf("kept-%d", i), i)
		w.finished(run, v1alpha1.PhaseSucceeded)
		w.finished(w.remove(fmt.Sprintf("given-up-%d", i), i), v1alpha1.PhaseSucceeded)
		handles = append(handles, protected(run.Status.Result.Volumes)...)
	}
	w.known(handles, false)
}

// TestDriverThatNeverAnswers gives the claim without snapshots a class of a
// driver that has no snapshotter. A class is of the whole cluster: the other
// tests run before it comes or after it is gone.
func TestDriverThatNeverAnswers(t *testing.T) {
	w := &world{t: t, client: connect(t)}
	class := &snapshotv1.VolumeSnapshotClass{
		ObjectMeta: metav1.ObjectMeta{Name: "never-answers"},
		Driver:     "nosnap.csi.holdfast.dev", DeletionPolicy: snapshotv1.VolumeSnapshotContentDelete,
	}
	w.create(class)
	t.Cleanup(func() { w.gone(class) })
	t.Run("a replica takes over", replicaTakesOver)
	t.Run("a cancelled backup leaves nothing", cancelledBackupLeavesNothing)
	t.Run("a snapshot that timed out is a warning", timedOutSnapshotIsAWarning)
	t.Run("a deleted run leaves nothing", deletedRunLeavesNothing)
}

// notLong is how long a snapshot is waited for that never comes: long enough for those
// that come on a busy machine.
const notLong = 30 * time.Second

// replicaTakesOver runs two replicas and kills the one that works.
func replicaTakesOver(t *testing.T) {
	w := newWorld(t)
	w.elect = true
	w.patience = notLong
	w.deploy()
	w.start()
	first := w.process
	w.until("a leader", func() bool { return w.holder() != "" })
	w.start() // the second waits
	leader := w.holder()
	run := w.backup("taken-over", 1)
	w.until("a snapshot", func() bool { return len(w.contents(run.Name)) > 0 })
	if w.holder() != leader {
		t.Fatal("the lease changed hands for nothing")
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	w.finished(run, v1alpha1.PhaseSucceeded)
	if w.holder() == leader {
		t.Error("nobody took over")
	}
}

// holder names the replica that works.
func (w *world) holder() string {
	lease := &coordinationv1.Lease{}
	err := w.client.Get(context.Background(), client.ObjectKey{Namespace: w.own, Name: controller.LeaseName}, lease)
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// cancelledBackupLeavesNothing cancels a backup that waits for a driver
// which never answers.
func cancelledBackupLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	w.start()
	run := w.backup("cancelled", 1)
	var handles []string
	w.until("both snapshots of the good driver", func() bool {
		handles = nil
		for _, c := range w.contents(run.Name) {
			if c.Status != nil && c.Status.SnapshotHandle != nil {
				handles = append(handles, *c.Status.SnapshotHandle)
			}
		}
		return len(handles) == 2
	})
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"cancel":true}}`))
	if err := w.client.Patch(context.Background(), run, patch); err != nil {
		t.Fatal(err)
	}
	w.finished(run, v1alpha1.PhaseCancelled)
	w.known(handles, false)
}

// timedOutSnapshotIsAWarning waits for the driver which never answers, but
// not for ever.
func timedOutSnapshotIsAWarning(t *testing.T) {
	w := newWorld(t)
	w.patience = notLong
	w.deploy()
	w.start()
	run := w.backup("timedout", 1)
	w.finished(run, v1alpha1.PhaseSucceeded)
	for _, v := range run.Status.Result.Volumes {
		if v.Claim == "nosnap" && (v.State != agentv1.VolumeSkipped || v.ReasonCode != snapshot.CodeTimedOut) {
			t.Errorf("%+v", v)
		}
	}
	w.known(protected(run.Status.Result.Volumes), true)
}

// deletedRunLeavesNothing deletes the run object itself while it works.
func deletedRunLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	w.start()
	run := w.backup("deleted", 1)
	w.until("a snapshot", func() bool { return len(w.contents(run.Name)) > 0 })
	w.gone(run)
	w.until("everything to be gone", func() bool {
		return len(w.objects(run.Name))+len(w.contents(run.Name)) == 0
	})
}

// TestVoidedBackupLeavesNothing starts a backup that the service has given up
// already: it must not make a recovery point that nobody knows of.
func TestVoidedBackupLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	w.start()
	w.finished(w.backup("kept", 1), v1alpha1.PhaseSucceeded) // else there is no repository yet
	for _, operation := range []string{"discard", "discard-again"} {
		w.finished(w.discard(operation, 2), v1alpha1.PhaseSucceeded)
	}
	late := w.backup("late", 2)
	w.finished(late, v1alpha1.PhaseFailed)
	if late.Status.Problem.Code != controller.CodePointVoid {
		t.Errorf("problem %+v", late.Status.Problem)
	}
	discarded := w.discard("discard-a-point", 1)
	w.finished(discarded, v1alpha1.PhaseSucceeded)
	if w.stored(point(1)) > 0 {
		t.Error("the recovery point is still there")
	}
}

// TestValidation: a backup that could run, and one that could not.
func TestValidation(t *testing.T) {
	w := newWorld(t)
	w.start()
	good := w.validate("good", "grant")
	w.finished(good, v1alpha1.PhaseSucceeded)
	if len(good.Status.Warnings) != 1 || good.Status.Warnings[0].Problem.Code != "UserErrorNamespaceNotFound" {
		t.Errorf("warnings %+v", good.Status.Warnings)
	}
	bad := w.validate("bad", "none")
	w.finished(bad, v1alpha1.PhaseFailed)
	if bad.Status.Problem.Code != "UserErrorRepositoryGrantMissing" {
		t.Errorf("problem %+v", bad.Status.Problem)
	}
	if w.stored("") > 0 {
		t.Error("a validation left something in the storage location")
	}
}

func (w *world) validate(operation, secret string) *v1alpha1.BackupRun {
	run := &v1alpha1.BackupRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.own, Name: w.named(operation)},
		Spec: v1alpha1.BackupRunSpec{
			RunSpec:      v1alpha1.RunSpec{OperationID: w.id(operation), GrantSecret: secret},
			ValidateOnly: true,
			Backup: agentv1.Backup{InstanceID: "instance", SnapshotVolumes: true,
				Selection: agentv1.Selection{IncludedNamespaces: []string{w.app, "nowhere"}}},
		},
	}
	w.create(run)
	return run
}

// ended says whether a deletion is over: a moment can be too short to be seen.
func (w *world) ended(deletion *v1alpha1.RecoveryPointDeletion) bool {
	if err := w.client.Get(context.Background(), client.ObjectKeyFromObject(deletion), deletion); err != nil {
		w.t.Fatal(err)
	}
	return deletion.Status.Phase.Final()
}

func (w *world) phase(operation string) v1alpha1.Phase {
	run := &v1alpha1.BackupRun{}
	if err := w.client.Get(context.Background(), client.ObjectKey{Namespace: w.own, Name: operation}, run); err != nil {
		w.t.Fatal(err)
	}
	return run.Status.Phase
}

func (w *world) objects(operation string) []snapshotv1.VolumeSnapshot {
	list := &snapshotv1.VolumeSnapshotList{}
	if err := w.client.List(context.Background(), list, client.MatchingLabels{v1alpha1.LabelOperation: operation}); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

func (w *world) contents(operation string) []snapshotv1.VolumeSnapshotContent {
	list := &snapshotv1.VolumeSnapshotContentList{}
	if err := w.client.List(context.Background(), list, client.MatchingLabels{v1alpha1.LabelOperation: operation}); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

// stored counts the files of the storage location with this in their path.
func (w *world) stored(part string) int {
	count := 0
	err := filepath.WalkDir(w.bucket, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.Contains(path[len(w.bucket):], part) {
			count++
		}
		return nil // files come and go while the controller works
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return count
}
