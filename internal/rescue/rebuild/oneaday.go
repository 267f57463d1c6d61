package rebuild

import (
	"slices"
	"time"

	"holdfast.dev/holdfast/internal/backup"
)

// oneADay leaves of the copies to the vault that were planned for later those that
// the service plans: of all backups of a day that the policy tagged, the first, and
// none where one is in the vault.
func (p *planner) oneADay() {
	sent := map[string]bool{}
	for _, key := range p.order {
		if p.points[key].Place(backup.TierVault) != nil {
			sent[p.days[key]] = true
		}
	}
	for _, key := range slices.Backward(p.order) {
		here, day := p.points[key].Place(backup.TierOperational), p.days[key]
		if day == "" || here == nil || here.Onward == nil {
			continue
		}
		if sent[day] {
			here.Onward = nil
		}
		sent[day] = true
	}
}

// dayOf is the instance and the day of a recovery point that the policy tagged, in
// the zone of the policy; empty when a person did.
func dayOf(kept backup.Keepsake) string {
	if kept.Tagging == nil || kept.Policy == nil {
		return ""
	}
	zone := time.UTC
	for _, r := range kept.Policy.Rules {
		if r.Backup == nil {
			continue
		}
		if z, err := r.Backup.Zone(); err == nil {
			zone = z
		}
		break
	}
	return backup.Key(kept.Instance.ID) + " " + kept.Tagging.At.In(zone).Format(time.DateOnly)
}
