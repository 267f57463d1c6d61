package changed

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	authv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"pgregory.net/rapid"

	api "holdfast.dev/holdfast/api/snapshotmetadata"
	"holdfast.dev/holdfast/internal/volume/extent"
)

const (
	capacity = 1 << 30
	block    = 1 << 16
)

// driver is a sidecar with moods: it breaks off after some messages, and checks
// what it is asked.
type driver struct {
	api.UnimplementedSnapshotMetadataServer
	ranges  []extent.Range
	kind    api.BlockMetadataType
	perMsg  int
	breaks  int // streams that break off after one message
	asked   []int64
	refuses error
}

func (d *driver) GetMetadataAllocated(r *api.GetMetadataAllocatedRequest, stream grpc.ServerStreamingServer[api.GetMetadataAllocatedResponse]) error {
	if r.SecurityToken != "secret" || r.Namespace != "ns" || r.SnapshotName != "snap" {
		return status.Error(codes.Unauthenticated, "who?")
	}
	return d.send(r.StartingOffset, func(b []*api.BlockMetadata) error {
		return stream.Send(&api.GetMetadataAllocatedResponse{BlockMetadataType: d.kind, VolumeCapacityBytes: capacity, BlockMetadata: b})
	})
}

func (d *driver) GetMetadataDelta(r *api.GetMetadataDeltaRequest, stream grpc.ServerStreamingServer[api.GetMetadataDeltaResponse]) error {
	if r.SecurityToken != "secret" || r.TargetSnapshotName != "snap" {
		return status.Error(codes.Unauthenticated, "who?")
	}
	if r.BaseSnapshotId != "handle-1" {
		return status.Error(codes.NotFound, "no such snapshot")
	}
	return d.send(r.StartingOffset, func(b []*api.BlockMetadata) error {
		return stream.Send(&api.GetMetadataDeltaResponse{BlockMetadataType: d.kind, VolumeCapacityBytes: capacity, BlockMetadata: b})
	})
}

func (d *driver) send(from int64, send func([]*api.BlockMetadata) error) error {
	d.asked = append(d.asked, from)
	if d.refuses != nil {
		return d.refuses
	}
	var page []*api.BlockMetadata
	for _, r := range d.ranges {
		if r.End() <= from {
			continue
		}
		page = append(page, &api.BlockMetadata{ByteOffset: r.Offset, SizeBytes: r.Length})
		if len(page) == d.perMsg {
			if err := send(page); err != nil {
				return err
			}
			page = nil
			if d.breaks > 0 {
				d.breaks--
				return status.Error(codes.Unavailable, "restarting")
			}
		}
	}
	return send(page)
}

// serve makes a driver reachable.
func serve(t *testing.T, d *driver) Access {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pair := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	api.RegisterSnapshotMetadataServer(server, d)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return Access{Address: listener.Addr().String(), CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Token: "secret"}
}

var target = Snapshot{Namespace: "ns", Name: "snap", Size: capacity}

func TestListingGoesOnWhereItBroke(t *testing.T) {
	d := &driver{kind: api.BlockMetadataType_FIXED_LENGTH, perMsg: 2, breaks: 2}
	for i := range int64(7) {
		d.ranges = append(d.ranges, extent.Range{Offset: i * 3 * block, Length: block})
	}
	m, err := Allocated(t.Context(), serve(t, d), target)
	if err != nil || m.Length != capacity {
		t.Fatal(err)
	}
	if diff := cmp.Diff(extent.Of(d.ranges...), m.Ranges); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{0, 4 * block, 10 * block}, d.asked); diff != "" {
		t.Error(diff)
	}
}

