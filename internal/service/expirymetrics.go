package service

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

var notDeleted = prometheus.NewDesc("holdfast_expired_not_deleted",
	"Recovery points of a vault whose time is over and that their cluster could not delete.", []string{"vault"}, nil)

// expiryMetrics shows what has expired and could not be deleted.
func expiryMetrics(store catalog.Store, log *slog.Logger) *vaultMetrics {
	return &vaultMetrics{store: store, log: log, what: "expiry", descs: []*prometheus.Desc{notDeleted},
		show: func(tx catalog.Tx, vault *backup.Vault, out chan<- prometheus.Metric) error {
			failed, err := inventory.FailedDeletions(tx, vault.ID)
			if err == nil {
				out <- prometheus.MustNewConstMetric(notDeleted, prometheus.GaugeValue, float64(len(failed)), vault.ID)
			}
			return err
		}}
}
