package csi

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// rig is a served driver with its clients.
type rig struct {
	t          *testing.T
	controller csi.ControllerClient
	node       csi.NodeClient
	metadata   csi.SnapshotMetadataClient
}

func newRig(t *testing.T, snapshots bool) *rig {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+startDriver(t, snapshots), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &rig{t, csi.NewControllerClient(conn), csi.NewNodeClient(conn), csi.NewSnapshotMetadataClient(conn)}
}

var fileSystem = &csi.VolumeCapability{
	AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
	AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
}

var xfs = &csi.VolumeCapability{
	AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{FsType: "xfs"}},
	AccessMode: fileSystem.AccessMode,
}

var block = &csi.VolumeCapability{
	AccessType: &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}},
	AccessMode: fileSystem.AccessMode,
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (r *rig) create(name string, size int64, how *csi.VolumeCapability, source *csi.VolumeContentSource) string {
	r.t.Helper()
	answer := must[*csi.CreateVolumeResponse](r.t)(r.controller.CreateVolume(context.Background(), &csi.CreateVolumeRequest{
		Name: name, CapacityRange: &csi.CapacityRange{RequiredBytes: size}, VolumeCapabilities: []*csi.VolumeCapability{how}, VolumeContentSource: source}))
	return answer.Volume.VolumeId
}

func (r *rig) snapshot(volume, name string) string {
	r.t.Helper()
	answer := must[*csi.CreateSnapshotResponse](r.t)(r.controller.CreateSnapshot(context.Background(), &csi.CreateSnapshotRequest{SourceVolumeId: volume, Name: name}))
	return answer.Snapshot.SnapshotId
}

// publish makes the volume usable and returns where; it is undone at the end.
func (r *rig) publish(volume string, how *csi.VolumeCapability) string {
	r.t.Helper()
	staging, target := r.t.TempDir(), filepath.Join(r.t.TempDir(), "target")
	ctx := context.Background()
	must[*csi.NodeStageVolumeResponse](r.t)(r.node.NodeStageVolume(ctx, &csi.NodeStageVolumeRequest{VolumeId: volume, StagingTargetPath: staging, VolumeCapability: how}))
	r.t.Cleanup(func() {
		must[*csi.NodeUnpublishVolumeResponse](r.t)(r.node.NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: volume, TargetPath: target}))
		must[*csi.NodeUnstageVolumeResponse](r.t)(r.node.NodeUnstageVolume(ctx, &csi.NodeUnstageVolumeRequest{VolumeId: volume, StagingTargetPath: staging}))
	})
	must[*csi.NodePublishVolumeResponse](r.t)(r.node.NodePublishVolume(ctx, &csi.NodePublishVolumeRequest{
		VolumeId: volume, StagingTargetPath: staging, TargetPath: target, VolumeCapability: how}))
	return target
}

func fromSnapshot(id string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: id}}}
}

func fromVolume(id string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: id}}}
}

// TestSnapshotHoldsTheMoment restores into a larger volume what a file system
// in use held when the snapshot was taken.
func TestSnapshotHoldsTheMoment(t *testing.T) {
	for kind, how := range map[string]*csi.VolumeCapability{"ext4": fileSystem, "xfs": xfs} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, true)
			volume := r.create("source", 512<<20, how, nil)
			file := filepath.Join(r.publish(volume, how), "file")
			write(t, file, []byte("before"))
			snapshot := r.snapshot(volume, "moment")
			write(t, file, []byte("after"))
			restored := r.publish(r.create("restored", 1<<30, how, fromSnapshot(snapshot)), how)
			if got := must[[]byte](t)(os.ReadFile(filepath.Join(restored, "file"))); string(got) != "before" {
				t.Fatalf("restored %q", got)
			}
			clone := r.publish(r.create("clone", 512<<20, how, fromVolume(volume)), how)
			if got := must[[]byte](t)(os.ReadFile(filepath.Join(clone, "file"))); string(got) != "after" {
				t.Fatalf("cloned %q", got)
			}
			if total := r.total(t, "restored", restored); total < 900<<20 {
				t.Fatalf("the restored file system has %d bytes, it did not grow", total)
			}
		})
	}
}

func (r *rig) total(t *testing.T, name, path string) int64 {
	t.Helper()
	answer := must[*csi.NodeGetVolumeStatsResponse](t)(r.node.NodeGetVolumeStats(context.Background(),
		&csi.NodeGetVolumeStatsRequest{VolumeId: idOf(volumePrefix, name), VolumePath: path}))
	return answer.Usage[0].Total
}

// TestExpandInUse uses XFS: whether ext4 grows in use depends on the machine.
func TestExpandInUse(t *testing.T) {
	r := newRig(t, true)
	volume := r.create("growing", 512<<20, xfs, nil)
	target := r.publish(volume, xfs)
	before := r.total(t, "growing", target)
	if err := r.expand(volume, target, 2<<30); err != nil {
		t.Fatal(err)
	}
	if after := r.total(t, "growing", target); after < before+(1<<30) {
		t.Fatalf("%d bytes before, %d after", before, after)
	}
}

