package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/operations"
	"holdfast.dev/holdfast/internal/workflow"
)

const (
	group     = "/subscriptions/S/resourceGroups/rg"
	clusterID = group + "/providers/Microsoft.ContainerService/managedClusters/c1"
	otherID   = group + "/providers/Microsoft.ContainerService/managedClusters/c2"
	accountID = group + "/providers/Microsoft.Storage/storageAccounts/acct"
	extID     = clusterID + "/providers/Microsoft.KubernetesConfiguration/extensions/ext"
	vaultID   = group + "/providers/Microsoft.DataProtection/backupVaults/v1"
	policyID  = vaultID + "/backupPolicies/p1"
	instID    = vaultID + "/backupInstances/i1"
	uid       = "0123456789abcdef0123456789abcdef"
	vaultUID  = "fedcba9876543210fedcba9876543210"
	vaultAt   = "vaults/" + vaultUID + "/" + uid + "/"
	pointID   = "84231923703f467e8825cd194927de55"
)

var begin = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// world is the workflow over an in-memory catalog, with the test in the roles
// of doors, job engine and cluster.
type world struct {
	t     testing.TB
	store *catalogtest.Memory
	face  catalog.Store // what the workflow sees of store
	clock *clock.Manual
	root  string
	cave  objstore.Store // of the vaults
	care  workflow.Care
	// limits of what the schedule starts
	limits workflow.Schedule
	gate   *grants.Issuer
	ring   *keys.Ring
	seal   *keys.Sealer
	flow   *workflow.Workflow
	queue  []catalog.Job
	// answer is what the cluster does with an operation; nil lets it succeed.
	answer func(agentv1.Operation) agentv1.FinishRequest
	asked  map[string]int // how often each operation was handed out
	// expires lets recovery points expire.
	expires bool
	// clusterAway lets no cluster take up anything.
	clusterAway bool
	// bucket opens containers; nil for the way it is really done.
	bucket func(context.Context, location.Location) (objstore.Store, error)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, store: catalogtest.NewMemory(), clock: clock.NewManual(begin), root: t.TempDir(), asked: map[string]int{}}
	w.face = w.store
	provider, err := keys.OpenFile(filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	w.ring, w.seal = keys.NewRing(w.store, provider), keys.NewSealer(provider)
	w.cave = &objstoretest.Memory{}
	w.gate, err = grants.NewIssuer(grants.Config{Keys: []grants.Key{{ID: "k", Secret: make([]byte, 32)}}, Clock: w.clock, URL: "https://service:8444"})
	if err != nil {
		t.Fatal(err)
	}
	w.revive()
	if err := os.MkdirAll(filepath.Join(w.root, "acct", "box"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.update(w.furnish)
	return w
}

// revive starts the workflow anew, as a restarted service would.
func (w *world) revive() {
	config := workflow.Config{
		Store: w.face, Clock: w.clock, Log: slog.New(slog.DiscardHandler), Bell: &agentops.Bell{}, Keys: w.ring,
		Secrets: w.seal, Enrolments: tokens{}, StorageRoot: "file://" + w.root, AgentAddress: "https://service:8444", ServiceCA: "PEM",
		Vaults: w.cave, Gate: w.gate, VaultLimits: agentv1.VaultLimits{Volumes: 7}, Care: w.care, Schedule: w.limits,
		OpenContainer: w.openBucket,
	}
	if w.flow != nil { // what a test has set of another region stays
		config.Regions, config.Replicas = w.flow.Regions, w.flow.Replicas
	}
	w.flow = workflow.New(config)
}

func (w *world) openBucket(ctx context.Context, l location.Location) (objstore.Store, error) {
	if w.bucket != nil {
		return w.bucket(ctx, l)
	}
	return location.Open(ctx, l)
}

type tokens struct{}

func (tokens) IssueEnrolment(_ catalog.Tx, clusterID, role string) (string, time.Time, error) {
	return "token of " + role, begin.Add(time.Hour), nil
}

func (tokens) Prune(catalog.Tx) error { return nil }

func (w *world) update(fn func(catalog.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// furnish writes everything a protected instance needs.
func (w *world) furnish(tx catalog.Tx) error {
	days := "P7D"
	at := func(id string) backup.Meta {
		return backup.Meta{ID: id, Location: "here", State: backup.StateSucceeded}
	}
	return errors.Join(
		inventory.Subscriptions.Put(tx, &inventory.Subscription{Meta: at("/subscriptions/S")}),
		inventory.ResourceGroups.Put(tx, &inventory.ResourceGroup{Meta: at(group)}),
		inventory.Clusters.Put(tx, &backup.Cluster{Meta: at(clusterID), Identity: backup.Identity{Type: backup.IdentitySystem, PrincipalID: "cluster"}}),
		inventory.Accounts.Put(tx, &backup.StorageAccount{Meta: at(accountID), SKU: "Standard_LRS", Kind: "StorageV2"}),
		inventory.Containers.Put(tx, &backup.Container{Meta: at(backup.ContainerID(accountID, "box"))}),
		inventory.Extensions.Put(tx, &backup.Extension{Meta: at(extID), Type: backup.ExtensionType, ClusterPrincipal: "extension",
			Settings: map[string]string{"blobContainer": "box", "storageAccount": "acct", "storageAccountResourceGroup": "rg", "storageAccountSubscriptionId": "S"}}),
		inventory.Connections.Put(tx, &backup.Connection{Meta: backup.Meta{ID: backup.ConnectionID(clusterID, backup.RoleExtension)},
			Role: backup.RoleExtension, LastSeen: begin, Health: &backup.Health{Healthy: true}}),
		inventory.Vaults.Put(tx, &backup.Vault{Meta: at(vaultID), UID: vaultUID, Identity: backup.Identity{Type: backup.IdentitySystem, PrincipalID: "vault"}}),
		inventory.Policies.Put(tx, &backup.Policy{Meta: at(policyID), Rules: []backup.Rule{{Name: "Default", Retention: &backup.RetentionRule{
			IsDefault: true, Lifecycles: []backup.Lifecycle{{Source: backup.TierOperational, DeleteAfter: days}}}}}}),
		inventory.Bindings.Put(tx, &backup.TrustedAccessBinding{Meta: at(clusterID + "/trustedAccessRoleBindings/b"),
			SourceID: vaultID, Roles: []string{backup.BackupOperatorRole}}),
		w.assign(tx, "vault"), w.assign(tx, "cluster"), w.assign(tx, "extension"),
		inventory.Instances.Put(tx, &backup.Instance{Meta: at(instID), UID: uid, PolicyID: policyID, SnapshotGroupID: group,
			Datasource: backup.Datasource{ID: clusterID, Type: backup.DatasourceAKS}, Protection: backup.ProtectionConfigured}),
	)
}

// assign gives a principal every right, by roles over everything.
func (w *world) assign(tx catalog.Tx, principal string) error {
	var all error
	for _, name := range []string{access.RoleOwner, access.RoleStorageBlobDataContrib} {
		all = errors.Join(all, w.assignRole(tx, principal, name))
	}
	return all
}

func (w *world) assignRole(tx catalog.Tx, principal, name string) error {
	role, ok := access.RoleByName(name)
	if !ok {
		return fmt.Errorf("no role %s", name)
	}
	return inventory.RoleAssignments.Put(tx, &inventory.RoleAssignment{
		Meta:  backup.Meta{ID: "/providers/Microsoft.Authorization/roleAssignments/" + principal + role.ID},
		Scope: "/", RoleID: role.ID, PrincipalID: principal, PrincipalType: access.ServicePrincipal})
}

// operation starts an operation of the API and returns its id.
func (w *world) operation(tx catalog.Tx, id string) error {
	_, err := operations.Start(tx, w.clock.Now(), operations.Record{ID: id, Resource: instID})
	return err
}

// startJob writes a job as the doors would and enqueues its work.
func (w *world) startJob(name string, kind backup.JobKind) *backup.Job {
	w.t.Helper()
	job := &backup.Job{Meta: backup.Meta{ID: vaultID + "/backupJobs/" + name}, InstanceID: instID, PolicyID: policyID,
		Datasource: backup.Datasource{ID: clusterID}, Kind: kind, Status: backup.JobInProgress, Started: w.clock.Now(),
		OperationID: "op-" + name, RecoveryPointID: pointID, Tasks: []backup.Task{{Name: "Trigger", Status: backup.JobInProgress}}}
	work := backup.Work{Kind: backup.WorkBackup, Subject: job.ID, OperationID: job.OperationID}
	if kind == backup.JobRestore {
		work.Kind = backup.WorkRestore
		job.Restore = &backup.RestoreRequest{RecoveryPointID: pointID, Tier: backup.TierOperational, Target: backup.Datasource{ID: clusterID},
			ConflictPolicy: backup.ConflictSkip, VolumeMode: backup.WithVolumeData}
	}
	w.update(func(tx catalog.Tx) error {
		return errors.Join(w.operation(tx, job.OperationID), inventory.Jobs.Put(tx, job), inventory.Enqueue(tx, work))
	})
	return job
}

// addPoint enters a recovery point as if a backup had made it.
func (w *world) addPoint() {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		return inventory.RecoveryPoints.Put(tx, &backup.RecoveryPoint{Meta: backup.Meta{ID: instID + "/recoveryPoints/" + pointID},
			Stores: []backup.RecoveryStore{{Tier: backup.TierOperational, ContainerID: backup.ContainerID(accountID, "box"), Prefix: "repositories/" + uid + "/"}}})
	})
	if _, err := w.ring.Ensure(context.Background(), uid); err != nil {
		w.t.Fatal(err)
	}
}

// turns lets job engine and cluster take turns until there is nothing to do
// or until is true. Steps that fail are taken again, as the engine does.
func (w *world) turns(until func() bool) {
	w.t.Helper()
	for range 60 {
		w.queue = append(w.queue, w.store.TakeJobs()...)
		if until() {
			return
		}
		queue := w.queue
		w.queue = nil
		for _, job := range queue {
			if w.step(job) {
				w.queue = append(w.queue, job)
			}
		}
		w.claimAll()
		w.clock.Advance(time.Second)
	}
	w.t.Fatal("no end after 60 turns")
}

// step runs one step and says whether the job goes on. A panic is a killed
// process: the job is taken up again.
func (w *world) step(job catalog.Job) (again bool) {
	if job.Kind == string(backup.WorkExpire) && !w.expires {
		return false // it never ends, so only those who ask for it see it
	}
	defer func() {
		if killed := recover(); killed != nil {
			if err, ok := killed.(error); !ok || !errors.Is(err, errKilled) {
				panic(killed)
			}
			w.revive()
			again = true
		}
	}()
	for _, handler := range w.flow.Handlers() {
		if handler.Kind == job.Kind {
			if job.NotBefore.After(w.clock.Now()) {
				return true
			}
			result, err := handler.Work(context.Background(), job.Args)
			return err != nil || result != jobs.Done()
		}
	}
	w.t.Fatalf("no handler for %s", job.Kind)
	return false
}

// claimAll plays the programs in the cluster.
func (w *world) claimAll() {
	w.t.Helper()
	if w.clusterAway {
		return
	}
	for _, line := range []string{agentops.Line(clusterID, agentv1.RoleConnector), agentops.Line(clusterID, agentv1.RoleExtension),
		agentops.Line(otherID, agentv1.RoleExtension)} {
		for w.claimOne(line) {
		}
	}
}

func (w *world) claimOne(line string) bool {
	w.t.Helper()
	var o agentops.Operation
	var token string
	var found bool
	w.update(func(tx catalog.Tx) (err error) {
		o, token, found, err = agentops.Claim(tx, w.clock.Now(), line)
		return err
	})
	if !found {
		return false
	}
	w.asked[o.ID]++
	spec, err := w.flow.Complete(context.Background(), o)
	request := succeed(agentv1.Operation{ID: o.ID, Kind: o.Kind, Spec: spec})
	if w.answer != nil && err == nil {
		request = w.answer(agentv1.Operation{ID: o.ID, Kind: o.Kind, Spec: spec})
	}
	var problem *agentv1.Problem
	if errors.As(err, &problem) {
		request = agentv1.FinishRequest{Outcome: agentv1.OutcomeFailed, Problem: problem}
	} else if err != nil {
		w.t.Fatalf("complete %s: %v", o.Kind, err)
	}
	if request.Outcome == "" { // the cluster keeps it and is not heard of again
		return true
	}
	request.LeaseToken = token
	w.update(func(tx catalog.Tx) error { return agentops.Finish(tx, w.clock.Now(), o.ID, request) })
	return true
}

// succeed is a cluster in which everything works.
func succeed(o agentv1.Operation) agentv1.FinishRequest {
	var value any = struct{}{}
	switch o.Kind {
	case agentv1.KindBackup, agentv1.KindVault:
		value = agentv1.BackupResult{RecoveryPointID: pointID, CutAt: begin, Objects: 3, BytesStored: 42, Namespaces: []string{"shop"}}
	case agentv1.KindRestore:
		value = agentv1.RestoreResult{Created: 3}
	case agentv1.KindInstallExtension:
		value = agentv1.ExtensionResult{Version: "0.1.0"}
	}
	result, _ := json.Marshal(value)
	return agentv1.FinishRequest{Outcome: agentv1.OutcomeSucceeded, Result: result}
}

func (w *world) record(id string) (r operations.Record) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) { r, err = operations.Get(tx, id); return err })
	return r
}

