package csi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"holdfast.dev/holdfast/test/devcluster/loopdev"
)

// NodeGetInfo names the node; volumes are not tied to it by any topology.
func (d *Driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.options.Node}, nil
}

// NodeGetCapabilities says what the node side can do.
func (d *Driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	var all []*csi.NodeServiceCapability
	for _, kind := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		csi.NodeServiceCapability_RPC_EXPAND_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
		csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		all = append(all, &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{Type: kind}}})
	}
	return &csi.NodeGetCapabilitiesResponse{Capabilities: all}, nil
}

// NodeStageVolume attaches the volume; a file system is made if the volume is
// blank, mounted at the staging path and grown to the volume's size.
func (d *Driver) NodeStageVolume(_ context.Context, r *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	if r.VolumeId == "" || r.StagingTargetPath == "" || r.VolumeCapability == nil {
		return nil, invalid("staging needs a volume, a path and a capability")
	}
	if err := checkCapabilities([]*csi.VolumeCapability{r.VolumeCapability}); err != nil {
		return nil, err
	}
	defer d.store.Lock(r.VolumeId)()
	if _, err := d.store.Get(r.VolumeId); err != nil {
		return nil, err
	}
	device, err := d.attach(r.VolumeId)
	if err != nil {
		return nil, err
	}
	if r.VolumeCapability.GetMount() == nil {
		return &csi.NodeStageVolumeResponse{}, nil
	}
	if err := stage(device, r.StagingTargetPath, r.VolumeCapability.GetMount()); err != nil {
		// A device left attached would keep the volume from being deleted.
		if mounted, _ := mountOf(device); mounted == "" {
			err = errors.Join(err, loopdev.Detach(device))
		}
		return nil, err
	}
	return &csi.NodeStageVolumeResponse{}, nil
}

// attach returns the volume's device, attaching it when it is not.
func (d *Driver) attach(id string) (string, error) {
	image := d.store.Image(id)
	device, err := loopdev.Of(image)
	if err != nil || device != "" {
		return device, err
	}
	return loopdev.Attach(image)
}

func stage(device, path string, how *csi.VolumeCapability_MountVolume) error {
	if mounted, err := isMountPoint(path); err != nil || mounted {
		return err
	}
	kind := how.FsType
	if kind == "" {
		kind = "ext4"
	}
	if err := format(device, kind); err != nil {
		return err
	}
	// A volume made from another has that one's file system, whatever was asked.
	kind, err := kindOf(device)
	if err != nil {
		return err
	}
	if !knownFileSystem(kind) {
		return fmt.Errorf("%s holds %s, not a file system of ours", device, kind)
	}
	if err := growUnmounted(device, kind); err != nil {
		return err
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return err
	}
	flags := how.MountFlags
	if kind == "xfs" {
		flags = append(flags, "nouuid") // copies have their source's identity
	}
	args := []string{"-t", kind}
	if len(flags) > 0 {
		args = append(args, "-o", strings.Join(flags, ","))
	}
	if err := run("mount", append(args, device, path)...); err != nil {
		return err
	}
	if kind == "xfs" {
		return growMounted(device, path, kind)
	}
	return nil
}

// NodeUnstageVolume unmounts and detaches the volume.
func (d *Driver) NodeUnstageVolume(_ context.Context, r *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	if r.VolumeId == "" || r.StagingTargetPath == "" {
		return nil, invalid("unstaging needs a volume and a path")
	}
	defer d.store.Lock(r.VolumeId)()
	if err := unmount(r.StagingTargetPath); err != nil {
		return nil, err
	}
	if _, err := d.store.Get(r.VolumeId); err != nil {
		return nil, err
	}
	device, err := loopdev.Of(d.store.Image(r.VolumeId))
	if err != nil || device == "" {
		return &csi.NodeUnstageVolumeResponse{}, err
	}
	return &csi.NodeUnstageVolumeResponse{}, loopdev.Detach(device)
}

