package service

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast.dev/holdfast/internal/workflow"
)

// countSchedule shows what the schedule has started.
func (m *metrics) countSchedule(counts *workflow.ScheduleCounts) {
	for _, c := range []struct {
		name, help string
		count      *atomic.Int64
	}{
		{"started", "Backups that the schedule has started.", &counts.Started},
		{"late", "Backups that the schedule has started after the end of their window.", &counts.Late},
		{"missed", "Due times of policies that passed without a backup.", &counts.Missed},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "holdfast_scheduled_backups_" + c.name + "_total", Help: c.help,
		}, func() float64 { return float64(c.count.Load()) }))
	}
}

// countVaulting shows which copies into the vault went badly.
func (m *metrics) countVaulting(counts *workflow.VaultCounts) {
	for _, c := range []struct {
		name, help string
		count      *atomic.Int64
	}{
		{"late", "Copies into a vault that began more than 4 hours after their recovery point was made.", &counts.Late},
		{"missed", "Recovery points that could not be copied into their vault.", &counts.Missed},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "holdfast_vaulting_" + c.name + "_total", Help: c.help,
		}, func() float64 { return float64(c.count.Load()) }))
	}
}
