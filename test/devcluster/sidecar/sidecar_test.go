package sidecar

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"holdfast.dev/holdfast/test/devcluster/pki"
	schema "holdfast.dev/holdfast/test/devcluster/sidecar/schema"
)

// driver knows two snapshots of one volume.
type driver struct {
	csi.UnimplementedSnapshotMetadataServer
}

func (driver) GetMetadataDelta(r *csi.GetMetadataDeltaRequest, stream csi.SnapshotMetadata_GetMetadataDeltaServer) error {
	if r.BaseSnapshotId != "snap-1" || r.TargetSnapshotId != "snap-2" {
		return status.Error(codes.NotFound, "no such snapshot")
	}
	return stream.Send(&csi.GetMetadataDeltaResponse{BlockMetadataType: csi.BlockMetadataType_VARIABLE_LENGTH, VolumeCapacityBytes: 100,
		BlockMetadata: []*csi.BlockMetadata{{ByteOffset: r.StartingOffset, SizeBytes: 7}}})
}

// cluster is an API server that knows one user and what it is asked here.
func cluster(t *testing.T) (o Options, announced chan []byte) {
	t.Helper()
	o.PKI = filepath.Join(t.TempDir(), "pki")
	if err := (pki.Cluster{Name: "x", Node: "x-node", NodeAddress: "127.0.0.1"}).Write(o.PKI); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(o.PKI, "apiserver.crt"), filepath.Join(o.PKI, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	announced = make(chan []byte, 1)
	const snapshots = "/apis/snapshot.storage.k8s.io/v1/"
	answers := map[string]string{
		snapshots + "namespaces/ns/volumesnapshots/two":     `{"status":{"readyToUse":true,"boundVolumeSnapshotContentName":"c2"}}`,
		snapshots + "namespaces/ns/volumesnapshots/young":   `{"status":{"readyToUse":false}}`,
		snapshots + "namespaces/ns/volumesnapshots/foreign": `{"status":{"readyToUse":true,"boundVolumeSnapshotContentName":"c3"}}`,
		snapshots + "volumesnapshotcontents/c2":             `{"spec":{"driver":"d"},"status":{"snapshotHandle":"snap-2"}}`,
		snapshots + "volumesnapshotcontents/c3":             `{"spec":{"driver":"other"},"status":{"snapshotHandle":"snap-3"}}`,
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Method == http.MethodPatch:
			announced <- body
			w.Write([]byte("{}"))
		case strings.HasSuffix(r.URL.Path, "/tokenreviews"):
			known := strings.Contains(string(body), `"token":"good"`) || strings.Contains(string(body), `"token":"weak"`)
			name := "nobody"
			if strings.Contains(string(body), "good") {
				name = "mover"
			}
			json.NewEncoder(w).Encode(map[string]any{"status": map[string]any{"authenticated": known, "audiences": []string{"d"}, "user": map[string]string{"username": name}}})
		case strings.HasSuffix(r.URL.Path, "/subjectaccessreviews"):
			json.NewEncoder(w).Encode(map[string]any{"status": map[string]any{"allowed": strings.Contains(string(body), `"user":"mover"`)}})
		case answers[r.URL.Path] != "":
			io.WriteString(w, answers[r.URL.Path])
		default:
			http.NotFound(w, r)
		}
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	o.API, o.Driver = s.URL, "d"
	return o, announced
}

// start runs the sidecar and returns a client that goes by what it announced.
func start(t *testing.T) schema.SnapshotMetadataClient {
	t.Helper()
	o, announced := cluster(t)
	o.Socket = filepath.Join(t.TempDir(), "csi.sock")
	socket, err := net.Listen("unix", o.Socket)
	if err != nil {
		t.Fatal(err)
	}
	plugin := grpc.NewServer()
	csi.RegisterSnapshotMetadataServer(plugin, driver{})
	go plugin.Serve(socket)
	t.Cleanup(plugin.Stop)
	// An address that nobody else uses: so nobody takes the port meanwhile.
	free, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Listen = free.Addr().String()
	free.Close()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	t.Cleanup(func() { stop(); <-ended })
	var object struct {
		Spec struct {
			Address, Audience string
			CACert            []byte
		}
	}
	select {
	case text := <-announced:
		if err := json.Unmarshal(text, &object); err != nil || object.Spec.Audience != "d" {
			t.Fatalf("%s: %v", text, err)
		}
	case err := <-ended:
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(object.Spec.CACert) {
		t.Fatal("no CA")
	}
	conn, err := grpc.NewClient(object.Spec.Address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return schema.NewSnapshotMetadataClient(conn)
}

func TestOnlyWhoMayIsToldWhatTheDriverKnows(t *testing.T) {
	client := start(t)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	cases := map[string]struct {
		token, base, target string
		want                codes.Code
	}{
		"all right":           {"good", "snap-1", "two", codes.OK},
		"unknown base":        {"good", "snap-0", "two", codes.NotFound},
		"no base":             {"good", "", "two", codes.InvalidArgument},
		"no token":            {"", "snap-1", "two", codes.InvalidArgument},
		"bad token":           {"bad", "snap-1", "two", codes.Unauthenticated},
		"no right":            {"weak", "snap-1", "two", codes.PermissionDenied},
		"no such snapshot":    {"good", "snap-1", "none", codes.NotFound},
		"not ready":           {"good", "snap-1", "young", codes.Unavailable},
		"of another driver":   {"good", "snap-1", "foreign", codes.InvalidArgument},
		"outside its folder":  {"good", "snap-1", "../volumesnapshots/two", codes.NotFound},
		"driver cannot do it": {"good", "allocated", "two", codes.Unimplemented},
	}
	for name, c := range cases {
		var err error
		if c.base == "allocated" {
			var stream grpc.ServerStreamingClient[schema.GetMetadataAllocatedResponse]
			if stream, err = client.GetMetadataAllocated(ctx, &schema.GetMetadataAllocatedRequest{SecurityToken: c.token, Namespace: "ns", SnapshotName: c.target}); err == nil {
				_, err = stream.Recv()
			}
		} else {
			stream, e := client.GetMetadataDelta(ctx, &schema.GetMetadataDeltaRequest{SecurityToken: c.token, Namespace: "ns",
				BaseSnapshotId: c.base, TargetSnapshotName: c.target, StartingOffset: 5})
			if err = e; err == nil {
				var m *schema.GetMetadataDeltaResponse
				if m, err = stream.Recv(); err == nil && (m.VolumeCapacityBytes != 100 || m.BlockMetadataType != schema.BlockMetadataType_VARIABLE_LENGTH ||
					m.BlockMetadata[0].ByteOffset != 5 || m.BlockMetadata[0].SizeBytes != 7) {
					t.Errorf("%s: got %v", name, m)
				}
			}
		}
		if status.Code(err) != c.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
