package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

var jobColumns = []console.Column{{Title: "id", Path: "name"}, {Title: "operation", Path: "properties.operation"},
	{Title: "instance", Path: "properties.backupInstanceFriendlyName"}, {Title: "status", Path: "properties.status"},
	{Title: "start", Path: "properties.startTime"}, {Title: "duration", Path: "properties.duration"}}

func showJob(c *console.Console) *cobra.Command {
	var id string
	var watch, secondary bool
	cmd := &cobra.Command{Use: "show", Short: "Show a job", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		path, err := jobPath(c, id)
		if err != nil {
			return err
		}
		if watch {
			return Watch(cmd.Context(), c, path)
		}
		var out json.RawMessage
		if secondary {
			out, err = secondaryJob(cmd.Context(), c, path)
		} else {
			out, err = c.Get(cmd.Context(), path, vault.Version)
		}
		if err != nil {
			return err
		}
		if err := c.Print(out, jobColumns...); err != nil || !c.ForPeople() {
			return err
		}
		return describe(c.Out, out)
	}}
	cmd.Flags().BoolVar(&watch, "watch", false, "show progress until the job ends")
	secondaryFlag(cmd, &secondary)
	return withJobID(cmd, &id)
}

func cancelJob(c *console.Console) *cobra.Command {
	var id string
	return withJobID(&cobra.Command{Use: "cancel", Short: "Call a running job off and wait until it has ended", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		path, err := jobPath(c, id)
		if err != nil {
			return err
		}
		out, err := c.Call(cmd.Context(), http.MethodPost, path+"/cancel", vault.Version, nil)
		if err != nil || len(out) == 0 {
			return err
		}
		return c.Print(out, jobColumns...)
	}}, &id)
}

func withJobID(cmd *cobra.Command, id *string) *cobra.Command {
	cmd.Flags().StringVarP(id, "name", "n", "", "id of the job (also --job-id)")
	_ = cmd.MarkFlagRequired("name")
	return cmd
}

// jobPath is the address of a job, given by its name or its whole id.
func jobPath(c *console.Console, id string) (string, error) {
	if strings.HasPrefix(id, "/") {
		return id, nil
	}
	v, err := c.VaultPath()
	return v + "/backupJobs/" + id, err
}

// job is what watching needs of a job; its parts are called sub-tasks.
type job struct {
	Name       string `json:"name"`
	Properties struct {
		Operation    string `json:"operation"`
		Status       string `json:"status"`
		ErrorDetails []struct {
			Code              string   `json:"code"`
			Message           string   `json:"message"`
			RecommendedAction []string `json:"recommendedAction"`
		} `json:"errorDetails"`
		ExtendedInfo struct {
			AdditionalDetails map[string]string `json:"additionalDetails"`
			SubTasks          []struct {
				TaskName          string            `json:"taskName"`
				TaskStatus        string            `json:"taskStatus"`
				TaskProgress      string            `json:"taskProgress"`
				AdditionalDetails map[string]string `json:"additionalDetails"`
			} `json:"subTasks"`
			WarningDetails []struct {
				ResourceName string `json:"resourceName"`
				Warning      struct {
					Code              string   `json:"code"`
					Message           string   `json:"message"`
					RecommendedAction []string `json:"recommendedAction"`
				} `json:"warning"`
			} `json:"warningDetails"`
		} `json:"extendedInfo"`
	} `json:"properties"`
}

func (j *job) running() bool {
	switch strings.ToLower(j.Properties.Status) {
	case "inprogress", "started", "cancelling", "":
		return true
	}
	return false
}

