package workflow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/workflow"
)

// newReplicatedWorld is a vault world in which the vault is replicated into a store
// of the region there.
func newReplicatedWorld(t testing.TB) (*world, objstore.Store) {
	w := newVaultWorld(t)
	there := &objstoretest.Memory{}
	w.flow.Regions = backup.Regions{{Name: "here", Paired: "there"}, {Name: "there", Replicas: true}}
	w.flow.Replicas = map[string]objstore.Store{"there": there}
	w.update(func(tx catalog.Tx) error {
		vault, err := inventory.Vaults.Get(tx, vaultID)
		if err != nil {
			return err
		}
		vault.CrossRegion, vault.Storage = "Enabled", []backup.StorageSetting{{Tier: backup.TierVault, Redundancy: "GeoRedundant"}}
		return inventory.Vaults.Put(tx, vault)
	})
	return w, there
}

func (w *world) replicas() (all []backup.Replica) {
	w.t.Helper()
	w.view(func(tx catalog.Tx) (err error) { all, err = inventory.Replicas.Below(tx, instID); return err })
	return all
}

// replicateOnce takes one step of the replication of the instance.
func (w *world) replicateOnce() {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		return inventory.Enqueue(tx, backup.Work{Kind: backup.WorkReplicate, Subject: instID})
	})
	for _, job := range w.store.TakeJobs() {
		if job.Kind == string(backup.WorkReplicate) {
			w.step(job)
		}
	}
}

// replica opens the repository in the other region with what the key ring has.
func (w *world) replica(there objstore.Store) *repo.Repository {
	w.t.Helper()
	var vault *backup.Vault
	w.view(func(tx catalog.Tx) (err error) { vault, err = inventory.Vaults.Get(tx, vaultID); return err })
	prefix := workflow.VaultPrefix(vault, uid)
	raw, err := w.ring.Recover(context.Background(), workflow.VaultKeyName(uid), objstore.Sub(there, prefix))
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := repo.ParseKey(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := repo.Open(context.Background(), objstore.Sub(there, prefix), key)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// vaultedOnce makes one recovery point that is in the vault and in the region.
func (w *world) vaultedOnce() {
	w.t.Helper()
	job := w.startJob("b", backup.JobBackup)
	w.turns(func() bool {
		all := w.replicas()
		return w.job(job.ID).Status.Terminal() && len(all) == 1 && !all[0].Done.IsZero()
	})
}

func TestReplicateFollowsVaulting(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.vaultedOnce()
	r := w.replicas()[0]
	store, _ := w.points()[0].Store(backup.TierVault)
	if r.Region != "there" || !r.Expires.Equal(store.Expires) || !r.Due.Equal(store.Created) || r.Name() != pointID {
		t.Errorf("replica = %+v of %+v", r, store)
	}
	if _, err := w.replica(there).Manifest(t.Context(), pointID); err != nil {
		t.Error(err)
	}
	w.replicateOnce() // nothing is left to do
	if again := w.replicas()[0]; !again.Done.Equal(r.Done) {
		t.Error("replicated twice")
	}
}

// A replica outlives its recovery point until its own time is over; one without an
// end for two weeks.
func TestReplicaOutlivesItsPoint(t *testing.T) {
	for name, forever := range map[string]bool{"with an end": false, "without": true} {
		w, there := newReplicatedWorld(t)
		w.vaultedOnce()
		expires := w.replicas()[0].Expires
		w.update(func(tx catalog.Tx) error {
			if forever {
				r, err := inventory.Replicas.Get(tx, instID+"/recoveryPoints/"+pointID)
				if err != nil {
					return err
				}
				r.Expires, expires = time.Time{}, w.clock.Now().Add(14*24*time.Hour)
				if err := inventory.Replicas.Put(tx, r); err != nil {
					return err
				}
			}
			return inventory.RecoveryPoints.Delete(tx, instID+"/recoveryPoints/"+pointID)
		})
		w.replicateOnce()
		w.clock.Advance(expires.Sub(w.clock.Now()) - time.Second)
		w.replicateOnce()
		if _, err := w.replica(there).Manifest(t.Context(), pointID); err != nil || len(w.replicas()) != 1 {
			t.Fatalf("%s: gone too early: %v", name, err)
		}
		w.clock.Advance(time.Minute)
		w.replicateOnce()
		if _, err := w.replica(there).Manifest(t.Context(), pointID); !errors.Is(err, repo.ErrNoRecoveryPoint) || len(w.replicas()) != 0 {
			t.Fatalf("%s: still there: %v", name, err)
		}
	}
}

// What cannot be replicated is told of, and replicated when it can be.
func TestReplicationTellsWhatFails(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.flow.Replicas["there"] = unreachable{there}
	job := w.startJob("b", backup.JobBackup)
	w.turns(func() bool {
		all := w.replicas()
		return w.job(job.ID).Status.Terminal() && len(all) == 1 && all[0].Problem != nil
	})
	if got := w.job(job.ID).Status; got != backup.JobCompleted {
		t.Errorf("the backup is %s: it has nothing to do with it", got)
	}
	w.flow.Replicas["there"] = there
	w.replicateOnce()
	if r := w.replicas()[0]; r.Done.IsZero() || r.Problem != nil {
		t.Errorf("replica = %+v", r)
	}
}

// unreachable is a store that cannot answer.
type unreachable struct{ objstore.Store }

func (unreachable) Stat(context.Context, string) (objstore.Info, error) {
	return objstore.Info{}, objstore.ErrUnavailable
}

// A vault that is not to be replicated is not.
func TestNothingIsReplicatedUnasked(t *testing.T) {
	w, there := newReplicatedWorld(t)
	w.flow.Regions = nil
	job := w.startJob("b", backup.JobBackup)
	w.turns(func() bool { return w.job(job.ID).Status.Terminal() })
	w.replicateOnce()
	for info := range there.List(t.Context(), "") {
		t.Errorf("%s was written", info.Name)
	}
	if all := w.replicas(); len(all) != 0 {
		t.Errorf("replicas = %v", all)
	}
}
