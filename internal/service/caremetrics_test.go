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
			inventory.Vaults.Put(tx, &backup.Vault{Meta: backup.Meta{ID: vault}}),
			inventory.Cares.Put(tx, &backup.Care{Meta: backup.Meta{ID: vault + "/backupInstances/a"}, Damaged: []string{"1"}, Findings: 3,
				Verify: backup.Round{Ended: at}, Collect: backup.Round{Ended: at.Add(time.Hour), Problem: &backup.Problem{}}}))
	})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(careMetrics(store, slog.New(slog.DiscardHandler)))
	found, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"holdfast_vault_damaged_recovery_points": 1, "holdfast_vault_findings": 3, "holdfast_vault_upkeep_failing": 1,
		"holdfast_vault_verified_timestamp_seconds": float64(at.Unix()), "holdfast_vault_collected_timestamp_seconds": float64(at.Unix() + 3600),
	}
	for _, f := range found {
		m := f.GetMetric()
		if len(m) != 1 || m[0].GetGauge().GetValue() != want[f.GetName()] || m[0].GetLabel()[0].GetValue() != vault {
			t.Errorf("%s: %v", f.GetName(), m)
		}
		delete(want, f.GetName())
	}
	if len(want) != 0 {
		t.Errorf("missing: %v", want)
	}
}
