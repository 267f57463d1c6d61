package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/operations"
)

// vaultedWorld is a world with one recovery point in the vault.
func vaultedWorld(t testing.TB) *world {
	w := newVaultWorld(t)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.turns(w.idle)
	return w
}

// startUpkeep starts a job over the instance as the doors would.
func (w *world) startUpkeep(name string, kind backup.JobKind, u backup.Upkeep) *backup.Job {
	w.t.Helper()
	if len(u.Instances) == 0 {
		u.Instances = []string{instID}
	}
	job := &backup.Job{Meta: backup.Meta{ID: vaultID + "/backupJobs/" + name}, Kind: kind, Status: backup.JobInProgress,
		Started: w.clock.Now(), OperationID: "op-" + name}
	job.Upkeep, job.Tasks = backup.NewUpkeep(u)
	w.update(func(tx catalog.Tx) error {
		return errors.Join(w.operation(tx, job.OperationID), inventory.Jobs.Put(tx, job), inventory.Enqueue(tx, job.Work()))
	})
	return job
}

// verify verifies and returns the job as it ended.
func (w *world) verify(name string, data backup.VerifyData) *backup.Job {
	w.t.Helper()
	job := w.startUpkeep(name, backup.JobVerify, backup.Upkeep{Data: data})
	w.turns(w.ended(job.OperationID))
	return w.job(job.ID)
}

func (w *world) knownCare() (c *backup.Care) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) { c, err = inventory.CareOf(tx, instID); return err })
	return c
}

// objects lists what the instance has in the vault below a folder.
func (w *world) objects(folder string) (names []string) {
	for _, name := range w.names() {
		if strings.HasPrefix(name, vaultAt+folder) {
			names = append(names, name)
		}
	}
	return names
}

func TestVerifyOfAWholeVault(t *testing.T) {
	for _, data := range []backup.VerifyData{backup.VerifyNone, backup.VerifySample, backup.VerifyAll} {
		w := vaultedWorld(t)
		w.care.Sample = 0.5
		w.revive()
		job := w.verify("v1", data)
		if job.Status != backup.JobCompleted || len(job.Warnings) != 0 || job.Details["recoveryPoints"] != "1" || job.Details["damagedRecoveryPoints"] != "0" {
			t.Errorf("%s: %+v", data, job)
		}
		if c := w.knownCare(); c.Verify.Ended.IsZero() || c.Findings != 0 || c.Verify.Problem != nil {
			t.Errorf("%s: %+v", data, c)
		}
	}
}

// Each kind of damage fails the job, and is told with the recovery point, what of
// it, and a reason.
func TestVerifyTellsDamage(t *testing.T) {
	manifest := vaultAt + "manifests/" + pointID
	for name, c := range map[string]struct {
		damage func(*world, *objstoretest.Memory)
		code   backup.Code
		part   string
		data   backup.VerifyData
	}{
		"a pack is gone": {func(w *world, m *objstoretest.Memory) { w.destroy(w.objects("packs/")[0]) },
			backup.CodeVaultDataMissing, " objects", backup.VerifyNone},
		"a block is flipped": {func(w *world, m *objstoretest.Memory) {
			name := w.objects("packs/")[0]
			data := m.Bytes(name)
			data[40] ^= 1
			m.Overwrite(name, data)
		}, backup.CodeVaultDataDamaged, " objects", backup.VerifyAll},
		"the manifest is cut": {func(w *world, m *objstoretest.Memory) { m.Overwrite(manifest, m.Bytes(manifest)[:80]) },
			backup.CodeVaultDataDamaged, "", backup.VerifyNone},
		"the manifest is gone": {func(w *world, m *objstoretest.Memory) { w.destroy(manifest) },
			backup.CodeVaultPointMissing, "", backup.VerifyNone},
		"the repository is gone": {func(w *world, m *objstoretest.Memory) { w.destroy(vaultAt + "repository") },
			backup.CodeVaultPointMissing, "", backup.VerifyNone},
		"another is in its place": {func(w *world, m *objstoretest.Memory) {
			w.update(func(tx catalog.Tx) error {
				p, err := inventory.RecoveryPoints.Get(tx, instID+"/recoveryPoints/"+pointID)
				if err != nil {
					return err
				}
				store, _ := p.Store(backup.TierVault)
				store.Root = strings.Repeat("0", 64)
				p.AddStore(store)
				return inventory.RecoveryPoints.Put(tx, p)
			})
		}, backup.CodeVaultPointReplaced, "", backup.VerifyNone},
	} {
		t.Run(name, func(t *testing.T) {
			w := vaultedWorld(t)
			c.damage(w, w.cave.(*objstoretest.Memory))
			job := w.verify("v1", c.data)
			if job.Status != backup.JobFailed || job.Problem.Code != backup.CodeVaultDamaged || len(job.Warnings) == 0 {
				t.Fatalf("%+v", job)
			}
			if got := job.Warnings[0]; got.Problem.Code != c.code || got.Resource != "recoveryPoints/"+pointID+c.part ||
				got.Problem.Target != instID+"/recoveryPoints/"+pointID || len(got.Problem.Actions) == 0 {
				t.Errorf("%+v", got)
			}
			if record := w.record(job.OperationID); record.Status != operations.Failed || record.Problem.Code != string(backup.CodeVaultDamaged) {
				t.Errorf("%+v", record)
			}
			if known := w.knownCare(); len(known.Damaged) != 1 || known.Damaged[0] != pointID || known.Findings == 0 {
				t.Errorf("%+v", known)
			}
		})
	}
}

