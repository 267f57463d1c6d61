package workflow_test

import (
	"encoding/json"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
)

// discards counts the orders to discard that a cluster got, and passes on the
// rest.
func discards(t *testing.T, count *int, rest func(agentv1.Operation) agentv1.FinishRequest) func(agentv1.Operation) agentv1.FinishRequest {
	return func(o agentv1.Operation) agentv1.FinishRequest {
		if o.Kind != agentv1.KindDeleteRecoveryPoint {
			return rest(o)
		}
		var spec agentv1.DeleteRecoveryPoint
		if err := json.Unmarshal(o.Spec, &spec); err != nil {
			t.Fatal(err)
		}
		if !spec.Void || spec.RecoveryPointID != pointID || len(spec.Repository.Key) == 0 || spec.Location == nil {
			t.Errorf("spec = %+v", spec)
		}
		*count++
		return succeed(o)
	}
}

// A backup that was given up may still end in the cluster: its recovery point
// must go, since nobody would know of it.
func TestGivenUpBackupIsDiscarded(t *testing.T) {
	w := newWorld(t)
	count := 0
	w.answer = discards(t, &count, silent)
	job := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool { return len(w.asked) == 1 })
	w.clock.Advance(40 * time.Minute)
	w.turns(func() bool { return count == 1 && len(w.queue) == 0 })
	if w.job(job.ID).Status != backup.JobFailed {
		t.Errorf("job = %+v", w.job(job.ID))
	}
}

// The order waits for a cluster that is away, and survives the service's end.
func TestDiscardWaitsForTheCluster(t *testing.T) {
	w := newWorld(t)
	count, away := 0, true
	w.answer = discards(t, &count, func(agentv1.Operation) agentv1.FinishRequest {
		return agentv1.FinishRequest{Outcome: agentv1.OutcomeFailed, Problem: &agentv1.Problem{Code: "X", Message: "broken"}}
	})
	answer := w.answer
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		if o.Kind == agentv1.KindDeleteRecoveryPoint && away {
			return agentv1.FinishRequest{} // claimed, and not heard of again
		}
		return answer(o)
	}
	job := w.startJob("j1", backup.JobBackup)
	w.turns(w.ended(job.OperationID))
	w.turns(func() bool { return len(w.asked) == 2 })
	w.clock.Advance(7 * 24 * time.Hour)
	w.revive()
	away = false
	w.turns(func() bool { return count == 1 && len(w.queue) == 0 })
}

// Nothing is discarded of a backup that succeeded, nor of a restore.
func TestSuccessIsNotDiscarded(t *testing.T) {
	w := newWorld(t)
	count := 0
	w.answer = discards(t, &count, succeed)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.answer = discards(t, &count, func(agentv1.Operation) agentv1.FinishRequest {
		return agentv1.FinishRequest{Outcome: agentv1.OutcomeFailed, Problem: &agentv1.Problem{Code: "X", Message: "broken"}}
	})
	w.turns(w.ended(w.startJob("j2", backup.JobRestore).OperationID))
	w.turns(func() bool { return len(w.queue) == 0 })
	if count != 0 {
		t.Errorf("discarded %d times", count)
	}
}