// NodePublishVolume shows the staged volume at the target path: its folder, or
// its device on a file made for it.
func (d *Driver) NodePublishVolume(_ context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if r.VolumeId == "" || r.TargetPath == "" || r.StagingTargetPath == "" || r.VolumeCapability == nil {
		return nil, invalid("publishing needs a volume, its staging path, a target path and a capability")
	}
	defer d.store.Lock(r.VolumeId)()
	if _, err := d.store.Get(r.VolumeId); err != nil {
		return nil, err
	}
	if mounted, err := isMountPoint(r.TargetPath); err != nil || mounted {
		return &csi.NodePublishVolumeResponse{}, err
	}
	if r.VolumeCapability.GetBlock() != nil {
		return &csi.NodePublishVolumeResponse{}, d.publishBlock(r)
	}
	if err := d.checkSingleWriter(r); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.TargetPath, 0o750); err != nil {
		return nil, err
	}
	return &csi.NodePublishVolumeResponse{}, bind(r.StagingTargetPath, r.TargetPath, r.Readonly)
}

func (d *Driver) publishBlock(r *csi.NodePublishVolumeRequest) error {
	device, err := d.attach(r.VolumeId)
	if err != nil {
		return err
	}
	if err := makeFile(r.TargetPath); err != nil {
		return err
	}
	return bind(device, r.TargetPath, r.Readonly)
}

// checkSingleWriter refuses a second place for a volume that only one pod may use.
func (d *Driver) checkSingleWriter(r *csi.NodePublishVolumeRequest) error {
	if r.VolumeCapability.GetAccessMode().GetMode() != csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER {
		return nil
	}
	device, err := loopdev.Of(d.store.Image(r.VolumeId))
	if err != nil || device == "" {
		return err
	}
	places, err := mountsOf(device)
	if err != nil {
		return err
	}
	for _, p := range places {
		if p != r.StagingTargetPath && p != r.TargetPath {
			return status.Errorf(codes.FailedPrecondition, "volume %s is in use at %s by its only writer", r.VolumeId, p)
		}
	}
	return nil
}

func makeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	return f.Close()
}

func bind(source, target string, readonly bool) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, target, err)
	}
	if !readonly {
		return nil
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, errors.Join(err, unmount(target)))
	}
	return nil
}

// NodeUnpublishVolume takes the volume away from the target path.
func (d *Driver) NodeUnpublishVolume(_ context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if r.VolumeId == "" || r.TargetPath == "" {
		return nil, invalid("unpublishing needs a volume and a path")
	}
	defer d.store.Lock(r.VolumeId)()
	if err := unmount(r.TargetPath); err != nil {
		return nil, err
	}
	if err := os.Remove(r.TargetPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := d.store.Get(r.VolumeId); err != nil {
		return nil, err
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// NodeExpandVolume makes device and file system as large as the image is now.
func (d *Driver) NodeExpandVolume(_ context.Context, r *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	if r.VolumeId == "" || r.VolumePath == "" {
		return nil, invalid("expanding needs a volume and its path")
	}
	defer d.store.Lock(r.VolumeId)()
	volume, err := d.store.Get(r.VolumeId)
	if err != nil {
		return nil, err
	}
	device, err := loopdev.Of(d.store.Image(volume.ID))
	if err != nil {
		return nil, err
	}
	if device == "" {
		return nil, fmt.Errorf("volume %s at %s: %w", volume.ID, r.VolumePath, fs.ErrNotExist)
	}
	if err := loopdev.Refresh(device); err != nil {
		return nil, err
	}
	answer := &csi.NodeExpandVolumeResponse{CapacityBytes: volume.Size}
	mounted, err := mountOf(device)
	if err != nil || mounted == "" {
		return answer, err
	}
	kind, err := kindOf(device)
	if err != nil {
		return nil, err
	}
	return answer, growMounted(device, mounted, kind)
}

// NodeGetVolumeStats tells how full the volume at a path is.
func (d *Driver) NodeGetVolumeStats(_ context.Context, r *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	if r.VolumeId == "" || r.VolumePath == "" {
		return nil, invalid("statistics need a volume and its path")
	}
	volume, err := d.store.Get(r.VolumeId)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(r.VolumePath)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{{Unit: csi.VolumeUsage_BYTES, Total: volume.Size}}}, nil
	}
	var s unix.Statfs_t
	if err := unix.Statfs(r.VolumePath, &s); err != nil {
		return nil, err
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		{Unit: csi.VolumeUsage_BYTES, Total: int64(s.Blocks) * s.Bsize, Used: int64(s.Blocks-s.Bfree) * s.Bsize, Available: int64(s.Bavail) * s.Bsize},
		{Unit: csi.VolumeUsage_INODES, Total: int64(s.Files), Used: int64(s.Files - s.Ffree), Available: int64(s.Ffree)},
	}}, nil
}
