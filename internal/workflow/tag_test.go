package workflow_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// dailyPolicy tags the first backup of the day; option says when it is copied to
// the vault.
func dailyPolicy(option, after string) *backup.Policy {
	p := vaultPolicy()
	p.Rules[0].Retention.Lifecycles = p.Rules[0].Retention.Lifecycles[:1]
	p.Rules[0].Retention.Lifecycles[0].Copies = nil
	p.Rules = append(p.Rules, backup.Rule{Name: "Daily", Retention: &backup.RetentionRule{Lifecycles: []backup.Lifecycle{
		{Source: backup.TierOperational, DeleteAfter: "P3D", Copies: []backup.Copy{{Target: backup.TierVault, Option: option, After: after}}},
		{Source: backup.TierVault, DeleteAfter: "P30D"}}}})
	zone := "Tokyo Standard Time" // the world begins on November 23, 05:00 there
	p.Rules = append(p.Rules, backup.Rule{Name: "BackupHourly", Backup: &backup.BackupRule{TimeZone: &zone, Tags: []backup.TaggingRule{
		{Name: "Daily", Priority: 25, Criteria: []backup.Criteria{{Absolute: []string{"FirstOfDay"}}}},
		{Name: "Default", IsDefault: true, Priority: 99}}}})
	return p
}

func (w *world) tagOf(n int) string {
	w.t.Helper()
	for _, p := range w.points() {
		if p.Name() == nth(n) {
			return p.Tag
		}
	}
	w.t.Fatalf("no recovery point %d", n)
	return ""
}

// The policy tags what nobody has tagged, in its zone. What a person has tagged
// does not count as the first of the day.
func TestPolicyTagsTheFirstOfTheDay(t *testing.T) {
	w, _ := newExpiring(t, dailyPolicy("ImmediateCopyOption", ""))
	w.backUp(1, "Default") // on demand, by name
	w.clock.Advance(time.Hour)
	job := w.backUp(2, "")
	w.clock.Advance(4 * time.Hour)
	w.backUp(3, "")
	w.clock.Advance(14*time.Hour + 30*time.Minute) // past midnight in Tokyo
	w.backUp(4, "")
	for n, want := range map[int]string{1: "Default", 2: "Daily", 3: "Default", 4: "Daily"} {
		if got := w.tagOf(n); got != want {
			t.Errorf("backup %d is tagged %s, want %s", n, got, want)
		}
	}
	w.expectListed("1:O 2:OV 3:O 4:OV")
	if reason := job.Details["tag"]; !strings.Contains(reason, "first successful backup of the day that began on Monday 2026-11-23") {
		t.Errorf("tagged because: %s", reason)
	}
}

// The manifest carries the tag, for a catalog that is rebuilt from the bucket.
func TestKeepsakeCarriesTheChosenTag(t *testing.T) {
	w, _ := newExpiring(t, dailyPolicy("ImmediateCopyOption", ""))
	answer := w.answer
	var kept backup.Keepsake
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		if o.Kind == agentv1.KindBackup {
			var spec agentv1.Backup
			err := json.Unmarshal(o.Spec, &spec)
			if err == nil {
				kept, err = backup.ParseKeepsake(spec.Keep)
			}
			if err != nil {
				t.Error(err)
			}
		}
		return answer(o)
	}
	w.backUp(1, "")
	if kept.Tag != "Daily" || kept.Tagging == nil || !kept.Tagging.At.Equal(w.points()[0].Tagging.At) {
		t.Errorf("kept %+v", kept)
	}
}

// FAQ: "In the Vault Tier, only one backup per day can be stored." People may
// send more there.
func TestFAQPolicySendsOneBackupADayToTheVault(t *testing.T) {
	p := dailyPolicy("ImmediateCopyOption", "")
	p.Rules[2].Backup.Tags[0].Criteria[0].Absolute = []string{"AllBackup"}
	w, _ := newExpiring(t, p)
	w.backUp(1, "")
	w.clock.Advance(4 * time.Hour)
	second := w.backUp(2, "")
	w.clock.Advance(4 * time.Hour)
	w.backUp(3, "Daily")
	w.clock.Advance(16 * time.Hour)
	w.backUp(4, "")
	w.expectListed("1:OV 2:O 3:OV 4:OV")
	if reason := second.Details["vault"]; !strings.Contains(reason, "one backup a day") {
		t.Errorf("the second is not in the vault because: %s", reason)
	}
}

