package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
)

var (
	replicaLabels = []string{"instance", "region"}
	replicaAge    = prometheus.NewDesc("holdfast_replication_rpo_seconds",
		"Age of the newest recovery point of a backup instance in the paired region: what would be lost with the first region.", replicaLabels, nil)
	replicaLag = prometheus.NewDesc("holdfast_replication_lag_seconds",
		"How long the newest replicated recovery point took from the vault into the paired region.", replicaLabels, nil)
	replicaPending = prometheus.NewDesc("holdfast_replication_pending",
		"Recovery points of a backup instance that are on their way into the paired region.", replicaLabels, nil)
	replicaWaiting = prometheus.NewDesc("holdfast_replication_pending_seconds",
		"How long the first of these is on its way; more than 43200 is late.", replicaLabels, nil)
)

// replicationMetrics shows how far every instance is replicated, at the moment it
// is asked.
type replicationMetrics struct {
	store catalog.Store
	clock clock.Clock
	log   *slog.Logger
}

// Describe names the metrics.
func (m *replicationMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{replicaAge, replicaLag, replicaPending, replicaWaiting} {
		out <- desc
	}
}

// scrapeTime bounds the reading for one scrape.
const scrapeTime = 30 * time.Second

// Collect reads the catalog.
func (m *replicationMetrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	err := m.store.View(ctx, func(tx catalog.Tx) error {
		vaults, err := inventory.Vaults.Below(tx, "")
		if err != nil {
			return err
		}
		for i := range vaults {
			if vaults[i].CrossRegion != "Enabled" {
				continue
			}
			if err := m.vault(tx, vaults[i].ID, out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		m.log.Warn("replication could not be measured", "error", err)
	}
}

func (m *replicationMetrics) vault(tx catalog.Tx, id string, out chan<- prometheus.Metric) error {
	instances, err := inventory.Instances.Below(tx, id)
	if err != nil {
		return err
	}
	for i := range instances {
		sum, ok, err := inventory.ReplicationOf(tx, instances[i].ID)
		if err != nil {
			return err
		}
		if ok {
			m.show(instances[i].ID, sum, out)
		}
	}
	return nil
}

func (m *replicationMetrics) show(instance string, sum backup.Replication, out chan<- prometheus.Metric) {
	now := m.clock.Now()
	put := func(desc *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, instance, sum.Region)
	}
	waiting := 0.0
	if sum.Pending > 0 {
		waiting = now.Sub(sum.Since).Seconds()
	}
	put(replicaPending, float64(sum.Pending))
	put(replicaWaiting, waiting)
	if sum.Newest != "" {
		put(replicaAge, sum.Age(now).Seconds())
		put(replicaLag, sum.Lag.Seconds())
	}
}
