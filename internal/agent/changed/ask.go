package changed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	api "holdfast.dev/holdfast/api/snapshotmetadata"
	"holdfast.dev/holdfast/internal/volume"
)

// Snapshot is a VolumeSnapshot.
type Snapshot struct {
	Namespace, Name string
	Size            int64 // of its volume in bytes
}

const (
	rangesPerMessage = 4096
	largestMessage   = 16 << 20 // bytes
)

// message is what both streams consist of.
type message interface {
	GetBlockMetadataType() api.BlockMetadataType
	GetVolumeCapacityBytes() int64
	GetBlockMetadata() []*api.BlockMetadata
}

// open begins a stream from an offset, and returns what receives from it.
type open func(ctx context.Context, from int64) (func() (message, error), error)

// Allocated asks which ranges of a snapshot hold data; the rest reads as zeros.
func Allocated(ctx context.Context, access Access, s Snapshot) (*volume.Map, error) {
	return ask(ctx, access, s, func(c api.SnapshotMetadataClient) open {
		return func(ctx context.Context, from int64) (func() (message, error), error) {
			stream, err := c.GetMetadataAllocated(ctx, &api.GetMetadataAllocatedRequest{SecurityToken: access.Token,
				Namespace: s.Namespace, SnapshotName: s.Name, StartingOffset: from, MaxResults: rangesPerMessage})
			if err != nil {
				return nil, err
			}
			return func() (message, error) { return stream.Recv() }, nil
		}
	})
}

// Changed asks in which ranges a snapshot differs from an earlier one of the
// same volume, which is named by the driver's handle. An answer of ErrBase
// means that the driver does not know the handle any more, or not as one of
// this volume.
func Changed(ctx context.Context, access Access, s Snapshot, base string) (*volume.Map, error) {
	if base == "" {
		return nil, &Unavailable{ErrBase, errors.New("its handle is not known")}
	}
	return ask(ctx, access, s, func(c api.SnapshotMetadataClient) open {
		return func(ctx context.Context, from int64) (func() (message, error), error) {
			stream, err := c.GetMetadataDelta(ctx, &api.GetMetadataDeltaRequest{SecurityToken: access.Token,
				Namespace: s.Namespace, BaseSnapshotId: base, TargetSnapshotName: s.Name, StartingOffset: from, MaxResults: rangesPerMessage})
			if err != nil {
				return nil, err
			}
			return func() (message, error) { return stream.Recv() }, nil
		}
	})
}

func ask(ctx context.Context, access Access, s Snapshot, question func(api.SnapshotMetadataClient) open) (*volume.Map, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(access.CA) {
		return nil, &Unavailable{ErrNotOffered, errors.New("its CA holds no certificate")}
	}
	conn, err := grpc.NewClient(access.Address,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestMessage)))
	if err != nil {
		return nil, &Unavailable{ErrNotOffered, fmt.Errorf("address %q: %w", access.Address, err)}
	}
	defer func() { _ = conn.Close() }() // nothing is under way any more
	l := newListing(s.Size)
	if err := l.follow(ctx, question(api.NewSnapshotMetadataClient(conn))); err != nil {
		return nil, err
	}
	return l.result(), nil
}
