// Package restore brings the objects of a recovery point back into a cluster.
//
//	source ──> archive (facts in memory, objects in a sealed spool)
//	              │
//	cluster ──> live          Plan: pure, every object gets an action and a reason
//	              └──────┬───────┘
//	                     v
//	   stages in order: namespaces · definitions · policies · accounts · access ·
//	   bindings · volumes (filled and bound) · network · custom resources · workloads ·
//	   limits · rest · ingress · gates
//	                     v
//	   once more what was refused · owners linked to new UIDs · CronJobs resumed
//	                     v
//	   one result line per object, warnings
//
// Everything may be killed at any moment and is started again from the top.
// There is no ledger: what an interrupted run created is recognized by its
// field manager and creation time, so the second run ends with the result that
// the first would have had.
//
// Objects are created with a plain create, which says atomically whether the
// object was there already; conflict policy Patch sends a merge patch of the
// mutable fields that differ. Neither ever deletes an object.
package restore

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
)

// Deps is what a Restorer works with.
type Deps struct {
	Config       *rest.Config // of the cluster to restore into; its rate limits are not used
	Clock        clock.Clock
	TempDir      string // for the spool; empty means the system's
	OwnNamespace string // the extension's namespace, never restored
}

// Patience says how long parts of a restore are waited for. The zero value of
// a field means its default.
type Patience struct {
	Volume     time.Duration // one claim to be filled and bound; 30 min
	Definition time.Duration // a definition to be served; 1 min
	Namespace  time.Duration // a namespace being deleted to be gone; 5 min
	Refused    time.Duration // objects refused for a reason that may pass; 2 min
	Helpers    time.Duration // helper objects to be gone; 30 s
	Poll       time.Duration // between two looks; 500 ms
}

func (p Patience) orDefault() Patience {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&p.Volume, 30*time.Minute)
	set(&p.Definition, time.Minute)
	set(&p.Namespace, 5*time.Minute)
	set(&p.Refused, 2*time.Minute)
	set(&p.Helpers, 30*time.Second)
	set(&p.Poll, 500*time.Millisecond)
	return p
}

// Run is one restore.
type Run struct {
	ID     string // of the operation: the same for every attempt
	Spec   agentv1.Restore
	DryRun bool // plan only
	Source Source
	// Volumes is what the recovery point's manifest says of its volumes.
	Volumes []agentv1.Volume
	// Loader brings the data of volumes that are streams; nil when there are none.
	Loader Loader
	// Since is when the run's custom resource was created, by the API server's
	// clock: what is newer and bears our name, this run made.
	Since time.Time
}

// Restorer carries out restores. It is safe for concurrent use.
type Restorer struct {
	deps     Deps
	patience Patience
	cluster  *cluster
}

// New returns a Restorer; an error means that the configuration makes no client.
func New(deps Deps, patience Patience) (*Restorer, error) {
	c, err := newCluster(deps.Config)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return &Restorer{deps: deps, patience: patience.orDefault(), cluster: c}, nil
}

// Run restores and returns what became of each object. It may be called again
// with the same run after any interruption. An error means that the restore
// did not come to its end; objects that could not be restored are in the
// result, not an error. report is called from many goroutines, never at the
// same time.
func (r *Restorer) Run(ctx context.Context, run Run, report func(agentv1.Progress)) (agentv1.RestoreResult, []agentv1.Warning, error) {
	archive, err := readArchive(ctx, run, r.deps.TempDir)
	if err != nil {
		return agentv1.RestoreResult{}, nil, err
	}
	defer archive.Close()
	w, err := newWork(r, run, archive, report)
	if err != nil {
		return agentv1.RestoreResult{}, nil, err
	}
	if err := w.plan(ctx); err != nil {
		return agentv1.RestoreResult{}, nil, err
	}
	if run.DryRun {
		result, warnings := w.tally.foretold(w.stages)
		return result, warnings, nil
	}
	err = w.carryOut(ctx)
	result, warnings := w.tally.result(w.stages)
	return result, warnings, err
}

// Clean removes what a restore made for its own help: snapshots that claims
// were filled from. The stored snapshots themselves stay. It may be called at
// any time after Run, also when there is nothing to remove.
func (r *Restorer) Clean(ctx context.Context, operationID string) error {
	return r.cleanHelpers(ctx, operationID)
}