// What nothing needs, or is elsewhere too, is a warning.
func TestVerifyWarnsOfDamageWithoutEffect(t *testing.T) {
	w := vaultedWorld(t)
	w.cave.(*objstoretest.Memory).Overwrite(vaultAt+"condemned/"+strings.Repeat("7", 32), []byte("no condemnation"))
	job := w.verify("v1", backup.VerifyAll)
	if job.Status != backup.JobCompletedWithWarnings || len(job.Warnings) != 1 || job.Warnings[0].Problem.Code != backup.CodeVaultSpareDamage {
		t.Errorf("%+v", job)
	}
	if c := w.knownCare(); len(c.Damaged) != 0 || c.Findings != 1 {
		t.Errorf("%+v", c)
	}
}

// An instance that has nothing in the vault has nothing to verify, and one that
// is gone neither.
func TestVerifyOfNothing(t *testing.T) {
	w := newVaultWorld(t)
	if job := w.verify("v1", backup.VerifyAll); job.Status != backup.JobCompleted || job.Details["recoveryPoints"] != "0" {
		t.Errorf("%+v", job)
	}
	w.update(func(tx catalog.Tx) error { return inventory.Instances.Delete(tx, instID) })
	if job := w.verify("v2", backup.VerifyAll); job.Status != backup.JobCompleted {
		t.Errorf("%+v", job)
	}
}

// A store that does not answer is asked again, and the job ends when it never does.
func TestVerifyWaitsForTheStore(t *testing.T) {
	w := vaultedWorld(t)
	store, broken := w.cave, true
	w.cave = objstoretest.Faulty(store, func(objstoretest.Call) objstoretest.Fault {
		if broken {
			return objstoretest.Fault{Before: objstore.ErrUnavailable}
		}
		return objstoretest.Fault{}
	})
	w.revive()
	job := w.startUpkeep("v1", backup.JobVerify, backup.Upkeep{Data: backup.VerifyAll})
	w.turns(func() bool { return strings.Contains(w.job(job.ID).Progress.Phase, "try again") })
	broken = false
	w.turns(w.ended(job.OperationID))
	if got := w.job(job.ID); got.Status != backup.JobCompleted || got.Details["recoveryPoints"] != "1" {
		t.Errorf("%+v", got)
	}
	broken = true
	job = w.startUpkeep("v2", backup.JobVerify, backup.Upkeep{Data: backup.VerifyAll})
	w.turns(func() bool { return strings.Contains(w.job(job.ID).Progress.Phase, "try again") })
	w.clock.Advance(time.Hour)
	w.turns(w.ended(job.OperationID))
	if got := w.job(job.ID); got.Status != backup.JobFailed || got.Problem.Code != backup.CodeVaultStoreUnreachable {
		t.Errorf("%+v", got)
	}
	if c := w.knownCare(); c.Verify.Problem == nil || c.Verify.Ended.IsZero() {
		t.Errorf("%+v", c)
	}
}

func TestVerifyIsCalledOff(t *testing.T) {
	w := vaultedWorld(t)
	job := w.startUpkeep("v1", backup.JobVerify, backup.Upkeep{Data: backup.VerifyAll})
	w.update(func(tx catalog.Tx) error {
		found, err := inventory.Jobs.Get(tx, job.ID)
		if err == nil && found.CallOff("") != nil {
			err = errors.New("it has ended")
		}
		return errors.Join(err, inventory.Jobs.Put(tx, found))
	})
	w.turns(w.ended(job.OperationID))
	if got := w.job(job.ID); got.Status != backup.JobCancelled || got.Tasks[0].Status != backup.JobCancelled {
		t.Errorf("%+v", got)
	}
}

// A dry run tells what would go, and why; then it goes, and what is needed stays.
func TestCollectNow(t *testing.T) {
	w := vaultedWorld(t)
	if err := w.vaulted().DeleteManifest(context.Background(), pointID); err != nil {
		t.Fatal(err)
	}
	before := w.packs()
	run := func(name string, dry bool) string {
		job := w.startUpkeep(name, backup.JobCollect, backup.Upkeep{DryRun: dry})
		w.turns(w.ended(job.OperationID))
		if got := w.job(job.ID); got.Status != backup.JobCompleted {
			t.Fatalf("%s: %+v", name, got)
		}
		return w.job(job.ID).Details["i1"]
	}
	if plan := run("dry", true); !strings.Contains(plan, "delete, since nothing in them is needed: 1 packs") || w.packs() != before {
		t.Errorf("%q, %d packs of %d", plan, w.packs(), before)
	}
	if text := run("real", false); !strings.HasPrefix(text, "1 packs deleted") || w.packs() != 0 {
		t.Errorf("%q, %d packs", text, w.packs())
	}
	if c := w.knownCare(); c.Collect.Ended.IsZero() || c.Collect.Problem != nil {
		t.Errorf("%+v", c)
	}
}

// Garbage cannot be told below pages that are missing: that is said, and not
// tried for ever.
func TestCollectOfADamagedVault(t *testing.T) {
	w := vaultedWorld(t)
	w.destroy(w.objects("packs/")[0])
	job := w.startUpkeep("c1", backup.JobCollect, backup.Upkeep{})
	w.turns(w.ended(job.OperationID))
	if got := w.job(job.ID); got.Status != backup.JobFailed || got.Problem.Code != backup.CodeVaultDataDamaged {
		t.Errorf("%+v", got)
	}
	if c := w.knownCare(); c.Collect.Problem == nil || !c.Collect.Ended.IsZero() {
		t.Errorf("%+v", c)
	}
}

func (w *world) destroy(name string) {
	w.t.Helper()
	if err := w.cave.Delete(context.Background(), name); err != nil {
		w.t.Fatal(fmt.Errorf("destroy %s: %w", name, err))
	}
}
