package workflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/workflow"
)

const oneDay = 24 * time.Hour

// newExpiring is a world in which recovery points expire. deleted is filled with
// what the cluster was told to delete.
func newExpiring(t testing.TB, p *backup.Policy) (w *world, deleted map[string]int) {
	w = newWorld(t)
	w.expires = true
	if p != nil {
		w.update(func(tx catalog.Tx) error { return inventory.Policies.Put(tx, p) })
	}
	deleted = map[string]int{}
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		if o.Kind == agentv1.KindDeleteRecoveryPoint {
			deleted[deletion(w.t, o).RecoveryPointID]++
		}
		return w.move(o)
	}
	return w, deleted
}

func deletion(t testing.TB, o agentv1.Operation) (spec agentv1.DeleteRecoveryPoint) {
	t.Helper()
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

// nth is the id of the nth recovery point: later ones have smaller ids.
func nth(n int) string { return fmt.Sprintf("%032x", 1000-n) }

// backUp takes the nth backup, with a tag if one is named, and sees it end.
func (w *world) backUp(n int, tag string) *backup.Job {
	w.t.Helper()
	w.heard(clusterID)
	job := w.startPoint(fmt.Sprintf("j%d", n), nth(n))
	job.Tag = tag
	w.update(func(tx catalog.Tx) error { return inventory.Jobs.Put(tx, job) })
	w.turns(w.ended(job.OperationID))
	return w.job(job.ID)
}

// sleep lets time pass, and what comes of it happen.
func (w *world) sleep(d time.Duration) {
	w.t.Helper()
	w.clock.Advance(d)
	w.heard(clusterID)
	n := 0
	w.turns(func() bool { n++; return n > 8 })
}

// expireNow asks for a look.
func (w *world) expireNow() {
	w.update(func(tx catalog.Tx) error {
		return inventory.Enqueue(tx, backup.Work{Kind: backup.WorkExpire, Subject: instID})
	})
}

// listed shows where recovery points are, oldest first: "1:O 2:OV".
func (w *world) listed() string {
	var out []string
	for _, p := range w.points() {
		var n int
		if _, err := fmt.Sscanf(p.Name(), "%x", &n); err != nil {
			w.t.Fatal(err)
		}
		text := fmt.Sprintf("%d:", 1000-n)
		for _, s := range p.Stores {
			text += string(s.Tier[0])
			if s.Going != nil {
				text += "!"
			}
		}
		out = append(out, text)
	}
	slices.Reverse(out)
	return strings.Join(out, " ")
}

func (w *world) expectListed(want string) {
	w.t.Helper()
	if got := w.listed(); got != want {
		w.t.Errorf("there is %q, want %q", got, want)
	}
}

// protect moves the instance, as the doors do.
func (w *world) protect(state backup.ProtectionState) {
	w.update(func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, instID)
		if err != nil {
			return err
		}
		i.Protection = state
		return errors.Join(inventory.Instances.Put(tx, i), inventory.Enqueue(tx, backup.Work{Kind: backup.WorkExpire, Subject: instID}))
	})
}

// FAQ: the vault's identity is to "delete snapshots after retention period".
func TestFAQSnapshotsAreDeletedAfterTheRetentionPeriod(t *testing.T) {
	w, deleted := newExpiring(t, nil)
	for n := 1; n <= 3; n++ {
		w.backUp(n, "")
		w.sleep(oneDay)
	}
	w.sleep(4 * oneDay) // since the first: 7 days
	w.expectListed("2:O 3:O")
	if len(deleted) != 1 || deleted[nth(1)] != 1 {
		t.Errorf("the cluster deleted %v", deleted)
	}
	// The last one stays when no backups are taken any more, however old it is.
	w.sleep(400 * oneDay)
	w.expectListed("3:O")
	w.sleep(400 * oneDay)
	w.expectListed("3:O")
}