// TestExpandExt4 grows at once or, where the kernel refuses that, when the
// volume is staged again.
func TestExpandExt4(t *testing.T) {
	r := newRig(t, true)
	volume := r.create("growing", 256<<20, fileSystem, nil)
	t.Run("in use", func(t *testing.T) {
		inner := *r
		inner.t = t
		target := inner.publish(volume, fileSystem)
		write(t, filepath.Join(target, "file"), []byte("kept"))
		if err := inner.expand(volume, target, 1<<30); err != nil && status.Code(err) != codes.FailedPrecondition {
			t.Fatal(err)
		}
	})
	target := r.publish(volume, fileSystem)
	if total := r.total(t, "growing", target); total < 900<<20 {
		t.Fatalf("%d bytes after staging again", total)
	}
	if got := must[[]byte](t)(os.ReadFile(filepath.Join(target, "file"))); string(got) != "kept" {
		t.Fatalf("the file holds %q", got)
	}
}

func (r *rig) expand(volume, target string, size int64) error {
	r.t.Helper()
	ctx := context.Background()
	larger := &csi.CapacityRange{RequiredBytes: size}
	must[*csi.ControllerExpandVolumeResponse](r.t)(r.controller.ControllerExpandVolume(ctx, &csi.ControllerExpandVolumeRequest{VolumeId: volume, CapacityRange: larger}))
	_, err := r.node.NodeExpandVolume(ctx, &csi.NodeExpandVolumeRequest{VolumeId: volume, VolumePath: target, CapacityRange: larger})
	return err
}

func TestWithoutSnapshots(t *testing.T) {
	r := newRig(t, false)
	volume := r.create("plain", 64<<20, fileSystem, nil)
	_, err := r.controller.CreateSnapshot(context.Background(), &csi.CreateSnapshotRequest{SourceVolumeId: volume, Name: "s"})
	if status.Code(err) != codes.Unimplemented {
		t.Fatalf("got %v", err)
	}
}

func TestVolumeInUseIsNotDeleted(t *testing.T) {
	r := newRig(t, true)
	volume := r.create("busy", 64<<20, block, nil)
	r.publish(volume, block)
	_, err := r.controller.DeleteVolume(context.Background(), &csi.DeleteVolumeRequest{VolumeId: volume})
	if status.Code(err) != codes.FailedPrecondition {
		t.Fatalf("got %v", err)
	}
}

// TestChangedBlocks overwrites parts of a raw volume between two snapshots and
// asks which parts: all that differ must be told, and nothing much more.
func TestChangedBlocks(t *testing.T) {
	r := newRig(t, true)
	const size = 64 << 20
	volume := r.create("raw", size, block, nil)
	device := r.publish(volume, block)
	content := make([]byte, size)
	rand.Read(content[8<<20 : 40<<20])
	overwrite(t, device, content, 8<<20, 32<<20)
	first := r.snapshot(volume, "first")
	if got, want := r.ranges(first, ""), (span{8 << 20, 32 << 20}); len(got) == 0 || sum(got) != want.length || got[0].offset != want.offset {
		t.Fatalf("allocated %v, want %v", got, want)
	}
	old := bytes.Clone(content)
	for _, s := range []span{{0, 4096}, {10 << 20, 1 << 20}, {39 << 20, 3 << 20}, {size - 4096, 4096}} {
		rand.Read(content[s.offset : s.offset+s.length])
		overwrite(t, device, content, s.offset, s.length)
	}
	second := r.snapshot(volume, "second")
	rand.Read(content[20<<20 : 21<<20])
	overwrite(t, device, content, 20<<20, 1<<20) // after the second snapshot: not in it
	delta := r.ranges(second, first)
	if sum(delta) != (4<<20)+2*4096 {
		t.Fatalf("changed %v", delta)
	}
	for _, s := range delta {
		copy(old[s.offset:s.offset+s.length], content[s.offset:s.offset+s.length])
	}
	restored := r.publish(r.create("check", size, block, fromSnapshot(second)), block)
	if now := must[[]byte](t)(readAll(restored)); !bytes.Equal(now, old) {
		t.Fatal("the first snapshot with the changed ranges applied is not the second")
	}
	if again := r.ranges(second, second); len(again) != 0 {
		t.Fatalf("a snapshot differs from itself in %v", again)
	}
}

type span struct{ offset, length int64 }

func sum(all []span) (total int64) {
	for _, s := range all {
		total += s.length
	}
	return total
}

// ranges asks for what changed since base, or for all data when base is "".
func (r *rig) ranges(target, base string) []span {
	r.t.Helper()
	var next func() ([]*csi.BlockMetadata, error)
	if base == "" {
		stream := must[csi.SnapshotMetadata_GetMetadataAllocatedClient](r.t)(r.metadata.GetMetadataAllocated(context.Background(),
			&csi.GetMetadataAllocatedRequest{SnapshotId: target, MaxResults: 2}))
		next = func() ([]*csi.BlockMetadata, error) { m, err := stream.Recv(); return m.GetBlockMetadata(), err }
	} else {
		stream := must[csi.SnapshotMetadata_GetMetadataDeltaClient](r.t)(r.metadata.GetMetadataDelta(context.Background(),
			&csi.GetMetadataDeltaRequest{BaseSnapshotId: base, TargetSnapshotId: target, MaxResults: 2}))
		next = func() ([]*csi.BlockMetadata, error) { m, err := stream.Recv(); return m.GetBlockMetadata(), err }
	}
	var all []span
	for {
		page, err := next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			r.t.Fatal(err)
		}
		for _, b := range page {
			all = append(all, span{b.ByteOffset, b.SizeBytes})
		}
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, device string, content []byte, offset, length int64) {
	t.Helper()
	f := must[*os.File](t)(os.OpenFile(device, os.O_WRONLY, 0))
	must[int](t)(f.WriteAt(content[offset:offset+length], offset))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func readAll(device string) ([]byte, error) {
	f, err := os.Open(device)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
