package service

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/inventory"
)

func TestCareMetrics(t *testing.T) {
	const vault = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.DataProtection/backupVaults/v"
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	store := catalogtest.NewMemory()
	err := store.Update(context.Background(), func(tx catalog.Tx) error {
		return errors.Join(
			inventory.Vaults.Put(tx, &backup.Vault{Meta: backup.Meta{ID: vault, Location: "east"}, CrossRegion: "Enabled",
				Storage: []backup.StorageSetting{{Tier: backup.TierVault, Redundancy: "GeoRedundant"}}}),
			inventory.Cares.Put(tx, &backup.Care{Meta: backup.Meta{ID: vault + "/backupInstances/a"}, Condition: backup.Condition{Damaged: []string{"1"}, Findings: 3,
				Verify: backup.Round{Ended: at}, Collect: backup.Round{Ended: at.Add(time.Hour), Problem: &backup.Problem{}}},
				Replica: backup.Condition{Damaged: []string{"1", "2"}, Verify: backup.Round{Ended: at.Add(time.Minute)}}}))
	})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(careMetrics(store, backup.Regions{{Name: "east", Paired: "west"}, {Name: "west", Replicas: true}}, slog.New(slog.DiscardHandler)))
	found, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	verified, collected := float64(at.Unix()), float64(at.Unix()+3600)
	want := map[string]float64{
		"holdfast_vault_damaged_recovery_points ": 1, "holdfast_vault_findings ": 3, "holdfast_vault_upkeep_failing ": 1,
		"holdfast_vault_verified_timestamp_seconds ": verified, "holdfast_vault_collected_timestamp_seconds ": collected,
		"holdfast_vault_damaged_recovery_points west": 2, "holdfast_vault_findings west": 0, "holdfast_vault_upkeep_failing west": 0,
		"holdfast_vault_verified_timestamp_seconds west": verified + 60, // and collected it never was
	}
	for _, f := range found {
		for _, m := range f.GetMetric() {
			key := f.GetName() + " " + m.GetLabel()[0].GetValue() // region comes before vault
			if value, known := want[key]; !known || m.GetGauge().GetValue() != value || m.GetLabel()[1].GetValue() != vault {
				t.Errorf("%s: %v", key, m)
			}
			delete(want, key)
		}
	}
	if len(want) != 0 {
		t.Errorf("missing: %v", want)
	}
}
