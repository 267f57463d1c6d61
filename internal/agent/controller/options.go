package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/movers"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore"
)

// Options is what a controller needs besides a cluster.
type Options struct {
	Namespace string // the extension's own, where run objects live
	// Location gives the extension's storage location; asked anew for each run.
	Location func() (agentv1.StorageLocation, error)
	// Open opens a storage location.
	Open  func(ctx context.Context, location agentv1.StorageLocation) (objstore.Store, error)
	Clock clock.Clock
	Log   *slog.Logger
	// TempDir holds what does not fit in memory; empty means the system's.
	TempDir string
	// SnapshotPatience is how long one volume may take to be cut, and again to be
	// ready; zero means snapshot.DefaultPatience.
	SnapshotPatience time.Duration
	// MoverPod says what the pods of movers have of the controller's own.
	MoverPod func(ctx context.Context) (movers.Template, error)
	// MoverLimits bound how many movers run at the same time, over all operations.
	MoverLimits movers.Limits
	// LeaderElection makes one of several replicas work. Off only in tests.
	LeaderElection bool
	// HealthAddress serves /healthz and /readyz, such as ":8081"; empty serves nothing.
	HealthAddress string
}

// LocationFile reads the storage location, as JSON, from a file: the mounted
// Secret of the extension.
func LocationFile(path string) func() (agentv1.StorageLocation, error) {
	return func() (agentv1.StorageLocation, error) {
		var location agentv1.StorageLocation
		raw, err := os.ReadFile(path)
		if err != nil {
			return location, fmt.Errorf("read storage location: %w", err)
		}
		if err := json.Unmarshal(raw, &location); err != nil {
			// The file holds a key, so the error must not quote it.
			return location, fmt.Errorf("read storage location: %s is not valid JSON", path)
		}
		return location, nil
	}
}
