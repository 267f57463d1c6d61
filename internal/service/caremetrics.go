package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

var (
	careLabels  = []string{"vault"}
	careDamaged = prometheus.NewDesc("holdfast_vault_damaged_recovery_points",
		"Recovery points of a vault that the last verification found damaged: anything but 0 needs somebody.", careLabels, nil)
	careFindings = prometheus.NewDesc("holdfast_vault_findings",
		"Everything that the last verifications of a vault found, also what has no effect.", careLabels, nil)
	careVerified = prometheus.NewDesc("holdfast_vault_verified_timestamp_seconds",
		"When the repository of the vault that waits longest was verified; absent until all were.", careLabels, nil)
	careCollected = prometheus.NewDesc("holdfast_vault_collected_timestamp_seconds",
		"When garbage was collected in the repository of the vault that waits longest; absent until it was in all.", careLabels, nil)
	careFailing = prometheus.NewDesc("holdfast_vault_upkeep_failing",
		"Repositories of a vault whose last verification or collection failed.", careLabels, nil)
)

// careScrape bounds the reading for one scrape.
const careScrape = 30 * time.Second

// careMetrics shows how the repositories in the vaults are, at the moment it is asked.
type careMetrics struct {
	store catalog.Store
	log   *slog.Logger
}

// Describe names the metrics.
func (m *careMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{careDamaged, careFindings, careVerified, careCollected, careFailing} {
		out <- desc
	}
}

// Collect reads the catalog.
func (m *careMetrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), careScrape)
	defer cancel()
	err := m.store.View(ctx, func(tx catalog.Tx) error {
		vaults, err := inventory.Vaults.Below(tx, "")
		if err != nil {
			return err
		}
		for i := range vaults {
			known, err := inventory.Cares.Below(tx, vaults[i].ID)
			if err != nil {
				return err
			}
			showCare(backup.SumCare(known), vaults[i].ID, out)
		}
		return nil
	})
	if err != nil {
		m.log.Warn("the state of the vaults could not be measured", "error", err)
	}
}

func showCare(s backup.CareSum, vault string, out chan<- prometheus.Metric) {
	put := func(desc *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, vault)
	}
	put(careDamaged, float64(s.Damaged))
	put(careFindings, float64(s.Findings))
	put(careFailing, float64(s.Failing))
	if !s.Verified.IsZero() {
		put(careVerified, float64(s.Verified.Unix()))
	}
	if !s.Collected.IsZero() {
		put(careCollected, float64(s.Collected.Unix()))
	}
}
