package stand

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// StartCluster brings up the stand's own cluster, or uses the given one.
func (s *Stand) StartCluster(ctx context.Context) error {
	if s.External {
		return s.checkExternal()
	}
	if _, err := s.Devcluster(ctx, "up", "--name", s.Name); err != nil {
		return err
	}
	path, err := s.Devcluster(ctx, "kubeconfig", "--name", s.Name)
	if err != nil {
		return err
	}
	host, err := s.Devcluster(ctx, "host-address", "--name", s.Name)
	if err != nil {
		return err
	}
	s.Kubeconfig, s.Host = strings.TrimSpace(path), strings.TrimSpace(host)
	return nil
}

func (s *Stand) checkExternal() error {
	if _, err := os.Stat(s.Kubeconfig); err != nil {
		return fmt.Errorf("KUBECONFIG: %w", err)
	}
	if s.Host == "" {
		return fmt.Errorf("with a cluster of your own, say at which address its pods reach this machine: HOLDFAST_HOST=ADDRESS make demo")
	}
	return nil
}

// LoadImages puts images into the cluster. A cluster of somebody else's must
// have them already.
func (s *Stand) LoadImages(ctx context.Context, archives ...string) error {
	if s.External {
		return nil
	}
	for _, a := range archives {
		if _, err := s.Devcluster(ctx, "load-image", a, "--name", s.Name); err != nil {
			return err
		}
	}
	return nil
}

// StopCluster removes the stand's own cluster.
func (s *Stand) StopCluster(ctx context.Context) error {
	if s.External {
		return nil
	}
	_, err := s.Devcluster(ctx, "down", "--name", s.Name)
	return err
}
