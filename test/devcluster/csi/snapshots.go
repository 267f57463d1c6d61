package csi

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// CreateSnapshot copies the volume, sharing all blocks, while its file system
// is frozen: what was written before is in it, nothing after is.
func (d *Driver) CreateSnapshot(_ context.Context, r *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	if r.Name == "" || r.SourceVolumeId == "" {
		return nil, invalid("a snapshot needs a name and a volume")
	}
	if !d.options.Snapshots {
		return nil, status.Error(codes.Unimplemented, "this driver takes no snapshots")
	}
	id := idOf(snapshotPrefix, r.Name)
	defer d.store.Lock(id)()
	switch existing, err := d.store.Get(id); {
	case err == nil && existing.Source != r.SourceVolumeId:
		return nil, status.Errorf(codes.AlreadyExists, "snapshot %q exists, of volume %s", r.Name, existing.Source)
	case err == nil:
		return &csi.CreateSnapshotResponse{Snapshot: existing.snapshot()}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	defer d.store.Lock(r.SourceVolumeId)()
	volume, err := d.store.Get(r.SourceVolumeId)
	if err != nil {
		return nil, err
	}
	snapshot := Record{ID: id, Name: r.Name, Size: volume.Size, Source: volume.ID}
	err = d.atRest(volume.ID, func() error {
		snapshot.Created = time.Now().UTC()
		return d.store.Create(snapshot)
	})
	if err != nil {
		return nil, err
	}
	return &csi.CreateSnapshotResponse{Snapshot: snapshot.snapshot()}, nil
}

func (r Record) snapshot() *csi.Snapshot {
	return &csi.Snapshot{SnapshotId: r.ID, SourceVolumeId: r.Source, SizeBytes: r.Size,
		CreationTime: timestamppb.New(r.Created), ReadyToUse: true}
}

// DeleteSnapshot removes the snapshot; a missing one is fine. Volumes made
// from it keep their blocks.
func (d *Driver) DeleteSnapshot(_ context.Context, r *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	if r.SnapshotId == "" {
		return nil, invalid("which snapshot?")
	}
	defer d.store.Lock(r.SnapshotId)()
	if _, err := d.store.Get(r.SnapshotId); errors.Is(err, fs.ErrNotExist) {
		return &csi.DeleteSnapshotResponse{}, nil
	}
	return &csi.DeleteSnapshotResponse{}, d.store.Delete(r.SnapshotId)
}

// ListSnapshots pages through the snapshots, of one volume or with one id when
// asked so.
func (d *Driver) ListSnapshots(_ context.Context, r *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	all, err := d.store.List(snapshotPrefix)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s Record) bool {
		return (r.SnapshotId != "" && s.ID != r.SnapshotId) || (r.SourceVolumeId != "" && s.Source != r.SourceVolumeId)
	})
	page, next, err := paginate(all, r.StartingToken, r.MaxEntries)
	if err != nil {
		return nil, err
	}
	answer := &csi.ListSnapshotsResponse{NextToken: next}
	for _, s := range page {
		answer.Entries = append(answer.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: s.snapshot()})
	}
	return answer, nil
}
