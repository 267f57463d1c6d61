package sidecar

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/url"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"holdfast.dev/holdfast/test/devcluster/kubeapi"
	schema "holdfast.dev/holdfast/test/devcluster/sidecar/schema"
)

// Server answers for one driver.
type Server struct {
	schema.UnimplementedSnapshotMetadataServer
	api    *kubeapi.Client
	driver string
	csi    csi.SnapshotMetadataClient
}

// GetMetadataAllocated streams the ranges of a snapshot that hold data.
func (s *Server) GetMetadataAllocated(r *schema.GetMetadataAllocatedRequest, stream grpc.ServerStreamingServer[schema.GetMetadataAllocatedResponse]) error {
	ctx := stream.Context()
	handle, err := s.target(ctx, r.SecurityToken, r.Namespace, r.SnapshotName)
	if err != nil {
		return err
	}
	answer, err := s.csi.GetMetadataAllocated(ctx, &csi.GetMetadataAllocatedRequest{SnapshotId: handle,
		StartingOffset: r.StartingOffset, MaxResults: r.MaxResults})
	if err != nil {
		return err
	}
	return relay(answer.Recv, func(m *csi.GetMetadataAllocatedResponse) error {
		return stream.Send(&schema.GetMetadataAllocatedResponse{BlockMetadataType: schema.BlockMetadataType(m.BlockMetadataType),
			VolumeCapacityBytes: m.VolumeCapacityBytes, BlockMetadata: ranges(m.BlockMetadata)})
	})
}

// GetMetadataDelta streams the ranges in which a snapshot differs from an
// earlier one, which is named by its handle.
func (s *Server) GetMetadataDelta(r *schema.GetMetadataDeltaRequest, stream grpc.ServerStreamingServer[schema.GetMetadataDeltaResponse]) error {
	ctx := stream.Context()
	if r.BaseSnapshotId == "" {
		return status.Error(codes.InvalidArgument, "which base?")
	}
	handle, err := s.target(ctx, r.SecurityToken, r.Namespace, r.TargetSnapshotName)
	if err != nil {
		return err
	}
	answer, err := s.csi.GetMetadataDelta(ctx, &csi.GetMetadataDeltaRequest{BaseSnapshotId: r.BaseSnapshotId, TargetSnapshotId: handle,
		StartingOffset: r.StartingOffset, MaxResults: r.MaxResults})
	if err != nil {
		return err
	}
	return relay(answer.Recv, func(m *csi.GetMetadataDeltaResponse) error {
		return stream.Send(&schema.GetMetadataDeltaResponse{BlockMetadataType: schema.BlockMetadataType(m.BlockMetadataType),
			VolumeCapacityBytes: m.VolumeCapacityBytes, BlockMetadata: ranges(m.BlockMetadata)})
	})
}

// relay passes messages on; the driver's error keeps its code.
func relay[M any](receive func() (*M, error), send func(*M) error) error {
	for {
		m, err := receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := send(m); err != nil {
			return err
		}
	}
}

func ranges(blocks []*csi.BlockMetadata) []*schema.BlockMetadata {
	var all []*schema.BlockMetadata
	for _, b := range blocks {
		all = append(all, &schema.BlockMetadata{ByteOffset: b.ByteOffset, SizeBytes: b.SizeBytes})
	}
	return all
}

// target checks the caller and returns the handle of the snapshot they name.
func (s *Server) target(ctx context.Context, token, namespace, name string) (string, error) {
	if token == "" || namespace == "" || name == "" {
		return "", status.Error(codes.InvalidArgument, "a token, a namespace and a snapshot are needed")
	}
	if err := s.allow(ctx, token, namespace); err != nil {
		return "", err
	}
	var snapshot struct {
		Status struct {
			ReadyToUse                     bool
			BoundVolumeSnapshotContentName string
		}
	}
	const group = "/apis/snapshot.storage.k8s.io/v1"
	if err := s.get(ctx, group+"/namespaces/"+url.PathEscape(namespace)+"/volumesnapshots/"+url.PathEscape(name), &snapshot); err != nil {
		return "", err
	}
	if !snapshot.Status.ReadyToUse || snapshot.Status.BoundVolumeSnapshotContentName == "" {
		return "", status.Errorf(codes.Unavailable, "snapshot %s/%s is not ready", namespace, name)
	}
	var content struct {
		Spec   struct{ Driver string }
		Status struct{ SnapshotHandle string }
	}
	if err := s.get(ctx, group+"/volumesnapshotcontents/"+snapshot.Status.BoundVolumeSnapshotContentName, &content); err != nil {
		return "", err
	}
	if content.Spec.Driver != s.driver {
		return "", status.Errorf(codes.InvalidArgument, "snapshot %s/%s is of driver %s", namespace, name, content.Spec.Driver)
	}
	if content.Status.SnapshotHandle == "" {
		return "", status.Errorf(codes.Unavailable, "snapshot %s/%s has no handle yet", namespace, name)
	}
	return content.Status.SnapshotHandle, nil
}

func (s *Server) get(ctx context.Context, path string, answer any) error {
	err := s.api.Get(ctx, path, answer)
	var failed *kubeapi.StatusError
	if errors.As(err, &failed) && failed.Code == http.StatusNotFound {
		return status.Error(codes.NotFound, failed.Error())
	}
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	return nil
}

func logStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	start := time.Now()
	err := handler(srv, stream)
	log.Printf("%s %s: %v", info.FullMethod, time.Since(start).Round(time.Millisecond), err)
	return err
}
