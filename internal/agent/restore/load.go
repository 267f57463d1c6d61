package restore

import (
	"context"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Load is one claim whose data is a stream of the recovery point.
type Load struct {
	Claim  Ref
	Volume agentv1.Volume
	Node   string // where the volume must be reachable; empty for anywhere
}

// Loader makes volumes with the data of streams. The claim names the volume
// before it exists and waits for it; so no controller can start with an empty
// one.
type Loader interface {
	// VolumeName is the name of the persistent volume that Load makes for a
	// claim: the same for every attempt, and another for another operation.
	VolumeName(claim Ref) string
	// Load makes the volume and reserves it for the claim, which exists. It may
	// be repeated after any interruption.
	Load(ctx context.Context, load Load, report func(agentv1.Progress)) error
}