// So it is with copies that are made later: the first of each day, in its zone. What
// people send counts beside it.
func TestOneBackupADayIsCopiedLater(t *testing.T) {
	for option, after := range map[string]string{"CopyOnExpiryOption": "", "CustomCopyOption": "P1D"} {
		t.Run(option, func(t *testing.T) {
			p := dailyPolicy(option, after)
			p.Rules[2].Backup.Tags[0].Criteria[0].Absolute = []string{"AllBackup"}
			w, _ := newExpiring(t, p)
			w.backUp(1, "")
			w.clock.Advance(4 * time.Hour)
			second := w.backUp(2, "")
			w.clock.Advance(4 * time.Hour)
			w.backUp(3, "Daily") // sent by a person, at once
			w.clock.Advance(16 * time.Hour)
			w.backUp(4, "")
			w.clock.Advance(4 * time.Hour)
			w.backUp(5, "")
			for range 10 {
				w.sleep(12 * time.Hour)
			}
			for _, point := range w.points() {
				if _, vaulted := point.Store(backup.TierVault); vaulted != strings.Contains(nth(1)+nth(3)+nth(4), point.Name()) {
					t.Errorf("%s: %s in the vault: %v", w.listed(), point.Name(), vaulted)
				}
			}
			if reason := second.Details["vault"]; !strings.Contains(reason, "one backup a day") {
				t.Errorf("the second is not sent because: %s", reason)
			}
			if n := len(w.copyJobs()); n != 2 {
				t.Errorf("%d copies were made later, want 2", n)
			}
		})
	}
}

// More recovery points of a day than are read at once do not hide the one that went
// to the vault.
func TestOneBackupADayAmongMany(t *testing.T) {
	p := dailyPolicy("ImmediateCopyOption", "")
	p.Rules[2].Backup.Tags[0].Criteria[0].Absolute = []string{"AllBackup"}
	w, _ := newExpiring(t, p)
	w.backUp(1, "")
	first := w.points()[0]
	w.update(func(tx catalog.Tx) error {
		for n := 2; n < 120; n++ {
			point := first
			point.ID = strings.Replace(first.ID, nth(1), nth(n), 1)
			point.Tagging, point.Stores = nil, first.Stores[:1]
			if err := inventory.RecoveryPoints.Put(tx, &point); err != nil {
				return err
			}
		}
		return nil
	})
	w.clock.Advance(4 * time.Hour)
	if job := w.backUp(120, ""); !strings.Contains(job.Details["vault"], "one backup a day") {
		t.Errorf("%v", job.Details)
	}
}

// When the copy of the first of the day cannot be made, the day is not lost: the next
// backup counts as the first, and goes to the vault.
func TestNextBackupGoesInPlaceOfAMissedCopy(t *testing.T) {
	w, _ := newExpiring(t, dailyPolicy("ImmediateCopyOption", ""))
	answer := w.answer
	w.answer = ofKind(agentv1.KindVault, failing(false), answer)
	missed := w.backUp(1, "")
	w.answer = answer
	w.clock.Advance(4 * time.Hour)
	w.backUp(2, "")
	w.clock.Advance(4 * time.Hour)
	w.backUp(3, "")
	w.expectListed("1:O 2:OV 3:O")
	for n, want := range map[int]string{1: "Daily", 2: "Daily", 3: "Default"} {
		if got := w.tagOf(n); got != want {
			t.Errorf("backup %d is tagged %s, want %s", n, got, want)
		}
	}
	if missed.Status != backup.JobCompletedWithWarnings || !strings.Contains(missed.Details["vault"], "in its place") {
		t.Errorf("job = %+v", missed)
	}
}

// Criteria that cannot be read must not end a backup, nor go unnoticed.
func TestUnreadableCriteriaGiveTheDefaultTag(t *testing.T) {
	p := dailyPolicy("ImmediateCopyOption", "")
	p.Rules[2].Backup.Tags[0].Criteria[0].Absolute = []string{"FirstOfCentury"}
	w, _ := newExpiring(t, p)
	if job := w.backUp(1, ""); job.Tag != "Default" || !strings.Contains(job.Details["tag"], "FirstOfCentury") {
		t.Errorf("tagged %s: %v", job.Tag, job.Details)
	}
}

// copied counts the jobs that copied a recovery point on their own.
func (w *world) copyJobs() (out []backup.Job) {
	w.view(func(tx catalog.Tx) error {
		all, err := inventory.Jobs.With(tx, inventory.LabelInstance, backup.Key(instID))
		for _, j := range all {
			if j.Vaulting != nil && j.Vaulting.Onward {
				out = append(out, j)
			}
		}
		return err
	})
	return out
}

