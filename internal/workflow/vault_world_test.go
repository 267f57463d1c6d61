package workflow_test

import (
	"encoding/json"
	"errors"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo"
)

// vaultPolicy is a policy whose default rule copies to the vault at once.
func vaultPolicy() *backup.Policy {
	return &backup.Policy{Meta: backup.Meta{ID: policyID, Location: "here", State: backup.StateSucceeded}, Rules: []backup.Rule{{Name: "Default",
		Retention: &backup.RetentionRule{IsDefault: true, Lifecycles: []backup.Lifecycle{
			{Source: backup.TierOperational, DeleteAfter: "P7D", Copies: []backup.Copy{{Target: backup.TierVault, Option: "ImmediateCopyOption"}}},
			{Source: backup.TierVault, DeleteAfter: "P90D"}}}}}}
}

// newVaultWorld is a world in which backups are vaulted, with a cluster that
// really writes into the vault.
func newVaultWorld(t testing.TB) *world {
	w := newWorld(t)
	w.update(func(tx catalog.Tx) error { return inventory.Policies.Put(tx, vaultPolicy()) })
	w.answer = w.move
	return w
}

// move is a cluster in which everything works; what it vaults is there.
func (w *world) move(o agentv1.Operation) agentv1.FinishRequest {
	if o.Kind == agentv1.KindVault {
		if err := w.write(o, w.targetOf(o)); err != nil {
			w.t.Error(err)
		}
	}
	r := succeed(o)
	var b agentv1.Backup
	if o.Kind == agentv1.KindBackup || o.Kind == agentv1.KindVault {
		if err := json.Unmarshal(o.Spec, &b); err != nil {
			w.t.Error(err)
		}
		result := agentv1.BackupResult{RecoveryPointID: b.RecoveryPointID, CutAt: w.clock.Now(), BytesStored: 42, Root: "ab"}
		if o.Kind == agentv1.KindVault {
			m, err := w.targetOf(o).Manifest(w.t.Context(), b.RecoveryPointID)
			if err != nil {
				w.t.Error(err)
			}
			result.Root = m.Root
		}
		r.Result, _ = json.Marshal(result)
	}
	return r
}

// targetOf opens the repository that an operation may write to, as a mover does
// through the gate.
func (w *world) targetOf(o agentv1.Operation) *repo.Repository {
	w.t.Helper()
	var spec agentv1.Vault
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		w.t.Fatal(err)
	}
	return w.open(spec.Target.Key, spec.Target.Prefix)
}

func (w *world) open(raw []byte, prefix string) *repo.Repository {
	w.t.Helper()
	key, err := repo.ParseKey(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := repo.Open(w.t.Context(), objstore.Sub(w.cave, prefix), key)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// write writes the recovery point of an operation into its repository.
func (w *world) write(o agentv1.Operation, to *repo.Repository) error {
	var spec agentv1.Vault
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return err
	}
	writer, err := to.NewWriter(w.t.Context(), repo.WriterOptions{RecoveryPoint: spec.RecoveryPointID})
	if err != nil {
		return err
	}
	defer writer.Close()
	archive, err := writer.Archive("objects")
	if err != nil {
		return err
	}
	if err := archive.Add("key", []byte("value of "+spec.RecoveryPointID)); err != nil {
		return err
	}
	ref, err := archive.Close()
	if err != nil {
		return err
	}
	return writer.Commit(w.t.Context(), repo.Manifest{Created: begin, Streams: []repo.StreamRef{ref}})
}

// vaulted opens the repository of the instance in the vault, as the service has it.
func (w *world) vaulted() *repo.Repository {
	w.t.Helper()
	raw, err := w.ring.Key(w.t.Context(), "vault-"+uid)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.open(raw, vaultAt)
}

// stateInVault is what is in the vault under the id of a recovery point.
func (w *world) stateInVault(id string) string {
	w.t.Helper()
	_, err := w.vaulted().Manifest(w.t.Context(), id)
	switch {
	case err == nil:
		return "there"
	case errors.Is(err, repo.ErrVoid):
		return "void"
	case errors.Is(err, repo.ErrNoRecoveryPoint):
		return "nothing"
	}
	w.t.Fatal(err)
	return ""
}

// ofKind answers operations of one kind by its own, and passes on the rest.
func ofKind(kind agentv1.Kind, answer, rest func(agentv1.Operation) agentv1.FinishRequest) func(agentv1.Operation) agentv1.FinishRequest {
	return func(o agentv1.Operation) agentv1.FinishRequest {
		if o.Kind == kind {
			return answer(o)
		}
		return rest(o)
	}
}

// failing answers with a problem.
func failing(retryable bool) func(agentv1.Operation) agentv1.FinishRequest {
	return func(agentv1.Operation) agentv1.FinishRequest {
		return agentv1.FinishRequest{Outcome: agentv1.OutcomeFailed,
			Problem: &agentv1.Problem{Code: "X", Message: "broken", Actions: []string{"Mend it."}, Retryable: retryable}}
	}
}

// idle says that nothing waits but collections.
func (w *world) idle() bool {
	for _, job := range w.queue {
		if job.Kind != string(backup.WorkCollect) {
			return false
		}
	}
	return true
}
