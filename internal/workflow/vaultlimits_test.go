package workflow_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// limited is vaultPolicy with limits.
func limited(l *backup.VaultLimits) *backup.Policy {
	p := vaultPolicy()
	p.VaultLimits = l
	return p
}

// What the cluster is told is bounded by the policy of the backup, and by the
// service where that says nothing. Here the service takes seven volumes.
func TestVaultLimitsOfThePolicy(t *testing.T) {
	one := int64(1)
	for name, c := range map[string]struct {
		limits *backup.VaultLimits
		want   agentv1.VaultLimits
	}{
		"the service's": {nil, agentv1.VaultLimits{Volumes: 7}},
		"Azure's":       {&backup.VaultLimits{Profile: "Azure"}, agentv1.VaultLimits{VolumeBytes: 1 << 40, Volumes: 100}},
		"its own":       {&backup.VaultLimits{BytesPerSecond: &one}, agentv1.VaultLimits{Volumes: 7, BytesPerSecond: 1}},
	} {
		w := newVaultWorld(t)
		w.update(func(tx catalog.Tx) error { return inventory.Policies.Put(tx, limited(c.limits)) })
		var got agentv1.VaultLimits
		w.answer = ofKind(agentv1.KindVault, func(o agentv1.Operation) agentv1.FinishRequest {
			var spec agentv1.Vault
			if err := json.Unmarshal(o.Spec, &spec); err != nil {
				t.Fatal(err)
			}
			got = spec.Limits
			return w.move(o)
		}, w.move)
		w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// bounded is a cluster that has volumes of these sizes and leaves out of the vault
// what is larger than it was told.
func (w *world) bounded(volumes []agentv1.Volume) func(agentv1.Operation) agentv1.FinishRequest {
	return func(o agentv1.Operation) agentv1.FinishRequest {
		r := w.move(o)
		var result agentv1.BackupResult
		var spec agentv1.Vault
		if json.Unmarshal(r.Result, &result) != nil || json.Unmarshal(o.Spec, &spec) != nil {
			return r
		}
		result.Volumes = slices.Clone(volumes)
		for i := range result.Volumes {
			if v := &result.Volumes[i]; o.Kind == agentv1.KindVault && spec.Limits.VolumeBytes > 0 && v.SizeBytes > spec.Limits.VolumeBytes {
				v.State, v.ReasonCode = agentv1.VolumeSkipped, "UserErrorVolumeTooLargeForVaultTier"
			}
		}
		r.Result, _ = json.Marshal(result)
		return r
	}
}

var sizes = []agentv1.Volume{
	{Namespace: "shop", Claim: "fits", State: agentv1.VolumeProtected, SizeBytes: 1 << 40},
	{Namespace: "shop", Claim: "huge", State: agentv1.VolumeProtected, SizeBytes: 64 << 40},
}

// FAQ: the operational tier takes disks of any size, the vault those of at most
// 1 TB: the profile Azure. The larger one is named with its reason, and the copy of
// the other is there.
func TestFAQVaultTakesVolumesOfAtMostOneTBInTheProfileAzure(t *testing.T) {
	w := newVaultWorld(t)
	w.update(func(tx catalog.Tx) error {
		return inventory.Policies.Put(tx, limited(&backup.VaultLimits{Profile: "Azure"}))
	})
	w.answer = w.bounded(sizes)
	job := w.startJob("j1", backup.JobBackup)
	w.turns(w.ended(job.OperationID))
	point := w.points()[0]
	operational, _ := point.Store(backup.TierOperational)
	copied, vaulted := point.Store(backup.TierVault)
	if len(operational.LeftOut) != 0 || !point.Volumes[0].Protected || !point.Volumes[1].Protected {
		t.Errorf("the operational tier left out %+v of %+v", operational.LeftOut, point.Volumes)
	}
	want := backup.RecoveryVolume{Namespace: "shop", Claim: "huge", Reason: "UserErrorVolumeTooLargeForVaultTier", SizeBytes: 64 << 40}
	if !vaulted || len(copied.LeftOut) != 1 || copied.LeftOut[0] != want {
		t.Errorf("the vault left out %+v", copied.LeftOut)
	}
	if j := w.job(job.ID); j.Status != backup.JobCompletedWithWarnings || !strings.Contains(j.Warnings[0].Resource, "shop/huge") || j.Details["vaultVolumes"] != "1" {
		t.Errorf("job = %+v", j)
	}
}

// Our own defaults are wider: without limits every volume is taken.
func TestVaultTakesVolumesOfAnySizeByItself(t *testing.T) {
	w := newVaultWorld(t)
	w.answer = w.bounded(sizes)
	job := w.startJob("j1", backup.JobBackup)
	w.turns(w.ended(job.OperationID))
	if copied, _ := w.points()[0].Store(backup.TierVault); len(copied.LeftOut) != 0 || w.job(job.ID).Status != backup.JobCompleted {
		t.Errorf("left out %+v", copied.LeftOut)
	}
}

// FAQ (support matrix): any number of on-demand backups a day goes to the vault, by
// naming a rule with vault storage; they do not take the place of the policy's one.
func TestFAQOnDemandBackupsGoToTheVaultAnyNumberADay(t *testing.T) {
	w, _ := newExpiring(t, dailyPolicy("ImmediateCopyOption", ""))
	for n := 1; n <= 12; n++ {
		if j := w.backUp(n, "Daily"); j.Status != backup.JobCompleted || j.Vaulting == nil {
			t.Fatalf("backup %d: %+v", n, j)
		}
		w.clock.Advance(1)
	}
	w.backUp(13, "") // the policy's own
	w.backUp(14, "")
	w.expectListed("1:OV 2:OV 3:OV 4:OV 5:OV 6:OV 7:OV 8:OV 9:OV 10:OV 11:OV 12:OV 13:OV 14:O")
}
