package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/changed"
	"holdfast.dev/holdfast/internal/agent/mover"
	"holdfast.dev/holdfast/internal/agent/movers"
	"holdfast.dev/holdfast/internal/agent/progress"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/volume"
)

// moveAll moves the data of all volumes side by side. A volume whose data
// cannot be read is left out, with the reason; anything else fails the run.
func (v *vaulting) moveAll(ctx context.Context) error {
	for i, item := range v.items {
		if item.volume.State == agentv1.VolumeProtected {
			v.bytes.expect(i, max(item.volume.SizeBytes, item.volume.RestoreSizeBytes))
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := range v.items {
		if v.items[i].volume.State != agentv1.VolumeProtected {
			continue
		}
		group.Go(func() error { return v.move(ctx, i, &v.items[i]) })
	}
	return group.Wait()
}

// move reads one volume from a clone of its snapshot.
func (v *vaulting) move(ctx context.Context, number int, item *vaultItem) error {
	snapshot, claim, err := v.clone(ctx, item.volume)
	if err != nil {
		return fmt.Errorf("clone the snapshot of %s/%s: %w", item.volume.Namespace, item.volume.Claim, err)
	}
	changes, err := v.changes(ctx, snapshot, item)
	if err != nil {
		return err
	}
	report, err := v.movers.Run(ctx, movers.Work{
		Operation: v.operation, Name: claim, Claim: claim, Deadline: remaining(ctx, v.options.Clock), Grant: v.gate.Grant,
		Order: mover.Order{
			Task: mover.Save, Repository: *v.grant.Target, RecoveryPoint: v.spec.RecoveryPointID,
			Stream: streamName(item.volume), Device: movers.Device, Base: item.base, Changes: changes, BytesPerSecond: v.spec.Limits.BytesPerSecond,
		},
	}, func(p agentv1.Progress) { v.bytes.report(number, p) })
	var told *agentv1.Problem
	if errors.As(err, &told) && told.Code == mover.CodeDevice {
		item.leave(CodeVaultNoData, told.Message)
		v.bytes.end(number, mover.Report{})
		return nil
	}
	if err != nil {
		return fmt.Errorf("copy the data of %s/%s: %w", item.volume.Namespace, item.volume.Claim, err)
	}
	item.stream = report.Stream
	if report.Distrusted != "" {
		v.journal.warn(distrusted(item.volume, report.Distrusted))
	}
	v.bytes.end(number, report)
	v.options.Log.Info("volume copied", "operation", v.operation, "volume", item.volume.Namespace+"/"+item.volume.Claim,
		"read", report.BytesRead, "stored", report.BytesStored, "how", report.How)
	return nil
}

// clone makes a block claim in the extension's namespace from the snapshot of a
// volume, whatever the volume's own mode: its blocks are wanted, not its files.
func (v *vaulting) clone(ctx context.Context, source agentv1.Volume) (snapshot, name string, err error) {
	source.VolumeMode = "" // told, the provisioner would refuse another mode
	snapshot, err = v.snapshots().Import(ctx, source, v.options.Namespace, snapshotv1.VolumeSnapshotContentRetain)
	if err != nil {
		return "", "", err
	}
	group := snapshotv1.GroupName
	claim := blockClaim(v.options.Namespace, movers.Name("save", v.operation, source.Namespace, source.Claim), v.operation,
		source.StorageClass, max(source.SizeBytes, source.RestoreSizeBytes))
	claim.Spec.DataSource = &corev1.TypedLocalObjectReference{APIGroup: &group, Kind: "VolumeSnapshot", Name: snapshot}
	if err := v.client.Create(ctx, claim); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", "", err
	}
	return snapshot, claim.Name, nil
}

// changes is what a mover needs to ask the driver which blocks to read. A
// driver that offers nothing is asked nothing; other troubles are told.
func (v *vaulting) changes(ctx context.Context, snapshot string, item *vaultItem) (*mover.Changes, error) {
	access, err := changed.Find(ctx, v.kube, item.volume.Driver, types.NamespacedName{Namespace: v.options.Namespace, Name: movers.ServiceAccount})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, changed.ErrNotOffered):
		return nil, nil
	case err != nil:
		return &mover.Changes{Reason: err.Error()}, nil
	}
	return &mover.Changes{Access: access, Base: item.before, Snapshot: changed.Snapshot{Namespace: v.options.Namespace, Name: snapshot}}, nil
}

func distrusted(v agentv1.Volume, what string) agentv1.Warning {
	resource := "PersistentVolumeClaim " + v.Namespace + "/" + v.Claim
	return agentv1.Warning{Resource: resource, Problem: agentv1.Problem{Code: volume.CodeChangesNotTrusted, Target: resource,
		Message: what + " The whole volume was read, so that the recovery point is right.",
		Actions: []string{"Report it to the vendor of the CSI driver " + v.Driver + "."}}}
}

// blockClaim is a claim of a helper volume that a mover sees as a device.
func blockClaim(namespace, name, operation, class string, size int64) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelOperation: operation}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			VolumeMode:       new(corev1.PersistentVolumeBlock),
			StorageClassName: &class,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceStorage: *resource.NewQuantity(size, resource.BinarySI)}},
		},
	}
}

// remaining is how much time the run has.
func remaining(ctx context.Context, c clock.Clock) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return max(time.Minute, end.Sub(c.Now()))
	}
	return maxDuration
}

// tallied adds up what several movers report.
type tallied struct {
	journal *journal
	mu      sync.Mutex
	volumes progress.Sum[int]
	new     int64
}

// expect says how many bytes of a volume are read at most.
func (t *tallied) expect(number int, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.volumes.Move(number, bytes)
}

func (t *tallied) report(number int, p agentv1.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.volumes.Tell(number, p)
	t.tell()
}

func (t *tallied) end(number int, r mover.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.volumes.Tell(number, agentv1.Progress{BytesDone: r.BytesRead, BytesTotal: r.BytesRead})
	t.volumes.End(number)
	t.new += r.BytesStored
	t.tell()
}

func (t *tallied) tell() {
	sum := t.volumes.Of(0, 0)
	if sum.Phase != "" {
		step, _, _ := t.journal.now()
		sum.Phase = step + "; " + sum.Phase
	}
	t.journal.report(sum)
}

func (t *tallied) stored() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.new
}
