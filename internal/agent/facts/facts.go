// Package facts tells what a cluster and the extension in it look like, as it
// is told to the service with every claim.
package facts

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/chart"
	"holdfast.dev/holdfast/internal/clock"
)

// freshFor is how long what was read is told again without reading.
const freshFor = 30 * time.Second

// Source reads facts from a cluster. It is safe for concurrent use.
type Source struct {
	Client  kubernetes.Interface
	Version string // of this program
	Clock   clock.Clock
	Log     *slog.Logger

	mu   sync.Mutex
	last agentv1.ClusterFacts
	read time.Time
}

// Cluster returns the cluster's facts, at most 30 seconds old. While the
// cluster does not answer it returns what was last known.
func (s *Source) Cluster(ctx context.Context) agentv1.ClusterFacts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.read.IsZero() && s.Clock.Now().Sub(s.read) < freshFor {
		return s.last
	}
	fresh, err := s.collect(ctx)
	if err != nil {
		s.Log.WarnContext(ctx, "cannot read the facts of the cluster", "error", err)
		s.last.AgentVersion = s.Version
		return s.last
	}
	s.last, s.read = fresh, s.Clock.Now()
	return fresh
}

func (s *Source) collect(ctx context.Context) (agentv1.ClusterFacts, error) {
	facts := agentv1.ClusterFacts{AgentVersion: s.Version}
	version, err := s.Client.Discovery().ServerVersion()
	if err != nil {
		return facts, err
	}
	facts.KubernetesVersion = version.GitVersion
	nodes, err := s.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return facts, err
	}
	facts.Nodes = len(nodes.Items)
	for _, node := range nodes.Items {
		if architecture := node.Status.NodeInfo.Architecture; !slices.Contains(facts.Architectures, architecture) {
			facts.Architectures = append(facts.Architectures, architecture)
		}
	}
	slices.Sort(facts.Architectures)
	return facts, nil
}

// Health returns a function that tells whether the named deployments of a
// namespace are ready, and why not.
func (s *Source) Health(namespace string, deployments ...string) func(context.Context) *agentv1.Health {
	return func(ctx context.Context) *agentv1.Health {
		problems, err := chart.Problems(ctx, s.Client, namespace, deployments)
		if err != nil {
			s.Log.WarnContext(ctx, "cannot read the health of the extension", "error", err)
			return nil
		}
		return &agentv1.Health{Healthy: len(problems) == 0, Problems: problems}
	}
}