func (w *world) job(id string) (j *backup.Job) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) { j, err = inventory.Jobs.Get(tx, id); return err })
	return j
}

func (w *world) points() (points []backup.RecoveryPoint) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) { points, err = inventory.RecoveryPoints.Below(tx, instID); return err })
	return points
}

// instance is the instance as stored, nil when it is gone.
func (w *world) instance() (i *backup.Instance) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) {
		if i, err = inventory.Instances.Get(tx, instID); errors.Is(err, catalog.ErrNotFound) {
			i, err = nil, nil
		}
		return err
	})
	return i
}

func (w *world) view(fn func(catalog.Tx) error) {
	w.t.Helper()
	if err := w.store.View(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// ended says whether an operation of the API has ended.
func (w *world) ended(id string) func() bool {
	return func() bool { return w.record(id).Status.Terminal() }
}

// heard lets the extension of a cluster be heard of now, as it is with every call.
func (w *world) heard(cluster string) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		id := backup.ConnectionID(cluster, backup.RoleExtension)
		c, err := inventory.Connections.Get(tx, id)
		if errors.Is(err, catalog.ErrNotFound) {
			c, err = &backup.Connection{Meta: backup.Meta{ID: id}, Role: backup.RoleExtension, Health: &backup.Health{Healthy: true}}, nil
		}
		if err != nil {
			return err
		}
		c.LastSeen = w.clock.Now()
		return inventory.Connections.Put(tx, c)
	})
}
