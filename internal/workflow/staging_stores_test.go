package workflow_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/test/azurite"
	"holdfast.dev/holdfast/test/s3"
)

// stageIn gives the staging account a store of its own.
func (w *world) stageIn(l location.Location) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		account, err := inventory.Accounts.Get(tx, stagingAccount)
		if err != nil {
			return err
		}
		account.Store = backup.AccountStore{URL: l.URL, AccountName: l.Account}
		account.Store.Key, err = w.seal.Seal(w.t.Context(), account.KeyOwner(), l.Key)
		return errors.Join(err, inventory.Accounts.Put(tx, account))
	})
}

// stagingIn is the container of staging in the store of an account.
func stagingIn(l location.Location) location.Location {
	l.URL = backup.StorageAccount{Store: backup.AccountStore{URL: l.URL}}.ContainerURL("", backup.StagingContainer)
	return l
}

// Staging does the same on real servers as in a folder: the container is made where
// stores have containers, the cluster reads out of it, and it is empty afterwards
// however the restore ends, unless the copy is to be kept.
func TestStagingOnRealStores(t *testing.T) {
	azure, s3Server := azurite.Start(t), s3.Start(t)
	bucket, err := s3Server.Bucket("staging")
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]location.Location{
		"container": {URL: azure.URL, Account: azurite.Account, Key: azurite.Key},
		"S3":        {URL: bucket, Account: s3.AccessKey, Key: s3.SecretKey},
	} {
		t.Run(name, func(t *testing.T) {
			at := stagingIn(l)
			if before, err := location.Probe(t.Context(), at); err != nil || before.Exists && name == "container" {
				t.Fatalf("before: %+v, %v", before, err)
			}
			for _, c := range stagedCases {
				t.Run(c.name, func(t *testing.T) {
					w := newStagedWorld(t)
					w.stageIn(l)
					c.run(t, w, at)
					if after, err := location.Probe(t.Context(), at); err != nil || after != (location.State{Exists: true, Empty: true}) {
						t.Errorf("after: %+v, %v", after, err)
					}
				})
			}
		})
	}
}

var stagedCases = []struct {
	name string
	run  func(*testing.T, *world, location.Location)
}{
	{"success", func(_ *testing.T, w *world, _ location.Location) {
		w.answer = w.readStaged
		w.endsStaged(stagedRequest(clusterID), backup.JobCompleted, backup.StagingDeleted)
	}},
	{"failure", func(_ *testing.T, w *world, _ location.Location) {
		w.answer = failing(false)
		w.endsStaged(stagedRequest(clusterID), backup.JobFailed, backup.StagingDeleted)
	}},
	{"called off after it was hydrated", func(_ *testing.T, w *world, _ location.Location) {
		w.answer = func(agentv1.Operation) agentv1.FinishRequest {
			return agentv1.FinishRequest{Outcome: agentv1.OutcomeCancelled}
		}
		w.endsStaged(stagedRequest(clusterID), backup.JobCancelled, backup.StagingDeleted)
	}},
	{"called off while it is hydrated", callOffHydrating},
	{"kept", keepHydrated},
}

// endsStaged lets a staged restore come to its end.
func (w *world) endsStaged(request *backup.RestoreRequest, status backup.JobStatus, staging backup.StagingState) *backup.Job {
	w.t.Helper()
	job := w.startStaged("r", request)
	w.turns(w.over(job))
	j := w.job(job.ID)
	if j.Status != status || j.StagingState() != staging || j.Staging.Bytes == 0 {
		w.t.Errorf("job %+v (%+v), staging %+v", j, j.Problem, j.Staging)
	}
	return j
}

func callOffHydrating(t *testing.T, w *world, at location.Location) {
	var once sync.Once
	wrote := false
	w.bucket = func(ctx context.Context, l location.Location) (objstore.Store, error) {
		store, err := location.Open(ctx, l)
		return stalling{store, func(ctx context.Context) {
			once.Do(func() {
				left, err := location.Probe(ctx, at)
				wrote = err == nil && !left.Empty // something is half there
				w.callOff(vaultID + "/backupJobs/r")
				w.clock.Advance(time.Minute) // somebody looks at it
			})
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
				t.Error("the copying was not called off")
			}
		}}, err
	}
	w.revive()
	request := stagedRequest(clusterID)
	request.KeepStaging = true // what is not complete is not kept
	job := w.startStaged("r", request)
	w.turns(w.over(job))
	if j := w.job(job.ID); j.Status != backup.JobCancelled || j.StagingState() != backup.StagingDeleted || !wrote {
		t.Errorf("job %+v (%+v), staging %+v, wrote %v", j, j.Problem, j.Staging, wrote)
	}
}

// keepHydrated reads what was kept with the key that lies beside it, and deletes it as
// its owner does.
func keepHydrated(t *testing.T, w *world, at location.Location) {
	w.answer = w.readStaged
	request := stagedRequest(clusterID)
	request.KeepStaging = true
	job := w.endsStaged(request, backup.JobCompleted, backup.StagingKept)
	bucket, err := location.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	store := objstore.Sub(bucket, job.Staging.Prefix)
	raw, err := w.ring.Recover(t.Context(), "vault-"+uid, store)
	if err == nil {
		err = readPoint(w, store, raw)
	}
	if err != nil {
		t.Error(err)
	}
	for _, name := range objstoretest.Names(t, bucket, "") {
		if !strings.HasPrefix(name, job.Staging.Prefix) {
			t.Errorf("left: %s", name)
		}
		if err := bucket.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
}
