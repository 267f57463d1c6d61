package service

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

var (
	// region is empty for the vault itself, and else where its replicas are.
	careLabels  = []string{"vault", "region"}
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

// careMetrics shows how the repositories in the vaults are.
func careMetrics(store catalog.Store, regions backup.Regions, log *slog.Logger) *vaultMetrics {
	return &vaultMetrics{store: store, log: log, what: "the state of the vaults",
		descs: []*prometheus.Desc{careDamaged, careFindings, careVerified, careCollected, careFailing},
		show: func(tx catalog.Tx, vault *backup.Vault, out chan<- prometheus.Metric) error {
			known, err := inventory.Cares.Below(tx, vault.ID)
			if err == nil {
				showCares(known, vault.ID, vault.ReplicaRegion(regions), out)
			}
			return err
		}}
}

// showCares shows the repositories of a vault and, where it is replicated, its
// replicas.
func showCares(known []backup.Care, vault, region string, out chan<- prometheus.Metric) {
	var here, there []backup.Condition
	for _, c := range known {
		here, there = append(here, c.Condition), append(there, c.Replica)
	}
	showCare(backup.SumCare(here), vault, "", out)
	if region != "" {
		showCare(backup.SumCare(there), vault, region, out)
	}
}

func showCare(s backup.CareSum, vault, region string, out chan<- prometheus.Metric) {
	put := func(desc *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, vault, region)
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
