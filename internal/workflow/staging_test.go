package workflow_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/operations"
)

// "During such restore, backup data in the vault is first hydrated in the staging
// location and then the extension installed in the cluster restore this data into the
// target AKS cluster." The vault is taken away in between.
func TestFAQVaultIsHydratedInTheStagingLocationAndRestoredFromThere(t *testing.T) {
	w := newStagedWorld(t)
	w.answer = silent
	job := w.startStaged("r", stagedRequest(clusterID))
	asked := len(w.asked)
	w.turns(func() bool { return len(w.asked) > asked })
	j := w.job(job.ID)
	if j.StagingState() != backup.StagingHydrated || j.Staging.Bytes == 0 || len(w.hydrated()) == 0 || j.Staging.ContainerID != stagingBox {
		t.Fatalf("job %+v, staging %+v", j, j.Staging)
	}
	*w.cave.(*objstoretest.Memory) = objstoretest.Memory{} // the vault is gone
	w.clock.Advance(10 * time.Minute)                      // the lease is over, the operation is offered again
	w.answer = w.readStaged
	w.turns(w.ended(job.OperationID))
	if r := w.record(job.OperationID); r.Status != operations.Succeeded {
		t.Fatalf("operation %+v: %+v", r.Status, r.Problem)
	}
}

