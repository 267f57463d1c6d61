package instance

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

// secondaryFlag adds the flag of az that asks the paired region.
func secondaryFlag(cmd *cobra.Command, secondary *bool) {
	cmd.Flags().BoolVar(secondary, "use-secondary-region", false, "ask the region that the vault is replicated into")
}

// secondary is where the vault of the context is replicated into.
type secondary struct {
	source   string // region of the vault
	location string // path of the other region
}

// secondaryOf asks the vault, or what is known of it in the second region.
func secondaryOf(ctx context.Context, c *console.Console) (secondary, error) {
	path, err := c.VaultPath()
	if err != nil {
		return secondary{}, err
	}
	raw, err := c.Get(ctx, path, vault.Version)
	if err != nil {
		return secondary{}, err
	}
	var v struct {
		Location   string `json:"location"`
		Properties struct {
			ReplicatedRegions []string `json:"replicatedRegions"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return secondary{}, err
	}
	if len(v.Properties.ReplicatedRegions) == 0 {
		return secondary{}, console.Usage("the vault %s is not replicated: it must be GeoRedundant, with cross region restore enabled, and its region paired", console.Last(path))
	}
	group, _, _ := strings.Cut(path, "/providers/")
	return secondary{v.Location, group + "/providers/Microsoft.DataProtection/locations/" + v.Properties.ReplicatedRegions[0]}, nil
}

// list reads every page of what the region answers.
func (s secondary) list(ctx context.Context, c *console.Console, what string, query url.Values) ([]json.RawMessage, error) {
	query.Set("sourceRegion", s.source)
	return c.List(ctx, s.location+"/"+what+"?"+query.Encode(), vault.Version)
}

// SecondaryPoints lists the recovery points of an instance that are in the second
// region, newest first.
func SecondaryPoints(ctx context.Context, c *console.Console, name, filter string) ([]json.RawMessage, error) {
	path, err := Path(c, name)
	if err != nil {
		return nil, err
	}
	s, err := secondaryOf(ctx, c)
	if err != nil {
		return nil, err
	}
	return s.list(ctx, c, "fetchSecondaryRecoveryPoints", url.Values{"sourceBackupInstanceId": {path}, "$filter": {filter}})
}

// secondaryJobs lists the cross region restores of the vault that a filter selects;
// empty for all.
func secondaryJobs(ctx context.Context, c *console.Console, filter string) ([]json.RawMessage, error) {
	path, err := c.VaultPath()
	if err != nil {
		return nil, err
	}
	s, err := secondaryOf(ctx, c)
	if err != nil {
		return nil, err
	}
	return s.list(ctx, c, "fetchCrossRegionRestoreJobs", url.Values{"sourceBackupVaultId": {path}, "$filter": {filter}})
}

// secondaryJob reads one of the cross region restores of the vault.
func secondaryJob(ctx context.Context, c *console.Console, id string) (json.RawMessage, error) {
	path, err := c.VaultPath()
	if err != nil {
		return nil, err
	}
	s, err := secondaryOf(ctx, c)
	if err != nil {
		return nil, err
	}
	return c.Call(ctx, http.MethodPost, s.location+"/fetchCrossRegionRestoreJob", vault.Version,
		map[string]any{"sourceRegion": s.source, "sourceBackupVaultId": path, "jobId": console.Last(id)})
}

// body wraps a restore request as the second region wants it.
func (s secondary) body(instance string, request map[string]any) map[string]any {
	return map[string]any{"restoreRequestObject": request,
		"crossRegionRestoreDetails": map[string]any{"sourceRegion": s.source, "sourceBackupInstanceId": instance}}
}

// startSecondary starts a restore in the second region.
func startSecondary(ctx context.Context, c *console.Console, instance string, request map[string]any, watch bool) error {
	s, err := secondaryOf(ctx, c)
	if err != nil {
		return err
	}
	return start(ctx, c, s.location+"/crossRegionRestore", s.body(instance, request), watch)
}

// validateSecondary checks a restore in the second region.
func validateSecondary(ctx context.Context, c *console.Console, instance string, request map[string]any) (json.RawMessage, error) {
	s, err := secondaryOf(ctx, c)
	if err != nil {
		return nil, err
	}
	return c.Call(ctx, http.MethodPost, s.location+"/validateCrossRegionRestore", vault.Version, s.body(instance, request))
}
