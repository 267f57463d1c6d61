package service

import (
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

// replicationMetrics shows how far every instance is replicated.
func replicationMetrics(store catalog.Store, clk clock.Clock, log *slog.Logger) *vaultMetrics {
	return &vaultMetrics{store: store, log: log, what: "replication",
		descs: []*prometheus.Desc{replicaAge, replicaLag, replicaPending, replicaWaiting},
		show: func(tx catalog.Tx, vault *backup.Vault, out chan<- prometheus.Metric) error {
			if vault.CrossRegion != "Enabled" {
				return nil
			}
			return showReplications(tx, vault.ID, clk.Now(), out)
		}}
}

func showReplications(tx catalog.Tx, vault string, now time.Time, out chan<- prometheus.Metric) error {
	instances, err := inventory.Instances.Below(tx, vault)
	if err != nil {
		return err
	}
	for i := range instances {
		sum, ok, err := inventory.ReplicationOf(tx, instances[i].ID)
		if err != nil {
			return err
		}
		if ok {
			showReplication(instances[i].ID, sum, now, out)
		}
	}
	return nil
}

func showReplication(instance string, sum backup.Replication, now time.Time, out chan<- prometheus.Metric) {
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
