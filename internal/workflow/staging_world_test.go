package workflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/workflow"
)

const (
	stagingGroup   = "/subscriptions/S/resourceGroups/staging"
	stagingAccount = stagingGroup + "/providers/Microsoft.Storage/storageAccounts/stg"
	stagingBox     = stagingAccount + "/blobServices/default/containers/holdfast-staging"
)

// newStagedWorld is a vault world with a recovery point in the vault, and places for
// staging.
func newStagedWorld(t testing.TB) *world {
	w := newVaultWorld(t)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.furnishStaging("here")
	return w
}

func (w *world) furnishStaging(region string) {
	w.t.Helper()
	at := func(id string) backup.Meta {
		return backup.Meta{ID: id, Location: region, State: backup.StateSucceeded}
	}
	w.update(func(tx catalog.Tx) error {
		return errors.Join(
			inventory.ResourceGroups.Put(tx, &inventory.ResourceGroup{Meta: at(stagingGroup)}),
			inventory.Accounts.Put(tx, &backup.StorageAccount{Meta: at(stagingAccount), SKU: "Standard_LRS", Kind: "StorageV2"}),
			w.assignRole(tx, "vault", access.RoleStorageBlobDataOwner))
	})
}

func stagedRequest(target string) *backup.RestoreRequest {
	r := vaultRequest()
	r.Target.ID, r.StagingGroupID, r.StagingAccountID = target, stagingGroup, stagingAccount
	return r
}

// startStaged starts a restore through the staging account, as the doors would.
func (w *world) startStaged(name string, request *backup.RestoreRequest) *backup.Job {
	w.t.Helper()
	job := &backup.Job{Meta: backup.Meta{ID: vaultID + "/backupJobs/" + name}, InstanceID: instID, Datasource: backup.Datasource{ID: clusterID},
		Kind: backup.JobRestore, Status: backup.JobInProgress, Started: w.clock.Now(), OperationID: "op-" + name, RecoveryPointID: pointID, Restore: request}
	job.Stage(uid)
	w.update(func(tx catalog.Tx) error {
		return errors.Join(w.operation(tx, job.OperationID), inventory.Jobs.Put(tx, job), inventory.Enqueue(tx, job.Work()))
	})
	return job
}

// hydrated lists the files in the staging account.
func (w *world) hydrated() (names []string) {
	w.t.Helper()
	root := filepath.Join(w.root, "stg")
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			names = append(names, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
	return names
}

// readStaged is a cluster that restores: it reads every object of the recovery point,
// and only where the gate lets it.
func (w *world) readStaged(o agentv1.Operation) agentv1.FinishRequest {
	if o.Kind != agentv1.KindRestore {
		return w.move(o)
	}
	if err := w.readAll(o); err != nil {
		return agentv1.FinishRequest{Outcome: agentv1.OutcomeFailed, Problem: &agentv1.Problem{Code: "X", Message: err.Error()}}
	}
	return succeed(o)
}

func (w *world) readAll(o agentv1.Operation) error {
	var spec agentv1.Restore
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return err
	}
	grant, err := w.gate.Verify(spec.Repository.Gate.Token)
	if err != nil || grant.Store != workflow.StagingStore(stagingBox, grant.Prefix) || grant.Rights != grants.Read || grant.Prefix != spec.Repository.Prefix || spec.Location != nil {
		return fmt.Errorf("grant %+v, %w", grant, err)
	}
	bucket, err := w.flow.OpenStaging(w.t.Context(), stagingBox)
	if err != nil {
		return err
	}
	return readPoint(w, objstore.Sub(bucket, grant.Prefix), spec.Repository.Key)
}

// readPoint reads all of the recovery point and compares.
func readPoint(w *world, store objstore.Store, raw []byte) error {
	ctx := w.t.Context()
	key, err := repo.ParseKey(raw)
	if err != nil {
		return err
	}
	r, err := repo.Open(ctx, store, key)
	if err != nil {
		return err
	}
	defer r.Close()
	m, err := r.Manifest(ctx, pointID)
	if err != nil {
		return err
	}
	archive, err := r.Archive(ctx, m.Streams[0])
	if err != nil {
		return err
	}
	count := 0
	for record, err := range archive.All(ctx) {
		if err != nil || string(record.Value) != "value of "+pointID {
			return fmt.Errorf("read %q: %w", record.Value, err)
		}
		count++
	}
	if count != 1 {
		return fmt.Errorf("read %d objects", count)
	}
	return nil
}

// openStagingFile opens the container as it really lies, below the retries.
func (w *world) openStagingFile(prefix string) objstore.Store {
	w.t.Helper()
	bucket, err := location.Open(w.t.Context(), location.Location{URL: "file://" + filepath.Join(w.root, "stg", backup.StagingContainer)})
	if err != nil {
		w.t.Fatal(err)
	}
	return objstore.Sub(bucket, prefix)
}

// over says that a job has ended, and what came after it.
func (w *world) over(job *backup.Job) func() bool {
	return func() bool { return w.ended(job.OperationID)() && w.idle() }
}

// stagedScene is a scene of kill_test.go.
func stagedScene(t *testing.T, w *world) {
	w.update(func(tx catalog.Tx) error { return inventory.Policies.Put(tx, vaultPolicy()) })
	w.answer = w.readStaged
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.furnishStaging("here")
	job := w.startStaged("r", stagedRequest(clusterID))
	w.turns(w.over(job))
	j := w.job(job.ID)
	if j.Status != backup.JobCompleted || j.StagingState() != backup.StagingDeleted || j.Staging.Removed.IsZero() || j.Details["created"] != "3" {
		t.Fatalf("job = %+v, %+v, %+v", j, j.Staging, j.Problem)
	}
	if len(j.Tasks) != 2 || j.Tasks[0].Name != backup.TaskHydrating || j.Tasks[0].Bytes == 0 || j.Tasks[0].Status != backup.JobCompleted ||
		j.Tasks[1].Name != backup.TaskRestoring || j.Tasks[1].Status != backup.JobCompleted {
		t.Fatalf("tasks = %+v", j.Tasks)
	}
	if left := w.hydrated(); len(left) != 0 {
		t.Fatalf("left: %q", left)
	}
}
