package facts_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/facts"
	"holdfast.dev/holdfast/internal/chart"
	"holdfast.dev/holdfast/internal/clock"
)

func node(name, architecture string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Status.NodeInfo.Architecture = architecture
	return n
}

func TestCluster(t *testing.T) {
	cluster := fake.NewClientset(node("a", "arm64"), node("b", "amd64"), node("c", "amd64"))
	cluster.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{GitVersion: "v1.37.2"}
	tick := clock.NewManual(time.Now())
	source := &facts.Source{Client: cluster, Version: "0.1.0", Clock: tick, Log: slog.New(slog.DiscardHandler)}
	want := agentv1.ClusterFacts{KubernetesVersion: "v1.37.2", Nodes: 3, Architectures: []string{"amd64", "arm64"}, AgentVersion: "0.1.0"}
	if diff := cmp.Diff(want, source.Cluster(t.Context())); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	cluster.PrependReactor("list", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("etcd is away")
	})
	tick.Advance(time.Hour)
	if diff := cmp.Diff(want, source.Cluster(t.Context())); diff != "" {
		t.Errorf("facts while the cluster is away (-want +got):\n%s", diff)
	}
}

func TestHealthNamesWhatIsMissing(t *testing.T) {
	source := &facts.Source{Client: fake.NewClientset(), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)}
	got := source.Health("holdfast", "holdfast-controller")(t.Context())
	if got.Healthy || len(got.Problems) != 1 || got.Problems[0].Code != chart.CodeMissing {
		t.Errorf("health %+v", got)
	}
}
