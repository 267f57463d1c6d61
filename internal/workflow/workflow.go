// Package workflow carries out what the doors were asked for: one file per
// kind of work. A step reads the documents, does the next thing in one
// catalog transaction, and answers when it wants to be called again; what
// needs a cluster is posted as an operation for the programs there, whose end
// wakes the work. Every step may be repeated and may be cut off anywhere.
//
//	provider --enqueue--> step --post--> agentops --claim--> cluster
//	                        ^                                   |
//	                        +------------- wake <----finish-----+
//
// Whatever ends is ended in one transaction: job, recovery point, operation
// of the API, and the wake-up call for the work that waits behind it.
package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
)

// Enrolments issues the one-time token with which an extension's agent enrols.
type Enrolments interface {
	IssueEnrolment(tx catalog.Tx, clusterID, role string) (token string, expires time.Time, err error)
	// Prune forgets tokens that can no longer be used.
	Prune(tx catalog.Tx) error
}

// VaultStore is what gate grants call the store of the vault tier.
const VaultStore = "vault"

// Gate issues grants for repositories in the vault's store.
type Gate interface {
	Grant(grants.Grant) (agentv1.GateGrant, error)
}

// Config is what the workflow needs. Everything but VaultLimits, Claims, Regions,
// Replicas and OpenContainer is required.
type Config struct {
	Store      catalog.Store
	Clock      clock.Clock
	Log        *slog.Logger
	Bell       *agentops.Bell // rung when an operation was posted
	Keys       *keys.Ring
	Secrets    *keys.Sealer
	Enrolments Enrolments
	// StorageRoot is the store of accounts that name none, as a file:/// URL.
	StorageRoot string
	// AgentAddress is what extensions call, https://host:port; ServiceCA is the
	// PEM they trust it by.
	AgentAddress string
	ServiceCA    string
	// Vaults is the store of the vault tier, one that retries; clusters reach it
	// through the Gate only.
	Vaults objstore.Store
	Gate   Gate
	// VaultLimits bound the copying of a recovery point into the vault.
	VaultLimits agentv1.VaultLimits
	// Care says how repositories in the vault are looked after.
	Care Care
	// Schedule says how backups that are due are started.
	Schedule Schedule
	// Claims keep repositories apart from other replicas; nil where there is one.
	Claims Claims
	// Regions are those that vaults are replicated between, and Replicas the stores
	// of what is replicated into each, by name.
	Regions  backup.Regions
	Replicas map[string]objstore.Store
	// OpenContainer opens the container of a storage account; nil means location.Open.
	OpenContainer func(context.Context, location.Location) (objstore.Store, error)
}

// Workflow carries out every kind of work.
type Workflow struct {
	Config
	// ScheduleCounts counts what the schedule has started.
	ScheduleCounts ScheduleCounts
	// VaultCounts counts copies into the vault that went badly.
	VaultCounts VaultCounts

	opened    time.Time
	upkeeping slots       // of collections and verifications
	trusted   atomic.Bool // the store of the vaults was tried

	triedReplicas sync.Map // names of regions whose store was tried
	replicating   slots    // of instances
	hydrating     slots    // of restores
}

// New returns the workflow.
func New(c Config) *Workflow {
	if c.OpenContainer == nil {
		c.OpenContainer = location.Open
	}
	return &Workflow{Config: c, opened: c.Clock.Now()}
}

// Handlers lists what the job engine runs.
func (w *Workflow) Handlers() []jobs.Handler {
	return []jobs.Handler{
		w.handler(backup.WorkConfigureInstance, w.configure),
		w.handler(backup.WorkDeleteInstance, w.deleteInstance),
		w.handler(backup.WorkPurgeInstance, w.purgeInstance),
		w.handler(backup.WorkValidateBackup, w.validateBackup),
		w.handler(backup.WorkBackup, w.backup),
		w.handler(backup.WorkPlan, w.plan),
		{Kind: KindSchedule, Work: w.schedule},
		w.handler(backup.WorkDiscard, w.discard),
		w.handler(backup.WorkExpire, w.expire),
		w.handler(backup.WorkVault, w.vault),
		w.handler(backup.WorkUnvault, w.unvault),
		w.handler(backup.WorkPurge, w.purge),
		w.handler(backup.WorkPurgeContainer, w.purgeContainer),
		w.collector(),
		w.upkeeper(),
		w.replicator(),
		w.handler(backup.WorkReplicateVault, w.replicateVault),
		w.handler(backup.WorkValidateRestore, w.validateRestore),
		w.restorer(),
		w.handler(backup.WorkUnstage, w.unstage),
		w.handler(backup.WorkInstallExtension, w.installExtension),
		w.handler(backup.WorkDeleteExtension, w.deleteExtension),
		{Kind: KindHousekeeping, Work: w.housekeeping},
		{Kind: KindCare, Work: w.care},
	}
}

func (w *Workflow) handler(kind backup.WorkKind, do func(context.Context, backup.Work) (jobs.Result, error)) jobs.Handler {
	return jobs.Handler{Kind: string(kind), Work: func(ctx context.Context, args json.RawMessage) (jobs.Result, error) {
		var work backup.Work
		if err := json.Unmarshal(args, &work); err != nil {
			return jobs.Failed(fmt.Errorf("arguments of %s: %w", kind, err)), nil
		}
		return do(ctx, work)
	}}
}
