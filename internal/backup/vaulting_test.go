package backup

import (
	"strings"
	"testing"
	"time"
)

func TestVaultOnDemand(t *testing.T) {
	operational := func(options ...string) Lifecycle {
		l := Lifecycle{Source: TierOperational, DeleteAfter: "P7D"}
		for _, o := range options {
			l.Copies = append(l.Copies, Copy{Target: TierVault, Option: o})
		}
		return l
	}
	vault := Lifecycle{Source: TierVault, DeleteAfter: "P90D"}
	for name, c := range map[string]struct {
		rule, standard []Lifecycle
		copy           bool
		stay           string
		reason         string
	}{
		"operational only":       {[]Lifecycle{operational()}, []Lifecycle{operational()}, false, "", "keeps no recovery points"},
		"copied at once":         {[]Lifecycle{operational("ImmediateCopyOption"), vault}, []Lifecycle{operational()}, true, "P90D", "keeps recovery points"},
		"vault alone":            {[]Lifecycle{vault}, []Lifecycle{operational()}, true, "P90D", "keeps recovery points"},
		"vault without copying":  {[]Lifecycle{operational(), vault}, []Lifecycle{operational()}, true, "P90D", "keeps recovery points"},
		"copied, default's stay": {[]Lifecycle{operational("ImmediateCopyOption")}, []Lifecycle{operational(), {Source: TierVault, DeleteAfter: "P1Y"}}, true, "P1Y", "at once"},
		"copied, kept":           {[]Lifecycle{operational("ImmediateCopyOption")}, []Lifecycle{operational()}, true, "", "at once"},
		"copied when it expires": {[]Lifecycle{operational("CopyOnExpiryOption")}, []Lifecycle{operational()}, false, "", "keeps no recovery points"},
	} {
		p := Policy{Rules: []Rule{
			{Name: "Tag", Retention: &RetentionRule{Lifecycles: c.rule}},
			{Name: "Default", Retention: &RetentionRule{IsDefault: true, Lifecycles: c.standard}},
		}}
		d := p.VaultOnDemand(p.Rules[0])
		if d.Copy != c.copy || d.DeleteAfter != c.stay || !strings.Contains(d.Reason, c.reason) || !strings.Contains(d.Reason, "Tag") {
			t.Errorf("%s: %+v", name, d)
		}
		if stay := p.OperationalStay(p.Rules[0]); stay != "P7D" {
			t.Errorf("%s: stays in the operational tier for %q", name, stay)
		}
	}
}

func TestRetentionOf(t *testing.T) {
	p := goodPolicy()
	for tag, want := range map[string]string{"": "Default", "daily": "Daily", "gone": "Default"} {
		if rule, ok := p.RetentionOf(tag); !ok || rule.Name != want {
			t.Errorf("%q falls under %q", tag, rule.Name)
		}
	}
	if _, ok := (Policy{}).RetentionOf(""); ok {
		t.Error("a policy without rules has one")
	}
}

func TestJobInTwoHalves(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	left := Warning{Resource: "x", Problem: *NewProblem(CodeGenericWarning, "", "left out")}
	j := &Job{Kind: JobBackup, Status: JobInProgress, RecoveryPointID: "ab", Progress: Progress{BytesDone: 42},
		Tasks: []Task{{Name: "Trigger Backup", Status: JobInProgress}}}
	if j.Work().Kind != WorkBackup || !j.HoldsInstance() || CheckRunning([]Job{*j}, JobBackup) == nil {
		t.Error("the first half is not the backup's")
	}
	j.BeginVaulting(now, VaultDecision{Copy: true, DeleteAfter: "P1D"}, []Warning{left})
	if j.Work().Kind != WorkVault || j.HoldsInstance() || CheckRunning([]Job{*j}, JobBackup) != nil || j.Progress.BytesDone != 0 {
		t.Errorf("second half: %+v", j)
	}
	j.MissVault(now, NewProblem(CodeClusterNotConnected, "", "it is away"), nil)
	if j.Status != JobCompletedWithWarnings || j.Tasks[0] != (Task{Name: "Trigger Backup", Status: JobCompleted, Bytes: 42, Ended: now}) || j.Tasks[1] != (Task{Name: TaskVaulting, Status: JobFailed, Ended: now}) {
		t.Errorf("missed: %s %+v", j.Status, j.Tasks)
	}
	missing := j.Warnings[1].Problem
	if len(j.Warnings) != 2 || missing.Code != CodeVaultCopyMissing || len(missing.Actions) < 2 || !strings.Contains(missing.Message, "it is away") {
		t.Errorf("warnings: %+v", j.Warnings)
	}
	j.MissVault(now, &missing, nil)
	if len(j.Warnings) != 2 {
		t.Error("a job that has ended changed")
	}
}

func TestPointExpiresWithItsLastStore(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	var p RecoveryPoint
	for _, c := range []struct {
		add  RecoveryStore
		want time.Time
		all  int
	}{
		{RecoveryStore{Tier: TierOperational, Expires: at(7)}, at(7), 1},
		{RecoveryStore{Tier: TierVault, Expires: at(30)}, at(30), 2},
		{RecoveryStore{Tier: TierVault, Expires: at(3)}, at(7), 2},
		{RecoveryStore{Tier: TierVault}, time.Time{}, 2},
		{RecoveryStore{Tier: TierOperational, Expires: at(9)}, time.Time{}, 2},
	} {
		if p.AddStore(c.add); !p.Expires.Equal(c.want) || len(p.Stores) != c.all {
			t.Errorf("after %+v: expires %v, stores %+v", c.add, p.Expires, p.Stores)
		}
	}
}
