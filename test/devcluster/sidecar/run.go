// Package sidecar serves the Kubernetes SnapshotMetadata API (KEP-3314) for a
// storage driver: it asks the API server who is calling and whether they may,
// finds the snapshots they name, and passes the driver's answer on.
package sidecar

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"holdfast.dev/holdfast/test/devcluster/kubeapi"
	schema "holdfast.dev/holdfast/test/devcluster/sidecar/schema"
)

// Options of one sidecar process.
type Options struct {
	Driver string // name of the storage driver; also the audience of tokens
	Socket string // path of the driver's socket
	PKI    string // folder with the administrator's certificate
	API    string // URL of the API server
	Listen string // IP address and port
}

// Run makes a certificate, announces the service and serves until ctx ends.
func Run(ctx context.Context, o Options) error {
	api, err := kubeapi.New(o.PKI, o.API)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("unix://"+o.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return err
	}
	certificate, authority, err := newCertificate(host)
	if err != nil {
		return err
	}
	if err := announce(ctx, api, o, authority); err != nil {
		return fmt.Errorf("announce the service: %w", err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}})),
		grpc.StreamInterceptor(logStream))
	schema.RegisterSnapshotMetadataServer(server, &Server{api: api, driver: o.Driver, csi: csi.NewSnapshotMetadataClient(conn)})
	defer context.AfterFunc(ctx, server.Stop)()
	return server.Serve(listener)
}

// announce makes the object by which clients find the service. The authority is
// new with every start.
func announce(ctx context.Context, api *kubeapi.Client, o Options, authority []byte) error {
	return api.Apply(ctx, "/apis/cbt.storage.k8s.io/v1beta1/snapshotmetadataservices/"+o.Driver, map[string]any{
		"apiVersion": "cbt.storage.k8s.io/v1beta1", "kind": "SnapshotMetadataService", "metadata": map[string]string{"name": o.Driver},
		"spec": map[string]any{"address": o.Listen, "audience": o.Driver, "caCert": authority}})
}
