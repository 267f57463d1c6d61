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

// scrapeTime bounds the reading for one scrape.
const scrapeTime = 30 * time.Second

// vaultMetrics shows what the catalog knows of every vault, at the moment it is
// asked.
type vaultMetrics struct {
	store catalog.Store
	log   *slog.Logger
	what  string // is measured, for the log
	descs []*prometheus.Desc
	// show sends the metrics of a vault.
	show func(tx catalog.Tx, vault *backup.Vault, out chan<- prometheus.Metric) error
}

// Describe names the metrics.
func (m *vaultMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range m.descs {
		out <- desc
	}
}

// Collect reads the catalog.
func (m *vaultMetrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	err := m.store.View(ctx, func(tx catalog.Tx) error {
		vaults, err := inventory.Vaults.Below(tx, "")
		if err != nil {
			return err
		}
		for i := range vaults {
			if err := m.show(tx, &vaults[i], out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		m.log.Warn(m.what+" could not be measured", "error", err)
	}
}