// The job sleeps until the next end that is known.
func TestExpirySleepsUntilTheNextEnd(t *testing.T) {
	w, _ := newExpiring(t, nil)
	for _, hours := range []time.Duration{0, 5} {
		w.clock.Advance(hours * time.Hour)
		w.backUp(int(hours)+1, "")
	}
	first := w.points()[1]
	w.clock.Advance(first.Expires.Add(-3 * time.Hour).Sub(w.clock.Now()))
	if got := w.lookOnce(); got != jobs.Again(3*time.Hour) {
		t.Errorf("%+v, want to be called in three hours", got)
	}
	w.clock.Advance(-2 * oneDay)
	if got := w.lookOnce(); got != jobs.Again(24*time.Hour) {
		t.Errorf("%+v, want to be called in a day, at the latest", got)
	}
}

func (w *world) lookOnce() jobs.Result {
	w.t.Helper()
	args, _ := json.Marshal(backup.Work{Kind: backup.WorkExpire, Subject: instID})
	for _, h := range w.flow.Handlers() {
		if h.Kind == string(backup.WorkExpire) {
			result, err := h.Work(w.t.Context(), args)
			if err != nil {
				w.t.Fatal(err)
			}
			return result
		}
	}
	w.t.Fatal("no handler")
	return jobs.Result{}
}

func TestNothingToExpireEndsTheJob(t *testing.T) {
	w, _ := newExpiring(t, nil)
	if got := w.lookOnce(); got != jobs.Done() {
		t.Errorf("%+v without recovery points", got)
	}
	w.update(func(tx catalog.Tx) error { return inventory.Instances.Delete(tx, instID) })
	if got := w.lookOnce(); got != jobs.Done() {
		t.Errorf("%+v without an instance", got)
	}
}

// A restarted service makes sure that each instance has its job, and leaves those
// alone that have.
func TestStartExpiryWakesNobody(t *testing.T) {
	w, _ := newExpiring(t, nil)
	w.store.TakeJobs()
	if err := workflow.StartExpiry(t.Context(), w.store); err != nil {
		t.Fatal(err)
	}
	asked := w.store.TakeJobs()
	if len(asked) != 1 || asked[0].Kind != string(backup.WorkExpire) || asked[0].NotBefore.IsZero() || asked[0].NotBefore.After(begin) {
		t.Errorf("asked for %+v", asked)
	}
}

// In the vault, a recovery point is forgotten and the order to end it given in
// one transaction. Its name is void afterwards, and what nothing needs is collected.
func TestExpiryInTheVault(t *testing.T) {
	w, _ := newExpiring(t, vaultPolicy())
	for n := 1; n <= 3; n++ {
		w.backUp(n, "Default")
		w.sleep(oneDay)
	}
	w.expectListed("1:OV 2:OV 3:OV")
	w.sleep(15 * oneDay)
	w.expectListed("1:V 2:V 3:OV")
	w.sleep(73 * oneDay) // the first is 91 days old, the second 90
	w.expectListed("3:OV")
	for n, want := range map[int]string{1: "void", 2: "void", 3: "there"} {
		if got := w.stateInVault(nth(n)); got != want {
			t.Errorf("%d is %s in the vault, want %s", n, got, want)
		}
	}
	w.sleep(25 * time.Hour)
	if got := w.packs(); got != 1 {
		t.Errorf("%d packs in the vault, want 1", got)
	}
}

// While backups go to the vault, the newest one and the one behind the newest in
// the vault stay in the operational tier.
func TestNewestAndLinkedOperationalPointsStay(t *testing.T) {
	p := vaultPolicy()
	p.Rules = append(p.Rules, backup.Rule{Name: "Short", Retention: &backup.RetentionRule{
		Lifecycles: []backup.Lifecycle{{Source: backup.TierOperational, DeleteAfter: "P2D"}}}})
	w, _ := newExpiring(t, p)
	w.backUp(1, "Default")
	w.sleep(time.Hour)
	w.backUp(2, "Short")
	w.sleep(time.Hour)
	w.backUp(3, "Short")
	w.expectListed("1:OV 2:O 3:O")
	w.sleep(60 * oneDay)
	w.expectListed("1:OV 3:O")
	w.backUp(4, "Default")
	w.sleep(0)
	w.expectListed("1:V 4:OV")
}

