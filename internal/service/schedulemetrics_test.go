package service

import (
	"net/http/httptest"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/workflow"
)

// What was late or missed is counted where alerts can look at it.
func TestLateAndMissedAreMetrics(t *testing.T) {
	m := newMetrics()
	var schedule workflow.ScheduleCounts
	var vault workflow.VaultCounts
	schedule.Late.Store(1)
	schedule.Missed.Store(2)
	vault.Late.Store(3)
	vault.Missed.Store(4)
	m.countSchedule(&schedule)
	m.countVaulting(&vault)
	answer := httptest.NewRecorder()
	m.handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{"holdfast_scheduled_backups_late_total 1", "holdfast_scheduled_backups_missed_total 2",
		"holdfast_vaulting_late_total 3", "holdfast_vaulting_missed_total 4"} {
		if !strings.Contains(answer.Body.String(), want) {
			t.Errorf("there is no %s", want)
		}
	}
}