func TestChanged(t *testing.T) {
	d := &driver{kind: api.BlockMetadataType_VARIABLE_LENGTH, perMsg: 10, ranges: []extent.Range{{Offset: 5, Length: 7}, {Offset: capacity - 1, Length: 1}}}
	access := serve(t, d)
	m, err := Changed(t.Context(), access, target, "handle-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(extent.Of(d.ranges...), m.Ranges); diff != "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct {
		access Access
		base   string
		want   error
	}{
		"no base":       {access, "", ErrBase},
		"base gone":     {access, "handle-0", ErrBase},
		"wrong token":   {Access{access.Address, access.CA, "other"}, "handle-1", ErrRefused},
		"no CA":         {Access{access.Address, nil, "secret"}, "handle-1", ErrNotOffered},
		"senseless CA":  {Access{access.Address, []byte("x"), "secret"}, "handle-1", ErrNotOffered},
		"no such place": {Access{"\x00", access.CA, "secret"}, "handle-1", ErrNotOffered},
	} {
		_, err := Changed(t.Context(), c.access, target, c.base)
		var reason *Unavailable
		if !errors.Is(err, c.want) || !errors.As(err, &reason) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", access, access, access); strings.Contains(text, "secret") {
		t.Errorf("a token in %q", text)
	}
}

func TestNothingChanged(t *testing.T) {
	d := &driver{kind: api.BlockMetadataType_VARIABLE_LENGTH, perMsg: 1}
	m, err := Changed(t.Context(), serve(t, d), target, "handle-1")
	if err != nil || len(m.Ranges) != 0 || m.Length != capacity {
		t.Fatalf("got %v, %v", m, err)
	}
}

func TestListingGivesUp(t *testing.T) {
	tries := 0
	l := newListing(capacity)
	l.pause = time.Millisecond
	err := l.follow(t.Context(), func(context.Context, int64) (func() (message, error), error) {
		tries++
		return nil, status.Error(codes.Internal, "driver is upset")
	})
	if !errors.Is(err, ErrBroken) || tries != maxTries || !strings.Contains(err.Error(), "driver is upset") {
		t.Errorf("%d tries: %v", tries, err)
	}
	l.silence = time.Millisecond // nothing ever comes
	err = l.follow(t.Context(), func(ctx context.Context, _ int64) (func() (message, error), error) {
		return func() (message, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}, nil
	})
	if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "nothing for") {
		t.Errorf("silence: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Allocated(ctx, serve(t, &driver{}), target); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func response(kind api.BlockMetadataType, size int64, ranges ...int64) *api.GetMetadataDeltaResponse {
	r := &api.GetMetadataDeltaResponse{BlockMetadataType: kind, VolumeCapacityBytes: size}
	for i := 0; i < len(ranges); i += 2 {
		r.BlockMetadata = append(r.BlockMetadata, &api.BlockMetadata{ByteOffset: ranges[i], SizeBytes: ranges[i+1]})
	}
	return r
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	const fixed, variable = api.BlockMetadataType_FIXED_LENGTH, api.BlockMetadataType_VARIABLE_LENGTH
	cases := map[string][]*api.GetMetadataDeltaResponse{
		"no kind":            {response(0, 100)},
		"kind changes":       {response(fixed, 100, 0, 10), response(variable, 100, 10, 10)},
		"no capacity":        {response(fixed, 0)},
		"capacity changes":   {response(fixed, 100), response(fixed, 101)},
		"negative":           {response(variable, 100, -1, 5)},
		"empty":              {response(variable, 100, 1, 0)},
		"too long":           {response(variable, 100, 90, 11)},
		"overflows":          {response(variable, 100, 90, 1<<63-1)},
		"behind the end":     {response(fixed, 100, 100, 10)},
		"overlaps":           {response(variable, 100, 0, 10, 9, 5)},
		"descends":           {response(variable, 100, 50, 10, 0, 10)},
		"overlaps later":     {response(variable, 100, 0, 10), response(variable, 100, 5, 10)},
		"fixed size changes": {response(fixed, 100, 0, 10, 10, 20)},
	}
	for name, messages := range cases {
		l := newListing(100)
		var err error
		for _, m := range messages {
			if err == nil {
				err = l.add(m, 0)
			}
		}
		if !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	l := newListing(100)
	if err := l.add(response(fixed, 95, 0, 10, 90, 10), 0); err != nil || l.result().Length != 95 {
		t.Errorf("a last block that reaches over the end: %v", err)
	}
}

// TestAnyCutIsTheSameListing cuts a list into messages, breaks it off and has
// it begin anew anywhere.
func TestAnyCutIsTheSameListing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []extent.Range
		for at := int64(0); len(want) < rapid.IntRange(0, 20).Draw(t, "ranges") && at < capacity; {
			r := extent.Range{Offset: at + rapid.Int64Range(0, 3).Draw(t, "gap")*grain, Length: rapid.Int64Range(1, 4*grain).Draw(t, "length")}
			want = append(want, r)
			at = r.End()
		}
		l := newListing(capacity)
		l.pause = 0
		err := l.follow(context.Background(), func(_ context.Context, from int64) (func() (message, error), error) {
			rest := want
			for len(rest) > 0 && rest[0].End() <= from {
				rest = rest[1:]
			}
			left := rapid.IntRange(1, 8).Draw(t, "before it breaks")
			return func() (message, error) {
				if len(rest) == 0 {
					return nil, io.EOF
				}
				if left--; left < 0 {
					return nil, status.Error(codes.Unavailable, "broken")
				}
				r := rest[0]
				rest = rest[1:]
				return response(api.BlockMetadataType_VARIABLE_LENGTH, capacity, r.Offset, r.Length), nil
			}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if lost := extent.Of(want...).Subtract(l.result().Ranges); len(lost) > 0 {
			t.Fatalf("lost %v", lost)
		}
	})
}

func TestFind(t *testing.T) {
	object := map[string]any{"spec": map[string]any{"audience": "aud", "address": "host:1", "caCert": []byte("ca")}}
	objects := map[string]any{
		"/apis/cbt.storage.k8s.io/v1beta1/snapshotmetadataservices/new":   object,
		"/apis/cbt.storage.k8s.io/v1alpha1/snapshotmetadataservices/old":  object,
		"/apis/cbt.storage.k8s.io/v1beta1/snapshotmetadataservices/empty": map[string]any{},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost && r.URL.Path == "/api/v1/namespaces/holdfast/serviceaccounts/mover/token" {
			var request authv1.TokenRequest
			if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.Spec.Audiences[0] != "aud" || *request.Spec.ExpirationSeconds != 3600 {
				http.Error(w, "no", http.StatusBadRequest)
				return
			}
			request.Status.Token = "token"
			json.NewEncoder(w).Encode(request)
			return
		}
		o, ok := objects[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		json.NewEncoder(w).Encode(o)
	}))
	defer server.Close()
	kube, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	mover := types.NamespacedName{Namespace: "holdfast", Name: "mover"}
	for _, driver := range []string{"new", "old"} {
		got, err := Find(t.Context(), kube, driver, mover)
		if diff := cmp.Diff(Access{Address: "host:1", CA: []byte("ca"), Token: "token"}, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", driver, err, diff)
		}
	}
	for _, driver := range []string{"none", "empty"} {
		if _, err := Find(t.Context(), kube, driver, mover); !errors.Is(err, ErrNotOffered) {
			t.Errorf("%s: %v", driver, err)
		}
	}
	if _, err := Find(t.Context(), kube, "new", types.NamespacedName{Namespace: "holdfast", Name: "none"}); !errors.Is(err, ErrRefused) {
		t.Errorf("no account: %v", err)
	}
	server.Close()
	if _, err := Find(t.Context(), kube, "new", mover); !errors.Is(err, ErrBroken) {
		t.Errorf("no API server: %v", err)
	}
}
