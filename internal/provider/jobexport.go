package provider

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/operations"
)

// pollExport follows an export of jobs.
var pollExport = arm.Poll{Status: pollVault.Status, Result: vaultPath + "/backupJobs/operations/{operation}"}

// exportJobs answers with the address of an export: the jobs that the filter
// selects, as they are when it is fetched, of those started until now.
func (p *Provider) exportJobs(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	if _, err := readJobFilter(r, r.ID); err != nil {
		return nil, err
	}
	now := p.Clock.Now()
	conditions := "startTime le '" + arm.FormatTime(now) + "'"
	if given := strings.TrimSpace(r.Query.Get("$filter")); given != "" {
		conditions = given + " and " + conditions
	}
	query := url.Values{"api-version": {r.APIVersion}, "$filter": {conditions}}
	result, err := json.Marshal(v1.ExportJobsResult{BlobURL: r.BaseURL + r.ID.String() + "/exportBackupJobs?" + query.Encode()})
	if err != nil {
		return nil, err
	}
	var op operations.Record
	err = p.Store.Update(ctx, func(tx catalog.Tx) error {
		vault, err := vaultHereOrThere(tx, r.ID.String())
		if err != nil {
			return err
		}
		op, err = operations.StartDone(tx, now, operations.Record{
			Action: typeVault + "/exportBackupJobs/action", Resource: vault.ID, Location: vault.Location,
			Starter: r.Principal.ObjectID, Result: result,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Accepted(op, pollExport), nil
}

// exportColumns are the columns of an export.
var exportColumns = []struct {
	title string
	value func(*v1.Job) string
}{
	{"Job ID", func(j *v1.Job) string { return j.Name }},
	{"Operation", func(j *v1.Job) string { return j.Properties.Operation }},
	{"Status", func(j *v1.Job) string { return j.Properties.Status }},
	{"Backup instance", func(j *v1.Job) string { return nameOf(j.Properties.BackupInstanceID) }},
	{"Friendly name", func(j *v1.Job) string { return j.Properties.BackupInstanceFriendlyName }},
	{"Datasource", func(j *v1.Job) string { return j.Properties.DataSourceID }},
	{"Policy", func(j *v1.Job) string { return j.Properties.PolicyName }},
	{"Start time", func(j *v1.Job) string { return j.Properties.StartTime }},
	{"End time", func(j *v1.Job) string {
		if j.Properties.EndTime == nil {
			return ""
		}
		return *j.Properties.EndTime
	}},
	{"Duration", func(j *v1.Job) string { return j.Properties.Duration }},
	{"User triggered", func(j *v1.Job) string { return strconv.FormatBool(j.Properties.IsUserTriggered) }},
	{"Bytes transferred", func(j *v1.Job) string {
		if j.Properties.ExtendedInfo.DataTransferredInBytes == nil {
			return ""
		}
		return strconv.FormatFloat(*j.Properties.ExtendedInfo.DataTransferredInBytes, 'f', 0, 64)
	}},
	{"Recovery point", exportedPoint},
	{"Warnings", func(j *v1.Job) string { return strconv.Itoa(len(j.Properties.ExtendedInfo.WarningDetails)) }},
	{"Warning details", exportedWarnings},
	{"Error code", exportedError(func(e v1.UserFacingError) string { return e.Code })},
	{"Error message", exportedError(func(e v1.UserFacingError) string { return e.Message })},
	{"Recommended action", exportedError(func(e v1.UserFacingError) string { return strings.Join(e.RecommendedAction, " ") })},
}

func exportedPoint(j *v1.Job) string {
	info := j.Properties.ExtendedInfo
	for _, point := range []*v1.JobRecoveryPoint{info.TargetRecoverPoint, info.SourceRecoverPoint} {
		if point != nil {
			return point.RecoveryPointID
		}
	}
	return ""
}

// exportedWarnings are the resources with what is the matter and what to do, one a line.
func exportedWarnings(j *v1.Job) string {
	var lines []string
	for _, w := range j.Properties.ExtendedInfo.WarningDetails {
		lines = append(lines, w.ResourceName+": "+w.Warning.Code+": "+w.Warning.Message+" "+strings.Join(w.Warning.RecommendedAction, " "))
	}
	return strings.Join(lines, "\n")
}

func exportedError(part func(v1.UserFacingError) string) func(*v1.Job) string {
	return func(j *v1.Job) string {
		if len(j.Properties.ErrorDetails) == 0 {
			return ""
		}
		return part(j.Properties.ErrorDetails[0])
	}
}

// downloadJobs sends an export, read page by page.
func (p *Provider) downloadJobs(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	f, err := readJobFilter(r, r.ID)
	if err != nil {
		return nil, err
	}
	err = p.Store.View(ctx, func(tx catalog.Tx) error {
		_, err := vaultHereOrThere(tx, r.ID.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"text/csv; charset=utf-8"},
		"Content-Disposition": {`attachment; filename="` + r.ID.Name() + `-jobs.csv"`}}
	return &arm.Response{Status: http.StatusOK, Header: header, Stream: func(w io.Writer) error {
		return p.writeJobs(ctx, csv.NewWriter(w), f, r.ID.String())
	}}, nil
}

const exportPage = 500

func (p *Provider) writeJobs(ctx context.Context, w *csv.Writer, f *jobFilter, vault string) error {
	titles := make([]string, len(exportColumns))
	for i, c := range exportColumns {
		titles[i] = c.title
	}
	if err := w.Write(titles); err != nil {
		return err
	}
	for after := ""; ; {
		var jobs []v1.Job
		err := p.Store.View(ctx, func(tx catalog.Tx) (err error) {
			jobs, after, err = f.page(tx, vault, after, exportPage)
			return err
		})
		if err != nil {
			return err
		}
		for i := range jobs {
			if err := w.Write(exportRow(&jobs[i])); err != nil {
				return err
			}
		}
		if w.Flush(); w.Error() != nil || after == "" {
			return w.Error()
		}
	}
}

// exportRow makes the cells of a job. A spreadsheet would take what begins like
// a formula for one, and names are people's own.
func exportRow(j *v1.Job) []string {
	row := make([]string, len(exportColumns))
	for i, c := range exportColumns {
		if row[i] = c.value(j); row[i] != "" && strings.ContainsRune("=+-@\t\r", rune(row[i][0])) {
			row[i] = "'" + row[i]
		}
	}
	return row
}