// A recovery point that is damaged is not the good one that must be left: the newest
// that is whole stays beside it.
func TestLastRecoveryPointWithoutDamageStays(t *testing.T) {
	w, _ := newExpiring(t, vaultPolicy())
	for n := 1; n <= 3; n++ {
		w.backUp(n, "Default")
		w.sleep(oneDay)
	}
	w.update(func(tx catalog.Tx) error {
		point, err := inventory.RecoveryPoints.Get(tx, instID+"/recoveryPoints/"+nth(3))
		if err != nil {
			return err
		}
		point.DropStore(backup.TierOperational)
		point.Place(backup.TierVault).Damage = &backup.Damage{Reason: backup.CodeVaultDataDamaged, Volumes: []string{"a/b"}}
		return inventory.RecoveryPoints.Put(tx, point)
	})
	w.sleep(200 * oneDay)
	w.expectListed("2:OV 3:V")
	w.sleep(200 * oneDay)
	if got := w.stateInVault(nth(2)); got != "there" {
		t.Errorf("the last good one is %s in the vault, and listed %s", got, w.listed())
	}
	w.backUp(4, "Default")
	w.sleep(oneDay)
	w.expectListed("4:OV")
}

// Stopped protection keeps everything, suspended backups keep by the policy, and
// what has expired meanwhile goes when protection goes on.
func TestStopSuspendAndResume(t *testing.T) {
	w, _ := newExpiring(t, nil)
	for n := 1; n <= 3; n++ {
		w.backUp(n, "")
		w.sleep(time.Hour)
	}
	w.protect(backup.ProtectionStopped)
	w.sleep(100 * oneDay)
	w.expectListed("1:O 2:O 3:O")
	w.protect(backup.ProtectionConfigured)
	w.sleep(0)
	w.expectListed("3:O")
	w.backUp(4, "")
	w.sleep(time.Hour)
	w.backUp(5, "")
	w.sleep(0)
	w.expectListed("4:O 5:O")
	w.protect(backup.BackupsSuspended)
	w.sleep(3 * oneDay)
	w.expectListed("4:O 5:O")
	w.sleep(100 * oneDay)
	w.expectListed("5:O")
}

// Points keep the retention they were taken under.
func TestChangedPolicyIsForLaterPoints(t *testing.T) {
	w, _ := newExpiring(t, nil)
	w.backUp(1, "")
	w.update(func(tx catalog.Tx) error {
		p, err := inventory.Policies.Get(tx, policyID)
		if err != nil {
			return err
		}
		p.Rules[0].Retention.Lifecycles[0].DeleteAfter = "P1D"
		return inventory.Policies.Put(tx, p)
	})
	w.sleep(time.Hour)
	w.backUp(2, "")
	w.sleep(time.Hour)
	w.backUp(3, "")
	w.sleep(2 * oneDay)
	w.expectListed("1:O 3:O")
	w.sleep(5 * oneDay)
	w.expectListed("3:O")
}

