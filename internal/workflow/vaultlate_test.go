package workflow_test

import (
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
)

// FAQ: "Once a backup is created in the Operational Tier ... it becomes eligible for
// vaulting immediately." The job that made it is the one that copies it, in the same
// transaction, and the cluster is asked at once.
func TestFAQBackupIsEligibleForTheVaultAtOnce(t *testing.T) {
	w := newVaultWorld(t)
	var made, asked time.Time
	answer := w.answer
	w.answer = ofKind(agentv1.KindVault, func(o agentv1.Operation) agentv1.FinishRequest {
		asked = w.clock.Now()
		return answer(o)
	}, answer)
	job := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool {
		if len(w.points()) == 1 && made.IsZero() {
			made = w.clock.Now()
			if w.job(job.ID).Vaulting == nil {
				t.Error("there is a recovery point and nothing is about to copy it")
			}
		}
		return w.ended(job.OperationID)()
	})
	if j := w.job(job.ID); asked.Sub(made) > time.Minute || j.Vaulting.Began.Sub(j.Vaulting.Since) > time.Minute || len(j.Warnings) > 0 {
		t.Errorf("made at %v, asked at %v, job %+v", made, asked, j)
	}
}

// away is a cluster that nobody hears of from the end of the backup until then.
func (w *world) away(until time.Duration, job *backup.Job) {
	w.t.Helper()
	w.turns(func() bool { return w.job(job.ID).Vaulting != nil })
	w.clusterAway = true
	heals := w.clock.Now().Add(until)
	w.turns(func() bool {
		w.clock.Advance(until / 30)
		return !w.clock.Now().Before(heals)
	})
	w.clusterAway = false
}

// FAQ: "the transfer to the Vault Tier is initiated within the next 4 hours." A
// cluster that comes back within them is in time. One that comes later is waited
// for: the copy is made, and that it is late is said while it waits, on the job, and
// counted.
func TestFAQTransferToTheVaultBeginsWithinFourHours(t *testing.T) {
	for name, c := range map[string]struct {
		away  time.Duration
		phase string
		late  int64
	}{
		"in time": {3*time.Hour + 50*time.Minute, "Waiting for the cluster", 0},
		"late":    {9 * time.Hour, "Waiting for the cluster, for more than 4h0m0s", 1},
	} {
		w := newVaultWorld(t)
		job := w.startJob("j1", backup.JobBackup)
		w.away(c.away, job)
		if got := w.job(job.ID).Progress.Phase; got != c.phase {
			t.Errorf("%s: while it waits, people read %q", name, got)
		}
		w.turns(w.ended(job.OperationID))
		j := w.job(job.ID)
		if points := w.points(); len(points) != 1 || len(points[0].Stores) != 2 {
			t.Errorf("%s: %+v", name, points)
		}
		if got := w.flow.VaultCounts.Late.Load(); got != c.late || int64(len(j.Warnings)) != c.late {
			t.Errorf("%s: %d are counted as late, the job says %+v", name, got, j.Warnings)
		}
		if c.late == 1 && (j.Status != backup.JobCompletedWithWarnings || j.Warnings[0].Problem.Code != backup.CodeVaultingLate || len(j.Warnings[0].Problem.Actions) == 0) {
			t.Errorf("%s: job = %+v", name, j)
		}
	}
}

// A cluster that does not come back for a day is given up, which is counted too.
func TestVaultingIsGivenUpAfterADay(t *testing.T) {
	w := newVaultWorld(t)
	job := w.startJob("j1", backup.JobBackup)
	w.away(25*time.Hour, job)
	w.turns(w.ended(job.OperationID))
	if j := w.job(job.ID); j.Status != backup.JobCompletedWithWarnings || !strings.Contains(j.Warnings[0].Problem.Message, "within 24h0m0s") && !strings.Contains(j.Warnings[0].Problem.Message, "did not finish") ||
		w.flow.VaultCounts.Missed.Load() != 1 {
		t.Errorf("job = %+v, missed %d", j, w.flow.VaultCounts.Missed.Load())
	}
}
