package preview

import (
	"fmt"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/retention"
)

// count says what there is of a played policy at its end.
func count(p *backup.Policy, played *retention.Forecast, from, at time.Time) (*forecast, error) {
	f := &forecast{Policy: p.Name(), From: from, At: at, TimeZone: at.Location().String(), Points: []pointOnPlan{}}
	there := played.At(at)
	for _, tier := range []backup.Tier{backup.TierOperational, backup.TierVault} {
		if c := tierCountOf(played, there, tier, at.Location()); c.Most > 0 {
			f.Tiers = append(f.Tiers, c)
		}
	}
	var err error
	if f.Tags, err = tagCounts(p, there, at.Location()); err != nil {
		return nil, err
	}
	for _, l := range there {
		point := pointOnPlan{Taken: l.Taken.In(at.Location()), Tag: l.Tag, Reason: l.Reason}
		for _, s := range l.Stays {
			here := &placed{Until: in(s.Expires, at.Location()), Reason: string(s.Reason)}
			if s.Tier == backup.TierVault {
				point.Vault = here
			} else {
				point.Operational = here
			}
		}
		f.Points = append(f.Points, point)
	}
	return f, nil
}

func in(t time.Time, zone *time.Location) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(zone)
}

func tierCountOf(played *retention.Forecast, there []retention.Life, tier backup.Tier, zone *time.Location) tierCount {
	out := tierCount{Tier: string(tier)}
	for _, l := range there {
		for _, s := range l.Stays {
			if s.Tier == tier {
				out.Points++
			}
		}
	}
	most, when := played.Peak(tier)
	out.Most, out.MostFrom = most, in(when, zone)
	if tier == backup.TierOperational {
		out.Limit = snapshotLimit
		if most > snapshotLimit {
			out.Warning = fmt.Sprintf("a disk of Azure has at most %d snapshots: from then on its backups fail", snapshotLimit)
		}
	}
	return out
}

// tagCounts counts by tag and tier, in the order of the policy's rules.
func tagCounts(p *backup.Policy, there []retention.Life, zone *time.Location) ([]tagCount, error) {
	var out []tagCount
	for _, r := range p.Rules {
		if r.Retention == nil {
			continue
		}
		terms, err := retention.TermsOf(p, r.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, tagCountOf(there, r.Name, backup.TierOperational, terms.Operational.Text, zone))
		if terms.Vault != nil {
			out = append(out, tagCountOf(there, r.Name, backup.TierVault, terms.Vault.Stay.Text, zone))
		}
	}
	return out, nil
}

func tagCountOf(there []retention.Life, tag string, tier backup.Tier, stay string, zone *time.Location) tagCount {
	out := tagCount{Tag: tag, Tier: string(tier), DeleteAfter: stay}
	for _, l := range there {
		for _, s := range l.Stays {
			if l.Tag != tag || s.Tier != tier {
				continue
			}
			if out.Points++; out.Oldest.IsZero() {
				out.Oldest = in(l.Taken, zone)
			}
			// What outlives its end waits for the next, not for a time.
			if s.Reason == retention.Running && (out.NextDeleted.IsZero() || s.Expires.Before(out.NextDeleted)) {
				out.NextDeleted = in(s.Expires, zone)
			}
		}
	}
	return out
}
