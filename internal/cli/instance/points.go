package instance

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

var pointColumns = []console.Column{{Title: "id", Path: "name"}, {Title: "time", Path: "properties.recoveryPointTime"},
	{Title: "type", Path: "properties.recoveryPointType"}, {Title: "tag", Path: "properties.retentionTagName"},
	{Title: "stores", Path: "join(', ', properties.recoveryPointDataStoresDetails[].type || `[]`)"}, {Title: "state", Path: "properties.recoveryPointState"},
	{Title: "damaged in", Path: "join(', ', properties.recoveryPointDataStoresDetails[?holdfastDamage].type || `[]`)"},
	{Title: "not deleted", Path: "join(', ', properties.recoveryPointDataStoresDetails[].holdfastDeletion.error.code || `[]`)"}}

func recoveryPoints(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "recovery-point", Short: "Recovery points"}
	cmd.AddCommand(listPoints(c), showPoint(c))
	return cmd
}

func listPoints(c *console.Console) *cobra.Command {
	var name, start, end string
	var secondary bool
	cmd := named(c, &cobra.Command{Use: "list", Short: "List the recovery points of a backup instance", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			read := Points
			if secondary {
				read = func(ctx context.Context, c *console.Console, name, start, end string) ([]json.RawMessage, error) {
					return SecondaryPoints(ctx, c, name, between(start, end))
				}
			}
			out, err := read(cmd.Context(), c, name, start, end)
			if err != nil {
				return err
			}
			return c.Print(out, pointColumns...)
		}}, &name)
	cmd.Flags().StringVar(&start, "start-time", "", "only from then on, RFC 3339")
	cmd.Flags().StringVar(&end, "end-time", "", "only until then, RFC 3339")
	secondaryFlag(cmd, &secondary)
	return cmd
}

// Points lists the recovery points of an instance, newest first.
func Points(ctx context.Context, c *console.Console, name, start, end string) ([]json.RawMessage, error) {
	path, err := Path(c, name)
	if err != nil {
		return nil, err
	}
	return c.List(ctx, path+"/recoveryPoints?"+url.Values{"$filter": {between(start, end)}}.Encode(), vault.Version)
}

// between is the filter of two times, either of which may be empty.
func between(start, end string) string {
	filter := ""
	if start != "" {
		filter = "startDate eq '" + start + "'"
	}
	if end != "" {
		if filter != "" {
			filter += " and "
		}
		filter += "endDate eq '" + end + "'"
	}
	return filter
}

func showPoint(c *console.Console) *cobra.Command {
	var name, id string
	cmd := named(c, &cobra.Command{Use: "show", Short: "Show a recovery point", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		path, err := Path(c, name)
		if err != nil {
			return err
		}
		out, err := c.Get(cmd.Context(), path+"/recoveryPoints/"+id, vault.Version)
		if err != nil {
			return err
		}
		return c.Print(out, pointColumns...)
	}}, &name)
	cmd.Flags().StringVar(&id, "recovery-point-id", "", "id of the recovery point")
	_ = cmd.MarkFlagRequired("recovery-point-id")
	return cmd
}

// Store is a tier that keeps a recovery point.
type Store struct {
	Type    string
	Damaged bool // it is known not to have all of it
}

// StoresOf reads which tiers keep a recovery point.
func StoresOf(raw json.RawMessage) ([]Store, error) {
	var p struct {
		Properties struct {
			RecoveryPointDataStoresDetails []struct {
				Type           string          `json:"type"`
				HoldfastDamage json.RawMessage `json:"holdfastDamage"`
			} `json:"recoveryPointDataStoresDetails"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	var out []Store
	for _, s := range p.Properties.RecoveryPointDataStoresDetails {
		out = append(out, Store{s.Type, len(s.HoldfastDamage) > 0})
	}
	return out, nil
}

func newestPoint(ctx context.Context, c *console.Console, name, store string, secondary bool) (string, error) {
	read := func() ([]json.RawMessage, error) { return Points(ctx, c, name, "", "") }
	if secondary {
		read = func() ([]json.RawMessage, error) { return SecondaryPoints(ctx, c, name, "") }
	}
	points, err := read()
	if err != nil {
		return "", err
	}
	newest, at := "", ""
	for _, raw := range points {
		var p struct {
			Name       string `json:"name"`
			Properties struct {
				RecoveryPointTime string `json:"recoveryPointTime"`
			} `json:"properties"`
		}
		if err := json.Unmarshal(raw, &p); err != nil {
			return "", err
		}
		stores, err := StoresOf(raw)
		if err != nil {
			return "", err
		}
		kept := slices.ContainsFunc(stores, func(s Store) bool { return s.Type == store })
		if kept && p.Properties.RecoveryPointTime > at {
			newest, at = p.Name, p.Properties.RecoveryPointTime
		}
	}
	switch {
	case newest != "":
		return newest, nil
	case len(points) > 0:
		return "", console.Usage("%s has no recovery point in the %s: see 'holdfast recovery-point list --backup-instance-name %s'", name, store, name)
	}
	return "", console.Usage("%s has no recovery point yet: take one with 'holdfast backup %s'", name, name)
}
