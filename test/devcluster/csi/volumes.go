package csi

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"holdfast.dev/holdfast/test/devcluster/loopdev"
)

const (
	defaultSize = 1 << 30
	sizeUnit    = 4096 // the block size of every file system made here
)

// ControllerGetCapabilities says what the controller can do.
func (d *Driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	kinds := []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_LIST_VOLUMES,
		csi.ControllerServiceCapability_RPC_GET_CAPACITY,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
		csi.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	}
	if d.options.Snapshots {
		kinds = append(kinds,
			csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
			csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
			csi.ControllerServiceCapability_RPC_CLONE_VOLUME)
	}
	var all []*csi.ControllerServiceCapability
	for _, k := range kinds {
		all = append(all, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: k}}})
	}
	return &csi.ControllerGetCapabilitiesResponse{Capabilities: all}, nil
}

// CreateVolume makes an empty volume, or one from a snapshot or volume.
func (d *Driver) CreateVolume(_ context.Context, r *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if r.Name == "" {
		return nil, invalid("a volume needs a name")
	}
	if err := checkCapabilities(r.VolumeCapabilities); err != nil {
		return nil, err
	}
	id := idOf(volumePrefix, r.Name)
	defer d.store.Lock(id)()
	wanted, err := d.plan(id, r)
	if err != nil {
		return nil, err
	}
	switch existing, err := d.store.Get(id); {
	case err == nil && (existing.Source != wanted.Source || !fits(existing.Size, r.CapacityRange)):
		return nil, status.Errorf(codes.AlreadyExists, "volume %q exists with %d bytes from %q", r.Name, existing.Size, existing.Source)
	case err == nil:
		wanted = existing
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	default:
		if err := d.create(wanted); err != nil {
			return nil, err
		}
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{VolumeId: id, CapacityBytes: wanted.Size, ContentSource: r.VolumeContentSource}}, nil
}

// plan decides size and source of a new volume, and refuses what cannot be.
func (d *Driver) plan(id string, r *csi.CreateVolumeRequest) (Record, error) {
	wanted := Record{ID: id, Name: r.Name, Created: time.Now().UTC()}
	smallest := int64(defaultSize)
	if s := r.VolumeContentSource; s != nil {
		wanted.Source = s.GetSnapshot().GetSnapshotId() + s.GetVolume().GetVolumeId()
		source, err := d.store.Get(wanted.Source)
		if err != nil {
			return wanted, status.Errorf(codes.NotFound, "source %q: %v", wanted.Source, err)
		}
		smallest = source.Size
		if limit := r.CapacityRange.GetLimitBytes(); limit > 0 && limit < smallest {
			return wanted, status.Errorf(codes.OutOfRange, "at most %d bytes asked for, but the source has %d", limit, smallest)
		}
	}
	var err error
	wanted.Size, err = chooseSize(r.CapacityRange, smallest, wanted.Source != "")
	return wanted, err
}

// create makes the image; when it copies a volume in use, that one stands
// still meanwhile.
func (d *Driver) create(r Record) error {
	if r.Source == "" {
		return d.store.Create(r)
	}
	defer d.store.Lock(r.Source)()
	return d.atRest(r.Source, func() error { return d.store.Create(r) })
}

// chooseSize picks the size within asked. Without a request it is smallest,
// which with a source is a lower bound too.
func chooseSize(asked *csi.CapacityRange, smallest int64, bound bool) (int64, error) {
	required, limit := asked.GetRequiredBytes(), asked.GetLimitBytes()
	if required < 0 || limit < 0 || (limit > 0 && required > limit) {
		return 0, status.Errorf(codes.OutOfRange, "capacity from %d to %d bytes", required, limit)
	}
	size := required
	if size == 0 || (bound && size < smallest) {
		size = smallest
		if limit > 0 && !bound {
			size = min(size, limit/sizeUnit*sizeUnit)
		}
	}
	size = (size + sizeUnit - 1) / sizeUnit * sizeUnit
	if size == 0 || (limit > 0 && size > limit) {
		return 0, status.Errorf(codes.OutOfRange, "no multiple of %d bytes is between %d and %d", sizeUnit, required, limit)
	}
	return size, nil
}

func fits(size int64, asked *csi.CapacityRange) bool {
	limit := asked.GetLimitBytes()
	return size >= asked.GetRequiredBytes() && (limit == 0 || size <= limit)
}