// What is to be copied when it expires is copied first, then it goes.
func TestCopyOnExpiry(t *testing.T) {
	w, deleted := newExpiring(t, dailyPolicy("CopyOnExpiryOption", ""))
	w.backUp(1, "")
	w.clock.Advance(time.Hour)
	w.backUp(2, "")
	w.expectListed("1:O 2:O")
	w.sleep(3*oneDay - 2*time.Hour)
	w.expectListed("1:O 2:O")
	w.sleep(2 * time.Hour)
	// Being the newest in the vault, it stays in the operational tier as well.
	w.expectListed("1:OV 2:O")
	if all := w.copyJobs(); len(all) != 1 || all[0].Status != backup.JobCompleted || all[0].Tag != "Daily" || all[0].UserTriggered {
		t.Errorf("jobs: %+v", all)
	}
	w.sleep(oneDay)
	w.backUp(3, "")
	w.sleep(4 * oneDay)
	w.expectListed("1:V 3:OV")
	if got := w.stateInVault(nth(1)); got != "there" || deleted[nth(1)] != 1 {
		t.Errorf("in the vault it is %s, deleted %v", got, deleted)
	}
	w.sleep(30 * oneDay)
	w.expectListed("3:OV")
}

// Copied some days later, when it is not to be at once nor at the end.
func TestCustomCopyWaitsItsTime(t *testing.T) {
	w, _ := newExpiring(t, dailyPolicy("CustomCopyOption", "P1D"))
	w.backUp(1, "")
	w.sleep(20 * time.Hour)
	w.expectListed("1:O")
	w.sleep(5 * time.Hour)
	w.expectListed("1:OV")
}

// A copy that fails is begun again a day later; until it is made, the
// operational one stays, and the name in the vault stays free for it.
func TestCopyThatFailsKeepsTheOperationalPoint(t *testing.T) {
	w, _ := newExpiring(t, dailyPolicy("CopyOnExpiryOption", ""))
	w.backUp(1, "")
	w.clock.Advance(time.Hour)
	w.backUp(2, "")
	answer := w.answer
	w.answer = ofKind(agentv1.KindVault, failing(false), answer)
	w.sleep(4 * oneDay)
	w.sleep(time.Hour)
	w.expectListed("1:O 2:O")
	all := w.copyJobs()
	if len(all) != 1 || all[0].Status != backup.JobFailed || all[0].Problem == nil || !strings.Contains(all[0].Problem.Message, "broken") {
		t.Fatalf("jobs: %+v", all)
	}
	if got := w.stateInVault(nth(1)); got != "nothing" {
		t.Errorf("in the vault it is %s", got)
	}
	w.answer = answer
	w.sleep(oneDay)
	w.expectListed("1:OV 2:O")
	if got := w.stateInVault(nth(1)); got != "there" || len(w.copyJobs()) != 2 {
		t.Errorf("in the vault it is %s after %d jobs", got, len(w.copyJobs()))
	}
}

// Many that are due at once are copied one after the other, none twice.
func TestManyCopiesGoOneAfterTheOther(t *testing.T) {
	w, _ := newExpiring(t, dailyPolicy("CopyOnExpiryOption", ""))
	for n := 1; n <= 4; n++ {
		w.backUp(n, "Daily")
		w.clock.Advance(time.Hour)
	}
	// Sent by name they went at once: as if that had failed.
	w.update(func(tx catalog.Tx) error {
		points, err := inventory.RecoveryPoints.Below(tx, instID)
		for i := range points {
			points[i].DropStore(backup.TierVault)
			points[i].Place(backup.TierOperational).Onward = &backup.Onward{Due: w.clock.Now(), DeleteAfter: "P30D"}
			points[i].ID = strings.Replace(points[i].ID, points[i].Name(), nth(100-i), 1) // under names that are free in the vault
			if err == nil {
				err = inventory.RecoveryPoints.Put(tx, &points[i])
			}
		}
		return err
	})
	running := 0
	answer := w.answer
	w.answer = ofKind(agentv1.KindVault, func(o agentv1.Operation) agentv1.FinishRequest {
		for _, j := range w.copyJobs() {
			if !j.Status.Terminal() {
				running++
			}
		}
		return answer(o)
	}, answer)
	w.sleep(0)
	w.sleep(time.Minute)
	w.sleep(time.Minute)
	if all := w.copyJobs(); len(all) != 4 || running != 4 {
		t.Errorf("%d jobs, %d running at the copies", len(all), running)
	}
}
