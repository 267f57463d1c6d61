package workflow_test

import (
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// A cluster that is there and has others to do is waited for; one that has nothing
// else to do, or is not heard of, is not.
func TestBusyClusterIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		others, heard bool
		want          backup.JobStatus
	}{
		"busy":         {true, true, backup.JobInProgress},
		"idle":         {false, true, backup.JobFailed},
		"not heard of": {true, false, backup.JobFailed},
	} {
		w := newWorld(t)
		w.clusterAway = true
		if c.others {
			w.update(func(tx catalog.Tx) error {
				_, err := agentops.Post(tx, w.clock.Now(), agentops.Operation{ID: agentops.NewID("another"), ClusterID: clusterID,
					Role: agentv1.RoleExtension, Kind: agentv1.KindBackup, Deadline: w.clock.Now().Add(24 * time.Hour)})
				return err
			})
		}
		job := w.startJob("j1", backup.JobBackup)
		for range 50 {
			w.clock.Advance(time.Minute)
			if c.heard {
				w.heard(clusterID)
			}
			rounds := 0
			w.turns(func() bool { rounds++; return rounds > 1 })
		}
		got := w.job(job.ID)
		if got.Status != c.want || c.want == backup.JobFailed && got.Problem.Code != backup.CodeClusterNotConnected {
			t.Errorf("%s: %s %+v, want %s", name, got.Status, got.Problem, c.want)
		}
	}
}