// Watch shows a job's progress until it ends, then prints it. A job that did
// not complete is an error.
func Watch(ctx context.Context, c *console.Console, path string) error {
	line := c.NewLine()
	defer line.Done()
	rate := &meter{}
	for {
		raw, err := c.Get(ctx, path, vault.Version)
		if err != nil {
			return err
		}
		var j job
		if err := json.Unmarshal(raw, &j); err != nil {
			return err
		}
		if !j.running() {
			line.Done()
			return finished(c, raw, &j)
		}
		line.Log(j.stage(), rate.text(&j))
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func finished(c *console.Console, raw json.RawMessage, j *job) error {
	for _, t := range j.Properties.ExtendedInfo.SubTasks {
		if text := j.Properties.ExtendedInfo.AdditionalDetails[t.TaskName]; text != "" { // what was done to it
			c.Say("%s: %s", t.TaskName, text)
		}
	}
	for _, w := range j.Properties.ExtendedInfo.WarningDetails {
		c.Say("warning: %s: %s (%s)", w.ResourceName, w.Warning.Message, w.Warning.Code)
		if w.ResourceName == "VaultStore" { // of volumes and kinds there may be hundreds
			for _, a := range w.Warning.RecommendedAction {
				c.Say("  what to do: %s", a)
			}
		}
	}
	if err := c.Print(raw, jobColumns...); err != nil {
		return err
	}
	if strings.HasPrefix(j.Properties.Status, "Completed") {
		return j.failedTask()
	}
	text := fmt.Sprintf("%s %s", j.Properties.Operation, strings.ToLower(j.Properties.Status))
	for _, e := range j.Properties.ErrorDetails {
		text += fmt.Sprintf("\n  %s: %s", e.Code, e.Message)
		for _, a := range e.RecommendedAction {
			text += "\n  what to do: " + a
		}
	}
	return fmt.Errorf("%s", text)
}

// failedTask is an error when a part of the job failed although it completed,
// such as the copying into the vault: a script must not go on as if all were well.
func (j *job) failedTask() error {
	for _, t := range j.Properties.ExtendedInfo.SubTasks {
		if t.TaskStatus == "Failed" {
			return fmt.Errorf("%s completed without its part %q; see the warnings", j.Properties.Operation, t.TaskName)
		}
	}
	return nil
}

// meter turns what a job has done into a line with a bar and a rate. The rate
// is over the polls seen, so that no clock of the service is needed.
type meter struct {
	polls int
	first int64
	last  int64
}

func (m *meter) text(j *job) string {
	d := j.Properties.ExtendedInfo.AdditionalDetails
	items, total := number(d["itemsDone"]), number(d["itemsTotal"])
	done, bytes := number(d["bytesDone"]), number(d["bytesTotal"])
	if m.polls == 0 || done < m.last { // it began, or its next part did
		m.polls, m.first = 0, done
	}
	m.polls++
	m.last = done
	text := fmt.Sprintf("%s: %s", j.Properties.Operation, j.phase())
	switch percent, known := j.percent(); {
	case known:
		text += fmt.Sprintf(" %s %d%%", console.Bar(float64(percent)/100, 24), percent)
	case total > 0:
		text += " " + console.Bar(float64(items)/float64(total), 24)
	}
	if total > 0 {
		text += fmt.Sprintf(" %d/%d items", items, total)
	} else if items > 0 {
		text += fmt.Sprintf(" %d items", items)
	}
	if done > 0 {
		text += " " + console.Bytes(done)
		if bytes > 0 {
			text += " of " + console.Bytes(bytes)
		}
		if m.polls > 1 && done > m.first {
			text += fmt.Sprintf(" (%s/s)", console.Bytes((done-m.first)*2/int64(m.polls-1)))
		}
	}
	return text
}

// phase is what a job is at.
func (j *job) phase() string {
	return orDefault(j.Properties.ExtendedInfo.AdditionalDetails["phase"], "Waiting")
}

// percent is how far the running part of the job is, where the service can say.
func (j *job) percent() (percent int64, known bool) {
	for _, t := range j.Properties.ExtendedInfo.SubTasks {
		if t.TaskProgress != "" {
			return number(strings.TrimSuffix(t.TaskProgress, "%")), true
		}
	}
	return 0, false
}

// stage changes with the phase of a job, and with each tenth of what it has to do.
func (j *job) stage() string {
	if percent, known := j.percent(); known {
		return fmt.Sprint(j.phase(), percent/10)
	}
	d := j.Properties.ExtendedInfo.AdditionalDetails
	return fmt.Sprint(j.phase(), tenths(d["itemsDone"], d["itemsTotal"]), tenths(d["bytesDone"], d["bytesTotal"]))
}

func tenths(done, total string) int64 {
	if number(total) <= 0 {
		return 0
	}
	return number(done) * 10 / number(total)
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}
