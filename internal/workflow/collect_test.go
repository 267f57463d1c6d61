package workflow_test

import (
	"context"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/repo"
)

// What nothing needs goes a day later, also what a mover left that is dead; a
// writer at work is waited for.
func TestGarbageOfTheVaultGoes(t *testing.T) {
	w := newVaultWorld(t)
	w.answer = ofKind(agentv1.KindVault, func(o agentv1.Operation) agentv1.FinishRequest {
		writer, err := w.targetOf(o).NewWriter(t.Context(), repo.WriterOptions{RecoveryPoint: pointID})
		if err == nil {
			err = abandon(writer)
		}
		if err != nil {
			t.Error(err)
		}
		return failing(false)(o)
	}, w.move)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.turns(w.idle)
	w.answer = w.move
	w.turns(w.ended(w.startPoint("j2", strings.Repeat("1", 32)).OperationID))
	before := w.packs()
	w.clock.Advance(25 * time.Hour)
	w.turns(func() bool { return len(w.queue) == 0 })
	if after := w.packs(); before != 2 || after != 1 || w.stateInVault(strings.Repeat("1", 32)) != "there" {
		t.Errorf("%d packs before, %d after: %v", before, after, w.names())
	}
	if err := w.vaulted().Verify(t.Context(), strings.Repeat("1", 32)); err != nil {
		t.Error(err)
	}
}

// abandon stores a stream and ends like a killed mover.
func abandon(writer *repo.Writer) error {
	archive, err := writer.Archive("objects")
	if err != nil {
		return err
	}
	if err := archive.Add("key", []byte("that nobody needs")); err != nil {
		return err
	}
	if _, err := archive.Close(); err != nil {
		return err
	}
	if err := writer.Flush(context.Background()); err != nil {
		return err
	}
	writer.Close()
	return nil
}

func (w *world) packs() int {
	count := 0
	for _, name := range w.names() {
		if strings.HasPrefix(name, vaultAt+"packs/") {
			count++
		}
	}
	return count
}
