package rescue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/rescue"
)

// verified is what was found of one recovery point.
type verified struct {
	ID         string   `json:"id"`
	Repository string   `json:"repository"`
	State      string   `json:"state"` // "whole", "damaged", "unreadable"
	Damage     []damage `json:"damage,omitempty"`
}

// damage is one damaged object and what of the recovery point needs it.
type damage struct {
	Object string `json:"object,omitempty"`
	Stream string `json:"stream,omitempty"`
	Volume string `json:"volume,omitempty"`
	Reason string `json:"reason"`
}

func verifyCommand(k *kit) *cobra.Command {
	var full, structure bool
	var sample string
	cmd := &cobra.Command{Use: "verify [POINT]", Short: "Check recovery points, all or one", Args: cobra.MaximumNArgs(1),
		Long: "Check recovery points, all or one. --structure, the default, checks everything but the content of data blocks; --full reads and checks every byte; --sample reads a share of the data, another one each time. " +
			"Damage is listed by recovery point and volume; the exit code is 1 when there is any.",
		RunE: func(cmd *cobra.Command, args []string) error {
			share, err := shareOf(full, structure, sample)
			if err != nil {
				return err
			}
			f, err := k.look(cmd.Context())
			if err != nil {
				return err
			}
			defer f.Close()
			points := f.points
			if len(args) == 1 {
				p, err := rescue.Choose(f.points, args[0])
				if err != nil {
					return err
				}
				points = []rescue.Point{p}
			}
			k.warn(f)
			return k.verify(cmd.Context(), f, points, share, len(args) == 0)
		}}
	cmd.Flags().BoolVar(&full, "full", false, "read and check every byte")
	cmd.Flags().StringVar(&sample, "sample", "", "read and check this share of the data, such as 5%")
	cmd.Flags().BoolVar(&structure, "structure", false, "check everything but the content of data blocks (default)")
	return cmd
}

func shareOf(full, structure bool, sample string) (float64, error) {
	if full && (structure || sample != "") || structure && sample != "" {
		return 0, console.Usage("give one of --structure, --sample and --full")
	}
	if full {
		return 1, nil
	}
	if sample == "" {
		return 0, nil
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(sample, "%"), 64)
	if err != nil || percent <= 0 || percent > 100 {
		return 0, console.Usage("--sample %q is not a share such as 5%%", sample)
	}
	return percent / 100, nil
}

// verify checks points repository by repository, and prints what it found.
func (k *kit) verify(ctx context.Context, f *found, points []rescue.Point, share float64, all bool) error {
	line := k.NewLine()
	defer line.Done()
	results, bad := []verified{}, 0
	if all {
		bad = len(f.closed)
	}
	for _, o := range f.opened {
		var ids []string
		for _, p := range points {
			if p.In == o && p.Err == nil {
				ids = append(ids, p.ID)
			}
		}
		var report repo.VerifyReport
		if len(ids) > 0 {
			var err error
			report, err = o.VerifyPoints(ctx, repo.VerifyOptions{Points: ids, Share: share, Seed: rand.Uint64(),
				Progress: func(r repo.VerifyReport) {
					line.Show("checking %s: %d blocks looked at, %s read, %d damaged objects", o.Place, r.Blocks, console.Bytes(r.Bytes), len(r.Findings))
				}})
			if err != nil {
				return fmt.Errorf("repository %s: %w", o.Place, err)
			}
		}
		for _, p := range points {
			if p.In != o {
				continue
			}
			v := verdict(p, report)
			if v.State != "whole" {
				bad++
			}
			results = append(results, v)
		}
		if report.More {
			k.Say("repository %s has more damage than is listed", o.Place)
		}
	}
	line.Done()
	if err := k.print(results); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d recovery points or repositories are damaged; what is whole of them can be extracted", bad)
	}
	return nil
}

func (k *kit) print(results []verified) error {
	err := k.Print(results, console.Column{Title: "id", Path: "id"}, console.Column{Title: "repository", Path: "repository"}, console.Column{Title: "state", Path: "state"})
	for _, v := range results {
		for _, d := range v.Damage {
			what := d.Volume
			if what == "" {
				what = d.Stream
			}
			k.Say("%s: %s: %s: %s", v.ID, what, d.Object, d.Reason)
		}
	}
	return err
}

// verdict picks what a report says of one recovery point.
func verdict(p rescue.Point, report repo.VerifyReport) verified {
	v := verified{ID: p.ID, Repository: p.In.Prefix, State: "whole"}
	if p.Err != nil {
		v.State, v.Damage = "unreadable", []damage{{Reason: p.Err.Error()}}
		return v
	}
	for _, finding := range report.Findings {
		for _, a := range finding.Affected {
			if a.Point == p.ID {
				v.State = "damaged"
				v.Damage = append(v.Damage, damage{finding.Object, a.Stream, a.Volume, finding.Err.Error()})
			}
		}
	}
	return v
}
