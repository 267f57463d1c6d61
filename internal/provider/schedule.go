package provider

import (
	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// scheduleTo shows the plan of an instance; nil when it has none.
func (p *Provider) scheduleTo(tx catalog.Tx, instanceID string) (*v1.BackupPlan, error) {
	plan, err := existing(inventory.Plans.Get(tx, instanceID))
	if err != nil || plan == nil {
		return nil, err
	}
	out := &v1.BackupPlan{
		NextDue: arm.FormatTime(plan.Due), NextStart: arm.FormatTime(plan.Start),
		LastDue: optionalTime(plan.LastDue), LastStart: optionalTime(plan.LastStart),
		Started: plan.Started, StartedLate: plan.Late, Missed: plan.Missed,
	}
	if plan.LastJobID != "" {
		out.LastJobID = &plan.LastJobID
	}
	switch {
	case plan.Waiting != "":
		out.Waiting = &plan.Waiting
	case plan.Start.Before(p.Clock.Now()):
		waiting := "its turn has come, and others are before it"
		out.Waiting = &waiting
	}
	return out, nil
}

// addSchedule adds to the details of a job why the schedule has started it.
func addSchedule(details map[string]string, s *backup.Scheduled) {
	if s != nil {
		details["ScheduledTime"], details["ScheduleReason"] = arm.FormatTime(s.Due), s.Reason
	}
}