// "The backup items once created in the staging location has to be cleaned up
// manually": here they go by themselves, however the restore ends.
func TestFAQStagingIsCleanedUpByItself(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*world) func(agentv1.Operation) agentv1.FinishRequest
		want   backup.JobStatus
	}{
		"success": {func(w *world) func(agentv1.Operation) agentv1.FinishRequest { return w.readStaged }, backup.JobCompleted},
		"failure": {func(*world) func(agentv1.Operation) agentv1.FinishRequest { return failing(false) }, backup.JobFailed},
		"called off": {func(*world) func(agentv1.Operation) agentv1.FinishRequest {
			return func(agentv1.Operation) agentv1.FinishRequest {
				return agentv1.FinishRequest{Outcome: agentv1.OutcomeCancelled}
			}
		}, backup.JobCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newStagedWorld(t)
			w.answer = c.answer(w)
			job := w.startStaged("r", stagedRequest(clusterID))
			w.turns(w.over(job))
			if j := w.job(job.ID); j.Status != c.want || j.StagingState() != backup.StagingDeleted || j.Staging.Ready.IsZero() {
				t.Errorf("job %+v, staging %+v", j, j.Staging)
			}
			if left := w.hydrated(); len(left) != 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// What is kept can be read with nothing but the key provider, also after a restore
// that failed.
func TestStagingIsKeptOnRequest(t *testing.T) {
	for name, answer := range map[string]func(agentv1.Operation) agentv1.FinishRequest{"success": succeed, "failure": failing(false)} {
		t.Run(name, func(t *testing.T) {
			w := newStagedWorld(t)
			w.answer = answer
			request := stagedRequest(clusterID)
			request.KeepStaging = true
			job := w.startStaged("r", request)
			w.turns(w.over(job))
			j := w.job(job.ID)
			if j.StagingState() != backup.StagingKept || j.Staging.Prefix != "restores/r/"+uid+"/" {
				t.Fatalf("staging %+v", j.Staging)
			}
			store := w.openStagingFile(j.Staging.Prefix)
			raw, err := w.ring.Recover(t.Context(), "vault-"+uid, store)
			if err == nil {
				err = readPoint(w, store, raw)
			}
			if err != nil {
				t.Error(err)
			}
			for _, name := range w.hydrated() {
				if !strings.HasPrefix(name, backup.StagingContainer+"/"+j.Staging.Prefix) {
					t.Errorf("left: %s", name)
				}
			}
		})
	}
}

// What stands in the way of hydrating is told before anything is hydrated, and by a
// validation too.
func TestStagingRefused(t *testing.T) {
	without := func(principal, roles string) func(*world, catalog.Tx) error {
		return func(w *world, tx catalog.Tx) error { return w.onlyRoles(tx, principal, roles) }
	}
	accountIn := func(region string) func(*world, catalog.Tx) error {
		return func(_ *world, tx catalog.Tx) error {
			return inventory.Accounts.Put(tx, &backup.StorageAccount{Meta: backup.Meta{ID: stagingAccount, Location: region}, SKU: "Standard_LRS", Kind: "StorageV2"})
		}
	}
	for name, c := range map[string]struct {
		spoil func(*world, catalog.Tx) error
		code  backup.Code
		says  string
	}{
		"no group":        {func(_ *world, tx catalog.Tx) error { return inventory.ResourceGroups.Delete(tx, stagingGroup) }, backup.CodeResourceNotFound, "staging resource group"},
		"no account":      {func(_ *world, tx catalog.Tx) error { return inventory.Accounts.Delete(tx, stagingAccount) }, backup.CodeResourceNotFound, "staging storage account"},
		"account's place": {accountIn("elsewhere"), backup.CodeAccountRegion, "elsewhere"},
		"group's place": {func(_ *world, tx catalog.Tx) error {
			return inventory.ResourceGroups.Put(tx, &inventory.ResourceGroup{Meta: backup.Meta{ID: stagingGroup, Location: "elsewhere"}})
		}, backup.CodeInvalidInput, "elsewhere"},
		"vault on the group":   {without("vault", "Reader,Storage Account Contributor,Storage Blob Data Owner"), backup.CodeVaultMissingRole, "role Contributor"},
		"vault on the account": {without("vault", "Reader,Disk Snapshot Contributor,Storage Blob Data Owner"), backup.CodeVaultMissingRole, "role Contributor"},
		"vault on the data":    {without("vault", "Contributor"), backup.CodeVaultMissingRole, "Storage Blob Data Owner"},
		"extension":            {without("extension", "Owner"), backup.CodeLocationMissingRole, "Storage Blob Data Contributor"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newStagedWorld(t)
			w.update(func(tx catalog.Tx) error { return c.spoil(w, tx) })
			asked := len(w.asked)
			job := w.startStaged("r", stagedRequest(clusterID))
			w.update(func(tx catalog.Tx) error {
				return errors.Join(w.operation(tx, "op-v"), inventory.Enqueue(tx, backup.Work{Kind: backup.WorkValidateRestore,
					Subject: instID, OperationID: "op-v", Restore: stagedRequest(clusterID)}))
			})
			w.turns(func() bool { return w.over(job)() && w.ended("op-v")() })
			for _, operation := range []string{job.OperationID, "op-v"} {
				r := w.record(operation)
				if r.Status != operations.Failed || r.Problem.Code != string(c.code) || !strings.Contains(r.Problem.Message, c.says) || len(r.Problem.Actions) == 0 {
					t.Errorf("operation %+v: %+v", r.Status, r.Problem)
				}
			}
			if len(w.asked) != asked || len(w.hydrated()) != 0 || w.job(job.ID).StagingState() != backup.StagingDeleted {
				t.Errorf("the cluster was asked, or something hydrated: %q", w.hydrated())
			}
		})
	}
}

// onlyRoles leaves a principal with nothing but some roles, over everything.
func (w *world) onlyRoles(tx catalog.Tx, principal, roles string) error {
	all, err := inventory.RoleAssignments.With(tx, inventory.LabelPrincipal, principal)
	for _, a := range all {
		err = errors.Join(err, inventory.RoleAssignments.Delete(tx, a.ID))
	}
	for role := range strings.SplitSeq(roles, ",") {
		err = errors.Join(err, w.assignRole(tx, principal, role))
	}
	return err
}

// mayDie is a catalog that is dead with its process from some moment on.
type mayDie struct {
	catalog.Store
	dead atomic.Bool
}

func (m *mayDie) View(ctx context.Context, fn func(catalog.Tx) error) error {
	m.perish()
	return m.Store.View(ctx, fn)
}

func (m *mayDie) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	m.perish()
	return m.Store.Update(ctx, fn)
}

