//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"holdfast.dev/holdfast/test/stand"
)

// TestLived lives through years of a policy, on a stand of its own: its service is
// built with a clock that leaps, and sign-in and cluster stay in the present.
func TestLived(t *testing.T) {
	s := newStand(t)
	s.Program = "holdfastd-leap"
	_, err := s.Command(t.Context(), "go", "build", "-tags", "leap", "-o", s.Binary(s.Program), "./cmd/holdfastd")
	if err != nil {
		t.Fatal(err)
	}
	play(t, s, "testdata/lived")
}

// interval is that of the policies that are lived through: what began in one of
// them was due at its beginning.
const interval = 4 * time.Hour

// minute is how scripts write moments, in UTC.
const minute = "2006-01-02T15:04"

func (p *player) leap(ts *testscript.TestScript, _ bool, args []string) {
	if p.Program == "" {
		ts.Fatalf("the service of this stand cannot leap")
	}
	var moment time.Time
	var err error
	if args[0] == "next" {
		moment, err = p.nextStart(args[1])
	} else {
		moment, err = time.Parse(minute, args[0])
	}
	ts.Check(err)
	ts.Check(p.idle())
	ts.Check(p.StopService(p.ctx))
	by := time.Until(moment)
	if by < p.ahead {
		ts.Fatalf("%s has been, or is in the present", moment)
	}
	p.ahead = by
	p.Environment = []string{"HOLDFAST_CLOCK_AHEAD=" + by.String()}
	ts.Check(p.StartService(p.ctx))
	ts.Check(stand.Eventually(p.ctx, "the cluster has called", patience, func() (bool, error) {
		out, err := p.Holdfast(p.ctx, "cluster", "show", "-n", "e2e", "-o", "tsv", "--query", "properties.holdfastConnection.extensionState")
		return strings.TrimSpace(out) == "Connected", err
	}))
}

// idle waits until no backup runs.
func (p *player) idle() error {
	return stand.Eventually(p.ctx, "no backup runs", patience, func() (bool, error) {
		out, err := p.Holdfast(p.ctx, "job", "list", "--operation", "ScheduledBackup", "--status", "InProgress", "-o", "tsv", "--query", "[].name")
		return err == nil && strings.TrimSpace(out) == "", err
	})
}

// nextStart waits until an instance has a plan for a moment that is to come, and
// returns when its backup starts.
func (p *player) nextStart(instance string) (moment time.Time, err error) {
	err = stand.Eventually(p.ctx, "the plan of "+instance, patience, func() (bool, error) {
		out, err := p.Holdfast(p.ctx, "backup-instance", "show", "-n", instance, "-o", "tsv", "--query", "properties.holdfastSchedule.nextStart")
		if err == nil {
			moment, err = time.Parse(time.RFC3339, strings.TrimSpace(out))
		}
		return err == nil && time.Until(moment) > p.ahead, err
	})
	return moment, err
}

// patience is how long a script waits for what it says to be so.
const patience = 3 * time.Minute

// same waits until a list is that of a file, which may have comments.
func (p *player) same(ts *testscript.TestScript, file string, list func() ([]string, error)) {
	var want []string
	for line := range strings.Lines(ts.ReadFile(file)) {
		if line = strings.Join(strings.Fields(line), " "); line != "" && line[0] != '#' {
			want = append(want, line)
		}
	}
	ts.Check(stand.Eventually(p.ctx, "what "+file+" says", patience, func() (bool, error) {
		got, err := list()
		if err != nil {
			return false, err
		}
		diff := cmp.Diff(want, got)
		return diff == "", fmt.Errorf("there is not (-) and is (+):\n%s", diff)
	}))
}

func (p *player) ran(ts *testscript.TestScript, _ bool, args []string) {
	p.same(ts, args[1], func() ([]string, error) { return p.scheduled(args[0]) })
}

