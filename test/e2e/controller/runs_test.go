//go:build e2e

package controller

import (
	"context"
	"fmt"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/snapshot"
)

// point is the id of a recovery point.
func point(n int) string { return fmt.Sprintf("%032x", n) }

// id is the id of an operation, which no other test has: what an operation makes
// on a cluster is found by its id.
func (w *world) id(operation string) string { return w.app + "-" + operation }

// named is what an operation's run is called.
func (w *world) named(operation string) string { return v1alpha1.RunName(w.id(operation)) }

// backup asks for a backup of the application.
func (w *world) backup(operation string, n int) *v1alpha1.BackupRun {
	w.t.Helper()
	run := &v1alpha1.BackupRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.own, Name: w.named(operation)},
		Spec: v1alpha1.BackupRunSpec{
			RunSpec: v1alpha1.RunSpec{OperationID: w.id(operation), GrantSecret: "grant"},
			Backup: agentv1.Backup{
				InstanceID:      "instance",
				RecoveryPointID: point(n),
				SnapshotVolumes: true,
				Selection:       agentv1.Selection{IncludedNamespaces: []string{w.app, "nowhere"}},
				Repository:      agentv1.RepositoryGrant{Prefix: "r/"},
			},
		},
	}
	w.create(run)
	return run
}

// remove asks for the end of a recovery point.
func (w *world) remove(operation string, n int) *v1alpha1.RecoveryPointDeletion {
	w.t.Helper()
	return w.end(operation, agentv1.DeleteRecoveryPoint{InstanceID: "instance", RecoveryPointID: point(n)})
}

// discard asks that there be no recovery point, now and ever.
func (w *world) discard(operation string, n int) *v1alpha1.RecoveryPointDeletion {
	w.t.Helper()
	return w.end(operation, agentv1.DeleteRecoveryPoint{InstanceID: "instance", RecoveryPointID: point(n), Void: true})
}

func (w *world) end(operation string, deletion agentv1.DeleteRecoveryPoint) *v1alpha1.RecoveryPointDeletion {
	w.t.Helper()
	run := &v1alpha1.RecoveryPointDeletion{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.own, Name: w.named(operation)},
		Spec: v1alpha1.RecoveryPointDeletionSpec{
			RunSpec:  v1alpha1.RunSpec{OperationID: w.id(operation), GrantSecret: "grant"},
			Deletion: deletion,
		},
	}
	w.create(run)
	return run
}

// finished waits until a run is over and refuses leftovers.
func (w *world) finished(run interface {
	client.Object
	Common() (*v1alpha1.RunSpec, *v1alpha1.RunStatus)
}, want v1alpha1.Phase) {
	w.t.Helper()
	_, status := run.Common()
	w.until(run.GetName()+" to end", func() bool {
		if err := w.client.Get(context.Background(), client.ObjectKeyFromObject(run), run); err != nil {
			w.t.Fatal(err)
		}
		return status.Phase.Final()
	})
	if status.Phase != want {
		w.t.Fatalf("%s ended as %s at step %s: %+v", run.GetName(), status.Phase, status.Step, status.Problem)
	}
	w.nothingLeft(run.GetName())
}

func (w *world) nothingLeft(operation string) {
	w.t.Helper()
	snapshots := &snapshotv1.VolumeSnapshotList{}
	contents := &snapshotv1.VolumeSnapshotContentList{}
	for _, list := range []client.ObjectList{snapshots, contents} {
		if err := w.client.List(context.Background(), list, client.MatchingLabels{v1alpha1.LabelOperation: operation}); err != nil {
			w.t.Fatal(err)
		}
	}
	if len(snapshots.Items)+len(contents.Items) > 0 {
		w.t.Fatalf("left over: %v %v", snapshots.Items, contents.Items)
	}
	inApp := &snapshotv1.VolumeSnapshotList{}
	if err := w.client.List(context.Background(), inApp, client.InNamespace(w.app)); err != nil {
		w.t.Fatal(err)
	}
	if len(inApp.Items) > 0 {
		w.t.Fatalf("left over in the application's namespace: %v", inApp.Items)
	}
}

// known asks the driver, by way of a snapshot content, whether it has these
// snapshots.
func (w *world) known(handles []string, want bool) {
	w.t.Helper()
	ctx := context.Background()
	probe := snapshot.Snapshots{Client: w.client, Operation: "probe-" + w.own}
	for _, handle := range handles {
		v := agentv1.Volume{Driver: "loop.csi.holdfast.dev", SnapshotHandle: handle}
		name, err := probe.Import(ctx, v, w.own, snapshotv1.VolumeSnapshotContentRetain)
		if err != nil {
			w.t.Fatal(err)
		}
		content := &snapshotv1.VolumeSnapshotContent{}
		w.until("the driver's word on "+handle, func() bool {
			err := w.client.Get(ctx, client.ObjectKey{Name: name}, content)
			return err == nil && content.Status != nil && (content.Status.Error != nil || content.Status.ReadyToUse != nil)
		})
		if got := content.Status.Error == nil; got != want {
			w.t.Errorf("driver has %s: %v, want %v", handle, got, want)
		}
	}
	if err := probe.Clean(ctx, patience, func(string) bool { return true }); err != nil {
		w.t.Fatal(err)
	}
}