// perish kills the process; the next one lives.
func (m *mayDie) perish() {
	if m.dead.Swap(false) {
		panic(errKilled)
	}
}

// Killed around any write to the staging account or deletion there, the restore goes
// on after a restart, reads the right data, and nothing stays.
func TestStagedRestoreKilledAtEveryWrite(t *testing.T) {
	for n := int64(1); ; n++ {
		alive := 0
		for _, after := range []bool{false, true} {
			w := newStagedWorld(t)
			mortal := &mayDie{Store: w.store}
			left := &atomic.Int64{}
			left.Store(n)
			w.face, w.answer = mortal, w.readStaged
			w.bucket = func(ctx context.Context, l location.Location) (objstore.Store, error) {
				store, err := location.Open(ctx, l)
				return objstoretest.Faulty(store, func(c objstoretest.Call) objstoretest.Fault {
					switch {
					case mortal.dead.Load():
						return objstoretest.Fault{Before: objstore.ErrUnavailable}
					case c.Op != "put" && c.Op != "delete" || left.Add(-1) != 0:
						return objstoretest.Fault{}
					case after:
						mortal.dead.Store(true)
						return objstoretest.Fault{After: objstore.ErrUnavailable}
					}
					mortal.dead.Store(true)
					return objstoretest.Fault{Before: objstore.ErrUnavailable}
				}), err
			}
			w.revive()
			job := w.startStaged("r", stagedRequest(clusterID))
			w.turns(w.over(job))
			if j := w.job(job.ID); j.Status != backup.JobCompleted || j.StagingState() != backup.StagingDeleted || len(w.hydrated()) != 0 {
				t.Fatalf("killed at write %d (after=%v): job %+v, staging %+v, left %q", n, after, j, j.Staging, w.hydrated())
			}
			if left.Load() > 0 {
				alive++
			}
		}
		if alive == 2 {
			if n < 8 {
				t.Fatalf("there are only %d writes", n-1)
			}
			return
		}
	}
}

