package csi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// Options of one driver process.
type Options struct {
	Name         string // driver name, as in CSIDriver
	Node         string // node name
	Pool         string // folder on a file system that can share blocks
	Endpoint     string // path of the CSI socket
	Registration string // path of the socket kubelet finds the driver by; "" for none
	Snapshots    bool   // false: no snapshots, clones or expansion
}

// Driver answers the identity, controller, node and snapshot metadata services.
type Driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	csi.UnimplementedSnapshotMetadataServer

	options Options
	store   *Store
}

// New opens the pool. Volumes a killed driver left frozen are thawed.
func New(o Options) (*Driver, error) {
	store, err := OpenStore(o.Pool)
	if err != nil {
		return nil, fmt.Errorf("open pool %s: %w", o.Pool, err)
	}
	d := &Driver{options: o, store: store}
	return d, d.thawAll()
}

// Run serves until ctx ends.
func (d *Driver) Run(ctx context.Context) error {
	server := grpc.NewServer(grpc.UnaryInterceptor(logCall), grpc.StreamInterceptor(logStream))
	csi.RegisterIdentityServer(server, d)
	csi.RegisterControllerServer(server, d)
	csi.RegisterNodeServer(server, d)
	if d.options.Snapshots {
		csi.RegisterSnapshotMetadataServer(server, d)
	}
	failed := make(chan error, 2)
	serve := func(s *grpc.Server, path string) error {
		listener, err := listen(path)
		if err != nil {
			return err
		}
		go func() { failed <- s.Serve(listener) }()
		return nil
	}
	defer server.Stop()
	if err := serve(server, d.options.Endpoint); err != nil {
		return err
	}
	if d.options.Registration != "" {
		kubelet := grpc.NewServer()
		defer kubelet.Stop()
		registration.RegisterRegistrationServer(kubelet, registrar{name: d.options.Name, endpoint: d.options.Endpoint})
		if err := serve(kubelet, d.options.Registration); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// registrar tells kubelet where the driver is.
type registrar struct {
	registration.UnimplementedRegistrationServer
	name, endpoint string
}

func (r registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{Type: registration.CSIPlugin, Name: r.name, Endpoint: r.endpoint, SupportedVersions: []string{"1.0.0"}}, nil
}

func (r registrar) NotifyRegistrationStatus(_ context.Context, s *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !s.PluginRegistered {
		log.Printf("kubelet refused the driver: %s", s.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

func logCall(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	start := time.Now()
	response, err := handler(ctx, request)
	err = asStatus(err)
	log.Printf("%s %s: %v", info.FullMethod, time.Since(start).Round(time.Millisecond), err)
	return response, err
}

func logStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	start := time.Now()
	err := asStatus(handler(srv, stream))
	log.Printf("%s %s: %v", info.FullMethod, time.Since(start).Round(time.Millisecond), err)
	return err
}

// asStatus gives plain errors the code callers decide by.
func asStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return status.Error(codes.NotFound, err.Error())
	}
	return status.Error(codes.Internal, err.Error())
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
