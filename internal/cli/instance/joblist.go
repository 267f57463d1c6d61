package instance

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

func jobs(c *console.Console) *cobra.Command {
	return console.Noun("job", "Jobs", listJobs(c, "list", "List the jobs of a vault, newest first"),
		listJobs(c, "list-from-resourcegraph", "The same, under the name of az"), showJob(c), cancelJob(c), exportJobs(c))
}

// jobSelection are the flags that select jobs.
type jobSelection struct{ instance, operation, status, start, end, datasource string }

func (s *jobSelection) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&s.instance, "name", "n", "", "only of this backup instance, by its name or friendly name (also --backup-instance-name)")
	f.StringVar(&s.operation, "operation", "", console.Choices(JobOperations))
	f.StringVar(&s.status, "status", "", console.Choices(JobStates))
	f.StringVar(&s.start, "start-time", "", "only those started from then on, RFC 3339")
	f.StringVar(&s.end, "end-time", "", "only those started until then, RFC 3339")
	f.StringVar(&s.datasource, "datasource-type", "", "AzureKubernetesService")
}

// JobOperations are what jobs do, in the words of the API and of the resource graph;
// JobStates how they stand.
var (
	JobOperations = []string{"Backup", "OnDemandBackup", "ScheduledBackup", "Restore", "CrossRegionRestore", "Verify", "Collect", "Repair"}
	JobStates     = []string{"InProgress", "Cancelling", "Completed", "CompletedWithWarnings", "Failed", "Cancelled"}
)

// check refuses words that no job has: the empty list that they select would say
// that all is well.
func (s *jobSelection) check() error {
	return errors.Join(console.Choose("--operation", s.operation, JobOperations), console.Choose("--status", s.status, JobStates))
}

// query is the query of a request for the jobs selected.
func (s *jobSelection) query() string {
	filter := s.filter()
	if filter == "" {
		return ""
	}
	return "?" + url.Values{"$filter": {filter}}.Encode()
}

// filter is the condition that selects; empty for all jobs.
func (s *jobSelection) filter() string {
	var conditions []string
	for _, c := range []struct{ test, value string }{
		{"backupInstanceName eq", s.instance}, {"operation eq", s.operation}, {"status eq", s.status},
		{"startTime ge", s.start}, {"startTime le", s.end}, {"dataSourceType eq", s.datasource},
	} {
		if c.value != "" {
			conditions = append(conditions, c.test+" '"+c.value+"'")
		}
	}
	return strings.Join(conditions, " and ")
}

func listJobs(c *console.Console, use, short string) *cobra.Command {
	var selected jobSelection
	var secondary bool
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		if err := selected.check(); err != nil {
			return err
		}
		v, err := c.VaultPath()
		if err != nil {
			return err
		}
		var out []json.RawMessage
		if secondary {
			out, err = secondaryJobs(cmd.Context(), c, selected.filter())
		} else {
			out, err = c.List(cmd.Context(), v+"/backupJobs"+selected.query(), vault.Version)
		}
		if err != nil {
			return err
		}
		return c.Print(out, jobColumns...)
	}}
	selected.add(cmd)
	secondaryFlag(cmd, &secondary)
	return byFriendlyName(c, present, cmd)
}

func exportJobs(c *console.Console) *cobra.Command {
	var selected jobSelection
	var file string
	cmd := &cobra.Command{Use: "export", Short: "Write the jobs of a vault as comma-separated values, with errors and what to do about them", Args: cobra.NoArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := selected.check(); err != nil {
			return err
		}
		if file == "" {
			return fetchExport(cmd, c, selected.query(), c.Out)
		}
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		return errors.Join(fetchExport(cmd, c, selected.query(), f), f.Close())
	}
	selected.add(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", "write to this file in place of the standard output")
	return byFriendlyName(c, present, cmd)
}

func fetchExport(cmd *cobra.Command, c *console.Console, query string, to io.Writer) error {
	v, err := c.VaultPath()
	if err != nil {
		return err
	}
	raw, err := c.Call(cmd.Context(), http.MethodPost, v+"/exportBackupJobs"+query, vault.Version, nil)
	if err != nil {
		return err
	}
	var result v1.ExportJobsResult
	if err := json.Unmarshal(raw, &result); err != nil || result.BlobURL == "" {
		return console.Usage("the export is not there yet: do not use --no-wait with it")
	}
	client, err := c.Client()
	if err != nil {
		return err
	}
	return client.Download(cmd.Context(), result.BlobURL, vault.Version, to)
}