// A restore that is called off while its recovery point is copied ends at once, and
// so does the copying.
func TestStagedRestoreCancelledWhileHydrating(t *testing.T) {
	w := newStagedWorld(t)
	var job *backup.Job
	var once sync.Once
	w.bucket = func(ctx context.Context, l location.Location) (objstore.Store, error) {
		store, err := location.Open(ctx, l)
		return stalling{store, func(ctx context.Context) {
			once.Do(func() {
				w.callOff(job.ID)
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
	asked := len(w.asked)
	request := stagedRequest(clusterID)
	request.KeepStaging = true // what is not complete is not kept
	job = w.startStaged("r", request)
	w.turns(func() bool { return w.over(job)() && w.ended("cancel")() })
	if j := w.job(job.ID); j.Status != backup.JobCancelled || j.StagingState() != backup.StagingDeleted || len(w.asked) != asked || len(w.hydrated()) != 0 {
		t.Errorf("job %+v, staging %+v, left %q", j, j.Staging, w.hydrated())
	}
	if r := w.record("cancel"); r.Status != operations.Succeeded {
		t.Errorf("cancel: %+v", r)
	}
}

// While a recovery point is copied the job says how much there is to copy.
func TestHydratingTellsHowFarItIs(t *testing.T) {
	w := newStagedWorld(t)
	w.answer = w.readStaged
	var job *backup.Job
	var once sync.Once
	w.bucket = func(ctx context.Context, l location.Location) (objstore.Store, error) {
		store, err := location.Open(ctx, l)
		return stalling{store, func(context.Context) {
			once.Do(func() {
				told := func() bool { w.clock.Advance(3 * time.Second); return w.job(job.ID).Progress.BytesTotal > 0 }
				for end := time.Now().Add(time.Minute); !told() && time.Now().Before(end); {
					time.Sleep(10 * time.Millisecond)
				}
				j := w.job(job.ID)
				if p := j.Progress; p.Phase != backup.TaskHydrating || p.BytesTotal == 0 || p.BytesDone > p.BytesTotal {
					t.Errorf("%+v", j)
				}
			})
		}}, err
	}
	w.revive()
	job = w.startStaged("r", stagedRequest(clusterID))
	w.turns(w.over(job))
	if j := w.job(job.ID); j.Status != backup.JobCompleted || j.TaskBytes(0) == 0 || j.Transferred() < j.TaskBytes(0) {
		t.Errorf("%+v", j)
	}
}

// stalling does something else before it puts a pack.
type stalling struct {
	objstore.Store
	stall func(context.Context)
}

func (s stalling) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if strings.Contains(name, "/packs/") {
		s.stall(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return s.Store.Put(ctx, name, r, size)
}

// A staging store that fails is tried again for half an hour; then the job fails and
// what was written goes when the store lets it.
func TestStagingStoreThatFails(t *testing.T) {
	for name, heals := range map[string]bool{"for a while": true, "for good": false} {
		t.Run(name, func(t *testing.T) {
			w := newStagedWorld(t)
			w.answer = w.readStaged
			var works atomic.Bool
			w.bucket = func(ctx context.Context, l location.Location) (objstore.Store, error) {
				store, err := location.Open(ctx, l)
				return objstoretest.Faulty(store, func(c objstoretest.Call) objstoretest.Fault {
					if c.Op == "delete" || c.Op == "put" && strings.Contains(c.Name, "/indexes/") && !works.Load() {
						return objstoretest.Fault{Before: map[bool]error{true: nil, false: objstore.ErrUnavailable}[works.Load()]}
					}
					return objstoretest.Fault{}
				}), err
			}
			w.revive()
			job := w.startStaged("r", stagedRequest(clusterID))
			w.turns(func() bool { return strings.HasPrefix(w.job(job.ID).Progress.Phase, "Waiting to try again") })
			if j := w.job(job.ID); j.Status != backup.JobInProgress || len(w.hydrated()) == 0 {
				t.Fatalf("job %+v, hydrated %q", j, w.hydrated())
			}
			want := backup.JobCompleted
			if heals {
				works.Store(true)
			} else {
				want = backup.JobFailed
				w.clock.Advance(hydrateForHowLong)
				w.heard(clusterID)
				w.turns(w.ended(job.OperationID))
				if p := w.job(job.ID).Problem; p.Code != backup.CodeHydrationFailed || len(p.Actions) == 0 || w.job(job.ID).StagingState() != backup.StagingDeleting {
					t.Errorf("problem %+v", p)
				}
				works.Store(true)
			}
			w.turns(w.over(job))
			if j := w.job(job.ID); j.Status != want || j.StagingState() != backup.StagingDeleted || len(w.hydrated()) != 0 {
				t.Errorf("job %+v, staging %+v, left %q", j, j.Staging, w.hydrated())
			}
		})
	}
}

// Hydrating that does not come to its end within a day is given up.
func TestHydratingHasADeadline(t *testing.T) {
	w := newStagedWorld(t)
	w.bucket = func(ctx context.Context, l location.Location) (objstore.Store, error) {
		store, err := location.Open(ctx, l)
		return objstoretest.Faulty(store, func(c objstoretest.Call) objstoretest.Fault {
			if c.Op == "put" && strings.Contains(c.Name, "/packs/") {
				return objstoretest.Fault{Before: objstore.ErrUnavailable}
			}
			return objstoretest.Fault{}
		}), err
	}
	w.revive()
	job := w.startStaged("r", stagedRequest(clusterID))
	w.turns(func() bool { return w.job(job.ID).Staging.TroubleSince != time.Time{} })
	w.update(func(tx catalog.Tx) error { // it seemed to get on
		j, err := inventory.Jobs.Get(tx, job.ID)
		if err != nil {
			return err
		}
		j.Staging.TroubleSince = time.Time{}
		return inventory.Jobs.Put(tx, j)
	})
	w.clock.Advance(25 * time.Hour)
	w.heard(clusterID)
	w.turns(w.over(job))
	if p := w.job(job.ID).Problem; p == nil || p.Code != backup.CodeTrackingTimeout || len(w.hydrated()) != 0 {
		t.Errorf("problem %+v, left %q", p, w.hydrated())
	}
}

// hydrateForHowLong is longer than the stores of a staged restore may fail.
const hydrateForHowLong = 31 * time.Minute

// A cross region restore is hydrated out of the replica, with the key that lies
// there: the first region's vault is gone.
func TestStagedRestoreInTheSecondRegion(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	w.furnishStaging("there")
	w.update(func(tx catalog.Tx) error {
		vault, err := inventory.Vaults.Get(tx, vaultID)
		if err != nil {
			return err
		}
		point, err := inventory.RecoveryPoints.Get(tx, instID+"/recoveryPoints/"+pointID)
		if err != nil {
			return err
		}
		point.Stores = point.Stores[1:]
		instance, err := inventory.Instances.Get(tx, instID)
		if err != nil {
			return err
		}
		return errors.Join(inventory.SecondaryVaults.Put(tx, vault), inventory.SecondaryInstances.Put(tx, instance), inventory.SecondaryPoints.Put(tx, point))
	})
	w.lose(t)
	w.update(func(tx catalog.Tx) error {
		cluster, err := inventory.Clusters.Get(tx, otherID)
		if err != nil {
			return err
		}
		cluster.Location = "there"
		return errors.Join(inventory.Clusters.Put(tx, cluster), w.assign(tx, "other extension"), keys.Destroy(tx, "vault-"+uid))
	})
	*w.cave.(*objstoretest.Memory) = objstoretest.Memory{}
	w.answer = w.readStaged
	request := stagedRequest(otherID)
	request.Region = "there"
	job := w.startStaged("r", request)
	w.turns(w.over(job))
	if j := w.job(job.ID); j.Status != backup.JobCompleted || j.StagingState() != backup.StagingDeleted || len(w.hydrated()) != 0 {
		t.Errorf("job %+v (%+v), staging %+v, left %q", j, j.Problem, j.Staging, w.hydrated())
	}
	if len(objstoretest.Names(t, there, "")) == 0 {
		t.Error("the replica is gone")
	}
	w.update(func(tx catalog.Tx) error { return w.onlyRoles(tx, "other extension", "Reader") })
	refused := w.startStaged("r2", request)
	w.turns(w.over(refused))
	if p := w.job(refused.ID).Problem; p == nil || p.Code != backup.CodeLocationMissingRole {
		t.Errorf("problem %+v", p)
	}
}

// What a job has hydrated goes when the vault went with its jobs.
func TestStagingOfAVaultThatIsGone(t *testing.T) {
	w := newStagedWorld(t)
	w.answer = silent
	job := w.startStaged("r", stagedRequest(clusterID))
	w.turns(func() bool { return !w.job(job.ID).Staging.Ready.IsZero() })
	w.update(func(tx catalog.Tx) error { return inventory.Jobs.Delete(tx, job.ID) })
	w.turns(func() bool { return len(w.queue) == 0 })
	if left := w.hydrated(); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// busy are claims of which another replica has all.
type busy struct{}

func (busy) Claim(context.Context, string) (func(), bool, error) { return nil, false, nil }

// A restore whose turn to be hydrated has not come says what it waits for.
func TestHydratingWaitsForItsTurn(t *testing.T) {
	w := newStagedWorld(t)
	w.answer = w.readStaged
	w.flow.Claims = busy{}
	job := w.startStaged("r", stagedRequest(clusterID))
	w.turns(func() bool { return w.job(job.ID).Progress.Phase == "Waiting for other restores to be hydrated" })
	if j := w.job(job.ID); j.StagingState() != backup.StagingWaiting || len(w.hydrated()) != 0 {
		t.Errorf("staging %+v, hydrated %q", j.Staging, w.hydrated())
	}
	w.flow.Claims = nil
	w.turns(w.over(job))
	if j := w.job(job.ID); j.Status != backup.JobCompleted || j.StagingState() != backup.StagingDeleted {
		t.Errorf("job %+v, staging %+v", j, j.Staging)
	}
}
