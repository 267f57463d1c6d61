package csi

import (
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const rangesPerMessage = 256

// GetMetadataAllocated streams the ranges of a snapshot that hold data.
func (d *Driver) GetMetadataAllocated(r *csi.GetMetadataAllocatedRequest, stream csi.SnapshotMetadata_GetMetadataAllocatedServer) error {
	snapshot, err := d.snapshotFor(r.SnapshotId, r.StartingOffset)
	if err != nil {
		return err
	}
	runs, err := allocated(d.store.Image(snapshot.ID), snapshot.Size)
	if err != nil {
		return err
	}
	return sendRanges(runs, r.StartingOffset, r.MaxResults, func(page []*csi.BlockMetadata) error {
		return stream.Send(&csi.GetMetadataAllocatedResponse{BlockMetadataType: csi.BlockMetadataType_VARIABLE_LENGTH,
			VolumeCapacityBytes: snapshot.Size, BlockMetadata: page})
	})
}

// GetMetadataDelta streams the ranges in which the target snapshot may differ
// from the base. Both must be of one volume.
func (d *Driver) GetMetadataDelta(r *csi.GetMetadataDeltaRequest, stream csi.SnapshotMetadata_GetMetadataDeltaServer) error {
	base, err := d.snapshotFor(r.BaseSnapshotId, 0)
	if err != nil {
		return err
	}
	target, err := d.snapshotFor(r.TargetSnapshotId, r.StartingOffset)
	if err != nil {
		return err
	}
	if base.Source != target.Source {
		return invalid("snapshots %s and %s are of different volumes", base.ID, target.ID)
	}
	before, err := allocated(d.store.Image(base.ID), base.Size)
	if err != nil {
		return err
	}
	after, err := allocated(d.store.Image(target.ID), target.Size)
	if err != nil {
		return err
	}
	return sendRanges(changed(before, after), r.StartingOffset, r.MaxResults, func(page []*csi.BlockMetadata) error {
		return stream.Send(&csi.GetMetadataDeltaResponse{BlockMetadataType: csi.BlockMetadataType_VARIABLE_LENGTH,
			VolumeCapacityBytes: target.Size, BlockMetadata: page})
	})
}

func (d *Driver) snapshotFor(id string, offset int64) (Record, error) {
	if id == "" {
		return Record{}, invalid("which snapshot?")
	}
	snapshot, err := d.store.Get(id)
	if err == nil && !strings.HasPrefix(id, snapshotPrefix) { // a volume, perhaps cloned from the same one
		err = status.Errorf(codes.NotFound, "%s is not a snapshot", id)
	}
	if err != nil {
		return snapshot, err
	}
	if offset < 0 || offset > snapshot.Size {
		return snapshot, status.Errorf(codes.OutOfRange, "offset %d of a snapshot of %d bytes", offset, snapshot.Size)
	}
	return snapshot, nil
}

// sendRanges sends the runs that end after start, a page at a time.
func sendRanges(runs []extent, start int64, most int32, send func([]*csi.BlockMetadata) error) error {
	size := rangesPerMessage
	if most > 0 {
		size = min(size, int(most))
	}
	var page []*csi.BlockMetadata
	for _, r := range dropBefore(runs, start) {
		page = append(page, &csi.BlockMetadata{ByteOffset: r.Offset, SizeBytes: r.Length})
		if len(page) == size {
			if err := send(page); err != nil {
				return err
			}
			page = nil
		}
	}
	if len(page) == 0 {
		return nil
	}
	return send(page)
}
