// Package preview shows what a backup policy will have kept when: it plays the
// policy forward with the rules of the service, and needs none.
package preview

import (
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/retention"
)

// snapshotLimit is how many snapshots a disk of Azure may have; other storage
// has its own limits.
const snapshotLimit = 500

// forecast is what a policy will have kept on a day.
type forecast struct {
	Policy   string        `json:"policy"`
	From     time.Time     `json:"from"` // of the first backups
	At       time.Time     `json:"at"`
	TimeZone string        `json:"timeZone"`
	Tiers    []tierCount   `json:"tiers"`
	Tags     []tagCount    `json:"tags"`
	Points   []pointOnPlan `json:"recoveryPoints"`
}

// tierCount counts recovery points; in the operational tier each of them is one
// snapshot of every disk.
type tierCount struct {
	Tier     string    `json:"tier"`
	Points   int       `json:"recoveryPoints"`
	Most     int       `json:"atMost"`
	MostFrom time.Time `json:"atMostFrom,omitzero"`
	Limit    int       `json:"limitPerDisk,omitempty"`
	Warning  string    `json:"warning,omitempty"`
}

type tagCount struct {
	Tag         string    `json:"tag"`
	Tier        string    `json:"tier"`
	DeleteAfter string    `json:"deleteAfter"`
	Points      int       `json:"recoveryPoints"`
	Oldest      time.Time `json:"oldest,omitzero"`
	NextDeleted time.Time `json:"nextDeleted,omitzero"`
}

type pointOnPlan struct {
	Taken       time.Time `json:"taken"`
	Tag         string    `json:"tag"`
	Reason      string    `json:"reason"`
	Operational *placed   `json:"operational,omitempty"`
	Vault       *placed   `json:"vault,omitempty"`
}

type placed struct {
	Until  time.Time `json:"until,omitzero"` // by its retention; absent: for good
	Reason string    `json:"reason"`         // why it is there
}

// Command returns backup-policy preview. path is the ARM id of a policy.
func Command(c *console.Console, path func(name string) (string, error)) *cobra.Command {
	var name, file, from, at string
	var points bool
	cmd := &cobra.Command{Use: "preview", Short: "Show what a policy will have kept when", Args: cobra.NoArgs,
		Long: "Play a policy forward, as if every backup of its schedule succeeded, and show which recovery points there will be on a day,\n" +
			"in which tier, and until when. A document needs no service.",
		Example: "  holdfast backup-policy preview --policy policy.json\n  holdfast backup-policy preview --name shop --from 2027-01-01 --at 2029-06-30 --recovery-points",
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, err := named(func() (json.RawMessage, error) {
				p, err := path(name)
				if err != nil {
					return nil, err
				}
				return c.Get(cmd.Context(), p, vault.Version)
			}, c.ReadJSON, name, file)
			if err != nil {
				return err
			}
			if name == "" {
				name = document
			}
			p, err := parse(raw, name)
			if err != nil {
				return err
			}
			f, err := foresee(p, from, at)
			if err != nil {
				return err
			}
			return show(c, f, points)
		}}
	f := cmd.Flags()
	f.StringVarP(&name, "name", "n", "", "name of a policy of the vault")
	f.StringVar(&file, "policy", "", "JSON of a policy, or a file")
	f.StringVar(&from, "from", "", "day of the first backups, such as 2027-01-01 (default: today)")
	f.StringVar(&at, "at", "", "day to look at, at its end (default: a year after the first backups)")
	f.BoolVar(&points, "recovery-points", false, "list every recovery point of the day, in a table too")
	return cmd
}

const (
	longest = 50   // years that are looked ahead
	latest  = 9000 // year that is looked at: far from the end of dates that programs can read
)

// foresee plays the policy and counts what there is.
func foresee(p *backup.Policy, from, at string) (*forecast, error) {
	zone, err := zoneOf(p)
	if err != nil {
		return nil, err
	}
	begin, err := dayOf("--from", from, clock.System{}.Now().In(zone))
	if err != nil {
		return nil, err
	}
	end, err := dayOf("--at", at, begin.AddDate(1, 0, 0))
	if err != nil {
		return nil, err
	}
	end = end.AddDate(0, 0, 1).Add(-time.Second)
	if !end.After(begin) || end.After(begin.AddDate(longest, 0, 0)) {
		return nil, console.Usage("--at %s must be after --from %s, by at most %d years", end.Format(time.DateOnly), begin.Format(time.DateOnly), longest)
	}
	due, err := dueTimes(p, begin, end)
	if err != nil {
		return nil, err
	}
	played, err := retention.Play(p, due, end)
	if err != nil {
		return nil, err
	}
	return count(p, played, begin, end)
}

// zoneOf is the zone in which a policy is shown: that of its first rule.
func zoneOf(p *backup.Policy) (*time.Location, error) {
	for _, r := range p.Rules {
		if r.Backup != nil {
			return r.Backup.Zone()
		}
	}
	return time.UTC, nil
}

// dayOf is the midnight a day begins with, in the zone of the default.
func dayOf(flag, text string, standard time.Time) (time.Time, error) {
	if text == "" {
		y, m, d := standard.Date()
		return time.Date(y, m, d, 0, 0, 0, 0, standard.Location()), nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, standard.Location())
	if err != nil || t.Year() > latest {
		return t, console.Usage("%s %q: give a day such as 2027-01-31", flag, text)
	}
	return t, nil
}

// dueTimes gives every due time of all rules, in order.
func dueTimes(p *backup.Policy, from, until time.Time) (iter.Seq2[time.Time, *backup.BackupRule], error) {
	type due struct {
		at   time.Time
		rule *backup.BackupRule
	}
	var all []due
	for _, r := range p.Rules {
		if r.Backup == nil {
			continue
		}
		s, err := r.Backup.Schedule()
		if err != nil {
			return nil, err
		}
		for at := range s.Due(from.Add(-1), until) {
			all = append(all, due{at, r.Backup})
		}
	}
	slices.SortStableFunc(all, func(a, b due) int { return a.at.Compare(b.at) })
	return func(yield func(time.Time, *backup.BackupRule) bool) {
		for _, d := range all {
			if !yield(d.at, d.rule) {
				return
			}
		}
	}, nil
}