// A cluster that is away keeps nothing from being told, nor the entry from being
// listed until it has answered; nothing can be restored from there meanwhile.
func TestExpiryWaitsForTheCluster(t *testing.T) {
	w, deleted := newExpiring(t, nil)
	w.backUp(1, "")
	w.sleep(time.Hour)
	w.backUp(2, "")
	away, answer := true, w.answer
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		if away && o.Kind == agentv1.KindDeleteRecoveryPoint {
			return agentv1.FinishRequest{} // claimed, and not heard of again
		}
		return answer(o)
	}
	w.sleep(8 * oneDay)
	w.expectListed("1:O! 2:O")
	point := w.points()[1]
	if p := (backup.RestoreRequest{Tier: backup.TierOperational}).CheckAgainst(&point); p == nil || !strings.Contains(p.Message, "is being deleted") {
		t.Errorf("a restore is answered with %v", p)
	}
	w.revive()
	w.sleep(70 * oneDay) // given up, and asked again
	w.expectListed("1:O! 2:O")
	away = false
	w.sleep(time.Hour)
	w.sleep(2 * time.Hour)
	w.expectListed("2:O")
	if deleted[nth(1)] == 0 || deleted[nth(2)] != 0 {
		t.Errorf("the cluster deleted %v", deleted)
	}
}

// A cluster that cannot delete is asked again after a pause, and the entry says
// what is wrong.
func TestExpiryTriesAgainWhatFailed(t *testing.T) {
	w, deleted := newExpiring(t, nil)
	w.backUp(1, "")
	w.sleep(time.Hour)
	w.backUp(2, "")
	answer := w.answer
	w.answer = ofKind(agentv1.KindDeleteRecoveryPoint, failing(false), answer)
	w.sleep(8 * oneDay)
	w.expectListed("1:O! 2:O")
	point := w.points()[1]
	if going := point.Stores[0].Going; going.Attempt != 2 || going.Problem == nil || going.Problem.Message != "broken" {
		t.Errorf("going = %+v", going)
	}
	failed := func() (n int) {
		w.view(func(tx catalog.Tx) error {
			all, err := inventory.FailedDeletions(tx, vaultID)
			n = len(all)
			return err
		})
		return n
	}
	if n := failed(); n != 1 {
		t.Errorf("%d are known to have failed", n)
	}
	w.answer = answer
	w.sleep(30 * time.Minute)
	w.expectListed("1:O! 2:O")
	w.sleep(time.Hour)
	w.expectListed("2:O")
	if deleted[nth(1)] != 1 || failed() != 0 {
		t.Errorf("the cluster deleted %v, %d failed", deleted, failed())
	}
}

// What a restore reads stays until it has ended.
func TestExpiryWaitsForARestore(t *testing.T) {
	w, _ := newExpiring(t, nil)
	w.backUp(1, "")
	w.sleep(time.Hour)
	w.backUp(2, "")
	answer := w.answer
	var reading bool
	w.answer = ofKind(agentv1.KindRestore, func(o agentv1.Operation) agentv1.FinishRequest {
		reading = true
		return agentv1.FinishRequest{}
	}, answer)
	w.clock.Advance(7*oneDay - 3*time.Minute)
	w.heard(clusterID)
	job := w.startJob("r1", backup.JobRestore)
	job.RecoveryPointID, job.Restore.RecoveryPointID = nth(1), nth(1)
	w.update(func(tx catalog.Tx) error { return inventory.Jobs.Put(tx, job) })
	w.turns(func() bool { return reading })
	w.sleep(4 * time.Minute)
	w.expectListed("1:O 2:O")
	w.answer = answer
	w.sleep(40 * time.Minute) // the lease has run out, and the restore is done by another
	w.turns(w.ended(job.OperationID))
	w.sleep(0)
	w.expectListed("2:O")
}

// A service killed at any transaction loses nothing: the same entries in the
// end, and the cluster told once.
func expireScene(t *testing.T, w *world) {
	w.expires = true
	w.update(func(tx catalog.Tx) error { return inventory.Policies.Put(tx, vaultPolicy()) })
	w.answer = w.move
	for n := 1; n <= 2; n++ {
		w.backUp(n, "Default")
		w.clock.Advance(time.Hour)
	}
	w.clock.Advance(100 * oneDay)
	w.expireNow()
	w.turns(func() bool { return w.listed() == "2:OV" && w.stateInVault(nth(1)) == "void" })
}