// DeleteVolume removes the volume; a missing one is fine, one in use is not.
func (d *Driver) DeleteVolume(_ context.Context, r *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if r.VolumeId == "" {
		return nil, invalid("which volume?")
	}
	defer d.store.Lock(r.VolumeId)()
	if _, err := d.store.Get(r.VolumeId); errors.Is(err, fs.ErrNotExist) {
		return &csi.DeleteVolumeResponse{}, nil
	}
	device, err := loopdev.Of(d.store.Image(r.VolumeId))
	if err != nil {
		return nil, err
	}
	if device != "" {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is in use as %s", r.VolumeId, device)
	}
	return &csi.DeleteVolumeResponse{}, d.store.Delete(r.VolumeId)
}

// ListVolumes pages through all volumes.
func (d *Driver) ListVolumes(_ context.Context, r *csi.ListVolumesRequest) (*csi.ListVolumesResponse, error) {
	all, err := d.store.List(volumePrefix)
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(all, r.StartingToken, r.MaxEntries)
	if err != nil {
		return nil, err
	}
	answer := &csi.ListVolumesResponse{NextToken: next}
	for _, v := range page {
		answer.Entries = append(answer.Entries, &csi.ListVolumesResponse_Entry{Volume: &csi.Volume{VolumeId: v.ID, CapacityBytes: v.Size}})
	}
	return answer, nil
}

// paginate cuts the page that begins at token, the number of entries before
// it. Zero entries asked for means all.
func paginate(all []Record, token string, most int32) (page []Record, next string, err error) {
	start := 0
	if token != "" {
		if start, err = strconv.Atoi(token); err != nil || start < 0 || start > len(all) {
			return nil, "", status.Errorf(codes.Aborted, "unknown token %q", token)
		}
	}
	if most < 0 {
		return nil, "", invalid("%d entries asked for", most)
	}
	end := len(all)
	if most > 0 && start+int(most) < end {
		end = start + int(most)
		next = strconv.Itoa(end)
	}
	return all[start:end], next, nil
}

// ValidateVolumeCapabilities confirms what CreateVolume would accept.
func (d *Driver) ValidateVolumeCapabilities(_ context.Context, r *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if r.VolumeId == "" || len(r.VolumeCapabilities) == 0 {
		return nil, invalid("which volume, and which capabilities?")
	}
	if _, err := d.store.Get(r.VolumeId); err != nil {
		return nil, err
	}
	if err := checkCapabilities(r.VolumeCapabilities); err != nil {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: err.Error()}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext: r.VolumeContext, VolumeCapabilities: r.VolumeCapabilities, Parameters: r.Parameters}}, nil
}

// checkCapabilities accepts every access mode: with one node they all hold.
func checkCapabilities(all []*csi.VolumeCapability) error {
	if len(all) == 0 {
		return invalid("a volume needs a capability")
	}
	for _, c := range all {
		if c.GetBlock() == nil && c.GetMount() == nil {
			return invalid("neither a block nor a file system volume")
		}
		if kind := c.GetMount().GetFsType(); c.GetMount() != nil && !knownFileSystem(kind) {
			return invalid("file system %q: only ext4 and xfs are known", kind)
		}
	}
	return nil
}

// GetCapacity is what the pool can still take.
func (d *Driver) GetCapacity(context.Context, *csi.GetCapacityRequest) (*csi.GetCapacityResponse, error) {
	free, err := d.store.Free()
	return &csi.GetCapacityResponse{AvailableCapacity: free}, err
}

// ControllerExpandVolume enlarges the image; the node does the rest.
func (d *Driver) ControllerExpandVolume(_ context.Context, r *csi.ControllerExpandVolumeRequest) (*csi.ControllerExpandVolumeResponse, error) {
	if r.VolumeId == "" || r.CapacityRange == nil {
		return nil, invalid("which volume, and how large?")
	}
	defer d.store.Lock(r.VolumeId)()
	volume, err := d.store.Get(r.VolumeId)
	if err != nil {
		return nil, err
	}
	size, err := chooseSize(r.CapacityRange, volume.Size, true)
	if err != nil {
		return nil, err
	}
	if volume, err = d.store.Grow(volume, size); err != nil {
		return nil, err
	}
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: volume.Size, NodeExpansionRequired: true}, nil
}