// scheduled lists the backups that the schedule has started, by their due times:
// how they ended, and for how many due times more they stand.
func (p *player) scheduled(instance string) ([]string, error) {
	out, err := p.Holdfast(p.ctx, "job", "list", "-n", instance, "--operation", "ScheduledBackup", "-o", "json")
	if err != nil {
		return nil, err
	}
	var all []struct {
		Properties struct {
			Status       string
			ExtendedInfo struct {
				AdditionalDetails struct {
					ScheduledTime  time.Time
					ScheduleReason string
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return nil, err
	}
	var lines []string
	for _, j := range all {
		why := j.Properties.ExtendedInfo.AdditionalDetails
		line := why.ScheduledTime.UTC().Format(minute) + " " + j.Properties.Status
		if missed := madeUp.FindStringSubmatch(why.ScheduleReason); missed != nil {
			line += " for " + missed[1] + " more"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines, nil
}

var madeUp = regexp.MustCompile(`makes up for (\d+) due times`)

// kept waits until the service lists just these recovery points, with tags and
// tiers, and the cluster's driver has a snapshot of the one volume for each that is
// in the operational tier. The pod driver sees those.
func (p *player) kept(ts *testscript.TestScript, _ bool, args []string) {
	p.same(ts, args[1], func() ([]string, error) { return p.listed(args[0]) })
	points, err := p.listed(args[0])
	ts.Check(err)
	operational := 0
	for _, line := range points {
		if strings.Contains(line, "operational") {
			operational++
		}
	}
	ts.Check(stand.Eventually(p.ctx, fmt.Sprintf("%d snapshots", operational), patience, func() (bool, error) {
		out, err := p.Kubectl(p.ctx, "exec", "driver", "--", "find", "/pool/loop", "-name", "snap-*.json")
		return err == nil && strings.Count(out, "snap-") == operational, fmt.Errorf("the driver has:\n%s %w", out, err)
	}))
}

// listed lists recovery points by the due times of their backups, oldest first.
func (p *player) listed(instance string) ([]string, error) {
	all, err := p.points(p.ctx, instance)
	var lines []string
	for _, one := range all {
		line := one.Properties.RecoveryPointTime.UTC().Truncate(interval).Format(minute) + " " + one.Properties.RetentionTagName
		var tiers []string
		for _, s := range one.Properties.RecoveryPointDataStoresDetails {
			tiers = append(tiers, strings.ToLower(strings.TrimSuffix(s.Type, "Store")))
		}
		slices.Sort(tiers)
		lines = append(lines, line+" "+strings.Join(tiers, " "))
	}
	slices.Sort(lines)
	return lines, err
}

// point is what scripts need of a recovery point.
type point struct {
	Name       string
	Properties struct {
		RecoveryPointTime              time.Time
		RetentionTagName               string
		RecoveryPointDataStoresDetails []struct{ Type string }
	}
}

func (p *player) points(ctx context.Context, instance string) (all []point, err error) {
	out, err := p.Holdfast(ctx, "recovery-point", "list", "--backup-instance-name", instance, "-o", "json")
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal([]byte(out), &all)
}

// foretold demands that a policy is said to keep what a file says, if all backups
// from one day on succeed, at the end of another.
func (p *player) foretold(ts *testscript.TestScript, _ bool, args []string) {
	p.same(ts, args[3], func() ([]string, error) {
		out, err := p.Holdfast(p.ctx, "backup-policy", "preview", "--policy", ts.MkAbs(args[0]), "--from", args[1], "--at", args[2], "-o", "json")
		if err != nil {
			return nil, err
		}
		var told struct {
			RecoveryPoints []struct {
				Taken              time.Time
				Tag                string
				Operational, Vault *struct{}
			}
		}
		if err := json.Unmarshal([]byte(out), &told); err != nil {
			return nil, err
		}
		var lines []string
		for _, one := range told.RecoveryPoints {
			line := one.Taken.UTC().Format(minute) + " " + one.Tag
			if one.Operational != nil {
				line += " operational"
			}
			if one.Vault != nil {
				line += " vault"
			}
			lines = append(lines, line)
		}
		return lines, nil
	})
}
