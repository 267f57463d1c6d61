package rescue

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/rescue"
)

// row is one recovery point as it is listed.
type row struct {
	ID         string    `json:"id"`
	Time       time.Time `json:"time,omitzero"`
	Instance   string    `json:"instance,omitempty"`
	Repository string    `json:"repository"`
	Namespaces []string  `json:"namespaces,omitempty"`
	Objects    int64     `json:"objects"`
	Volumes    int       `json:"volumes"`   // with their data
	Snapshots  int       `json:"snapshots"` // volumes of which only a snapshot's handle is there
	Warnings   int       `json:"warnings"`
	State      string    `json:"state"`
}

// readable is the state of a recovery point whose manifest is whole.
const readable = "readable"

func rowOf(p rescue.Point) row {
	r := row{ID: p.ID, Repository: p.In.Prefix, State: readable}
	if p.Err != nil {
		r.State = p.Err.Error()
		return r
	}
	r.Time, r.Instance, r.Namespaces, r.Objects, r.Warnings = p.Created, p.Instance, p.Namespaces(), p.Objects(), len(p.Warnings)
	r.Volumes, r.Snapshots = p.Stored()
	return r
}

func listCommand(k *kit) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "Find all repositories in a store and list their recovery points", Args: cobra.NoArgs,
		Long: "Find all repositories in a store and list their recovery points, the newest of each first. Only manifests are read: 'holdfast rescue verify' tells whether the data is whole. " +
			"SNAPSHOTS are volumes whose data is not in the bucket but in a snapshot of the cluster's own storage; only copies in a vault have the data itself.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := k.look(cmd.Context())
			if err != nil {
				return err
			}
			defer f.Close()
			rows, bad := []row{}, len(f.closed)
			for _, p := range f.points {
				rows = append(rows, rowOf(p))
				if p.Err != nil {
					bad++
				}
			}
			err = k.Print(rows, console.Column{Title: "id", Path: "id"}, console.Column{Title: "time", Path: "time"},
				console.Column{Title: "instance", Path: "instance"}, console.Column{Title: "repository", Path: "repository"},
				console.Column{Title: "namespaces", Path: "join(',', namespaces || `[]`)"}, console.Column{Title: "objects", Path: "objects"},
				console.Column{Title: "volumes", Path: "volumes"}, console.Column{Title: "snapshots", Path: "snapshots"},
				console.Column{Title: "state", Path: "state"})
			k.warn(f)
			if err == nil && bad > 0 {
				err = fmt.Errorf("%d recovery points or repositories cannot be read", bad)
			}
			return err
		}}
}

// details is everything that a manifest tells.
type details struct {
	row
	Root     string            `json:"root"`
	Streams  []repo.StreamRef  `json:"streams"`
	Kinds    []repo.Kind       `json:"kinds"`
	Volumes  []repo.Volume     `json:"volumes"`
	Warnings []repo.Warning    `json:"warnings,omitempty"`
	Facts    map[string]string `json:"facts,omitempty"`
}

func showCommand(k *kit) *cobra.Command {
	return &cobra.Command{Use: "show POINT", Short: "Show what a recovery point holds", Args: cobra.ExactArgs(1),
		Long: "Show what a recovery point holds: its streams, the kinds of its objects, its volumes, and what is not protected. POINT is its id, or how the id begins.",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, p, err := k.point(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			return k.Print(details{row: rowOf(p), Root: p.Root, Streams: p.Streams, Kinds: p.Kinds, Volumes: p.Volumes, Warnings: p.Warnings, Facts: p.Facts})
		}}
}
