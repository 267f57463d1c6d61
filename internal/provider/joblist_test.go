package provider_test

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

var jobsBegin = time.Date(2026, 1, 12, 6, 0, 0, 0, time.UTC)

// pastJob is a job as it is stored, started some hours after jobsBegin.
type pastJob struct {
	hour     int
	kind     backup.JobKind
	status   backup.JobStatus
	instance string
	byUser   bool
}

// history is a vault with one job an hour.
func history(t *testing.T, jobs ...pastJob) *world {
	t.Helper()
	w := prepare(t)
	w.update(func(tx catalog.Tx) error {
		for _, j := range jobs {
			started := jobsBegin.Add(time.Duration(j.hour) * time.Hour)
			job := &backup.Job{InstanceID: vaultAt + "/backupInstances/" + j.instance, InstanceName: "=friendly", PolicyID: policyAt, Kind: j.kind,
				Datasource: backup.Datasource{ID: clusterAt}, Status: backup.JobInProgress, Started: started, UserTriggered: j.byUser,
				RecoveryPointID: pointName, Tasks: []backup.Task{{Name: "Trigger", Status: backup.JobInProgress}}}
			job.ID = vaultAt + "/backupJobs/" + backup.NewJobID(started, [10]byte{byte(j.hour)})
			ended := started.Add(10 * time.Minute)
			switch j.status {
			case backup.JobFailed:
				job.Fail(ended, backup.NewProblem(backup.CodeClusterNotConnected, clusterAt, "it is away, \"for ever\""))
			case backup.JobCompletedWithWarnings:
				job.Complete(ended, []backup.Warning{{Resource: "v1/PersistentVolumeClaim/a/b", Problem: *backup.NewProblem(backup.CodeGenericWarning, "", "left out")}})
			case backup.JobCompleted:
				job.Progress.BytesDone = 42
				job.Complete(ended, nil)
			}
			if err := inventory.Jobs.Put(tx, job); err != nil {
				return err
			}
		}
		return nil
	})
	return w
}

var someJobs = []pastJob{
	{0, backup.JobBackup, backup.JobCompleted, "i1", false},
	{1, backup.JobBackup, backup.JobFailed, "i1", true},
	{2, backup.JobRestore, backup.JobCompleted, "i1", true},
	{3, backup.JobBackup, backup.JobCompletedWithWarnings, "i2", false},
	{4, backup.JobBackup, backup.JobInProgress, "i2", true},
}

// TestJobFilters: every condition alone, and some together, over pages of two.
func TestJobFilters(t *testing.T) {
	t.Parallel()
	w := history(t, someJobs...)
	hours := func(filter string) string {
		var found []int
		next := vaultAt + "/backupJobs?$top=2&$filter=" + url.QueryEscape(filter)
		for next != "" {
			a := w.must(200, "GET", strings.TrimPrefix(next, w.URL), "")
			for _, v := range a.at("value").([]any) {
				started, err := time.Parse(time.RFC3339Nano, v.(map[string]any)["properties"].(map[string]any)["startTime"].(string))
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, int(started.Sub(jobsBegin).Hours()))
			}
			next, _ = a.body["nextLink"].(string)
			next = strings.Replace(next, "api-version=2025-07-01&", "", 1)
		}
		return strings.Trim(fmt.Sprint(found), "[]")
	}
	for filter, want := range map[string]string{
		"":                                           "4 3 2 1 0",
		"status eq 'Completed'":                      "2 0",
		"Status EQ 'completed'":                      "2 0",
		"status eq 'CompletedWithWarnings'":          "3",
		"status eq 'Lost'":                           "",
		"operation eq 'Restore'":                     "2",
		"operation eq 'backup'":                      "4 3 1 0",
		"operation eq 'OnDemandBackup'":              "4 1",
		"operation eq 'ScheduledBackup'":             "3 0",
		"backupInstanceName eq 'i1'":                 "2 1 0",
		"backupInstanceName eq 'I2'":                 "4 3",
		"backupInstanceName eq 'none'":               "",
		"backupInstanceId eq '" + at + "'":           "2 1 0",
		"dataSourceId eq '" + clusterAt + "'":        "4 3 2 1 0",
		"dataSourceId eq '" + secondAt + "'":         "",
		"dataSourceType eq 'AzureKubernetesService'": "4 3 2 1 0",
		"dataSourceType eq 'Microsoft.ContainerService/managedClusters'":              "4 3 2 1 0",
		"dataSourceType eq 'AzureDisk'":                                               "",
		"policyName eq 'akspolicy'":                                                   "4 3 2 1 0",
		"isUserTriggered eq true":                                                     "4 2 1",
		"startTime eq '2026-01-12T08:00:00Z'":                                         "4 3 2",
		"startTime eq '2026-01-12T07:00:00Z' and endTime eq '2026-01-12T09:00:00Z'":   "3 2 1",
		"startTime gt '2026-01-12T08:00:00Z'":                                         "4 3",
		"startTime ge '2026-01-12T08:00:00Z' and startTime lt 2026-01-12T09:00:00Z":   "2",
		"startTime le '2026-01-12T07:00:00Z'":                                         "1 0",
		"startTime le '2026-01-12T07:00:00Z' and startTime le '2026-01-12 06:30:00'":  "0",
		"endTime ge '2026-01-12T08:10:00Z'":                                           "3 2", // what runs has no end
		"endTime lt '2026-01-12T07:10:00Z'":                                           "0",
		"status eq 'Failed' and backupInstanceName eq 'i1' and operation eq 'Backup'": "1",
	} {
		if got := hours(filter); got != want {
			t.Errorf("%q: %s, want %s", filter, got, want)
		}
	}
	for _, filter := range []string{"status", "colour eq 'red'", "startTime eq 'yesterday'", "startTime eq ''", "status ge 'a'",
		"status eq 'a' or status eq 'b'", "status ne 'a'"} {
		if a := w.must(400, "GET", vaultAt+"/backupJobs?$filter="+url.QueryEscape(filter), ""); a.code(t) != "InvalidQueryParameter" {
			t.Errorf("%q: %s", filter, a.raw)
		}
	}
	if a := w.must(400, "GET", at+"/recoveryPoints?$filter="+url.QueryEscape("startDate ge '2026-01-12T08:00:00Z'"), ""); a.code(t) != "InvalidQueryParameter" {
		t.Errorf("%s", a.raw)
	}
}

// fetch reads an address of the service as it is, without parsing.
func (w *world) fetch(as, address string) (status int, kind, body string) {
	w.t.Helper()
	req, err := runtime.NewRequest(w.t.Context(), "GET", address)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.pipeline(as).Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(raw)
}

// TestExportJobs follows an export to the table, and reads that.
func TestExportJobs(t *testing.T) {
	t.Parallel()
	w := history(t, someJobs...)
	w.clock.Advance(24 * time.Hour)
	a := w.must(202, "POST", vaultAt+"/exportBackupJobs?$filter="+url.QueryEscape("backupInstanceName eq 'i1'"), "")
	if !strings.Contains(a.Header.Get("Location"), vaultAt+"/backupJobs/operations/") {
		t.Errorf("%v", a.Header)
	}
	result, err := poll(w, a)
	if err != nil || result["blobSasKey"] != "" {
		t.Fatalf("%v, %v", result, err)
	}
	address := result["blobUrl"].(string)
	if status, _, _ := w.fetch("nobody", address); status != 403 {
		t.Errorf("somebody without a role gets %d", status)
	}
	status, kind, body := w.fetch("owner", address)
	if status != 200 || !strings.HasPrefix(kind, "text/csv") {
		t.Fatalf("%d %s %s", status, kind, body)
	}
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 4 {
		t.Fatalf("%d rows", len(rows))
	}
	got := map[string]string{}
	for i, title := range rows[0] {
		got[title] = rows[2][i]
	}
	id := got["Job ID"]
	want := map[string]string{"Job ID": id, "Operation": "Backup", "Status": "Failed", "Backup instance": "i1", "Friendly name": "aks1/=friendly",
		"Datasource": clusterAt, "Policy": "akspolicy", "Start time": "2026-01-12T07:00:00.0000000Z", "End time": "2026-01-12T07:10:00.0000000Z",
		"Duration": "PT10M", "User triggered": "true", "Bytes transferred": "", "Recovery point": pointName, "Warnings": "0", "Warning details": "",
		"Error code": "UserErrorClusterNotConnected", "Error message": `it is away, "for ever"`, "Recommended action": got["Recommended action"]}
	if diff := cmp.Diff(want, got); diff != "" || id == "" || got["Recommended action"] == "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	_, _, body = w.fetch("owner", w.URL+vaultAt+"/exportBackupJobs?api-version=2025-07-01&$filter="+url.QueryEscape("status eq 'CompletedWithWarnings'"))
	if rows, err = csv.NewReader(strings.NewReader(body)).ReadAll(); err != nil || len(rows) != 2 ||
		!slices.ContainsFunc(rows[1], func(cell string) bool {
			return strings.HasPrefix(cell, "v1/PersistentVolumeClaim/a/b: KubernetesBackupGenericWarning: left out Read the reason")
		}) {
		t.Errorf("warnings of an export: %v, %v", rows, err)
	}
	w.must(404, "POST", group+"/providers/Microsoft.DataProtection/backupVaults/v9/exportBackupJobs", "")
	w.must(400, "POST", vaultAt+"/exportBackupJobs?$filter=nonsense", "")
}

// TestExportIsNoFormula: a spreadsheet must not carry out what people call things.
func TestExportIsNoFormula(t *testing.T) {
	t.Parallel()
	w := history(t, pastJob{0, backup.JobBackup, backup.JobCompleted, "i1", true})
	w.update(func(tx catalog.Tx) error {
		job, err := inventory.Jobs.Get(tx, vaultAt+"/backupJobs/"+backup.NewJobID(jobsBegin, [10]byte{}))
		if err != nil {
			return err
		}
		job.PolicyID = vaultAt + "/backupPolicies/-1+cmd"
		return inventory.Jobs.Put(tx, job)
	})
	_, _, body := w.fetch("owner", w.URL+vaultAt+"/exportBackupJobs?api-version=2025-07-01")
	if !strings.Contains(body, ",'-1+cmd,") || strings.Contains(body, ",-1+cmd,") {
		t.Errorf("%s", body)
	}
}

// TestSupportedActions: what runs can be cancelled, once.
func TestSupportedActions(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.must(202, "POST", at+"/backup", backupBody)
	id := w.must(200, "GET", vaultAt+"/backupJobs", "").at("value").([]any)[0].(map[string]any)["id"].(string)
	actions := func() string { return fmt.Sprint(w.must(200, "GET", id, "").at("properties.supportedActions")) }
	if got := actions(); got != "[Cancel]" {
		t.Errorf("while it runs: %s", got)
	}
	w.must(202, "POST", id+"/cancel", "")
	if got := actions(); got != "[]" {
		t.Errorf("while it is cancelled: %s", got)
	}
}

// TestSubTasks: each part of a job has its own progress, bytes and duration,
// and a warning says which resource it is about and what to do.
func TestSubTasks(t *testing.T) {
	t.Parallel()
	w := history(t, pastJob{0, backup.JobBackup, backup.JobInProgress, "i1", true})
	id := vaultAt + "/backupJobs/" + backup.NewJobID(jobsBegin, [10]byte{})
	show := func(change func(*backup.Job)) map[string]any {
		w.update(func(tx catalog.Tx) error {
			job, err := inventory.Jobs.Get(tx, id)
			if err != nil {
				return err
			}
			change(job)
			return inventory.Jobs.Put(tx, job)
		})
		return w.must(200, "GET", id, "").at("properties.extendedInfo").(map[string]any)
	}
	task := func(info map[string]any, n int) string {
		v := info["subTasks"].([]any)[n].(map[string]any)
		d := v["additionalDetails"].(map[string]any)
		return fmt.Sprint(v["taskId"], " ", v["taskName"], " ", v["taskStatus"], " ", v["taskProgress"], " ", d["duration"], " ",
			d["OriginalDatasourceSizeInBytes"], " ", d["DataTransferredInBytes"])
	}
	info := show(func(j *backup.Job) { j.Progress = backup.Progress{ItemsDone: 1, ItemsTotal: 3, BytesDone: 10} })
	if got := task(info, 0); got != "1 Trigger InProgress <nil> <nil> 0 10" { // an agent that does not tell how far the whole is
		t.Errorf("first half: %s", got)
	}
	show(func(j *backup.Job) { j.Tasks[0].Size = 4096 })
	warning := backup.Warning{Resource: "a/claim", Problem: *backup.NewProblem(backup.CodeGenericWarning, "", "left out")}
	info = show(func(j *backup.Job) {
		j.BeginVaulting(jobsBegin.Add(time.Minute), backup.VaultDecision{Copy: true}, []backup.Warning{warning})
		j.Progress = backup.Progress{BytesDone: 25, BytesTotal: 100, ItemsDone: 1, ItemsTotal: 1, Percent: 24}
	})
	if a, b := task(info, 0), task(info, 1); a != "1 Trigger Completed <nil> PT1M 4096 10" || b != "2 Vaulting InProgress 24% PT0S <nil> 25" {
		t.Errorf("second half: %s; %s", a, b)
	}
	if info["dataTransferredInBytes"] != float64(35) {
		t.Errorf("transferred %v", info["dataTransferredInBytes"])
	}
	info = show(func(j *backup.Job) { j.Complete(jobsBegin.Add(3*time.Minute), nil) })
	if got := task(info, 1); got != "2 Vaulting CompletedWithWarnings <nil> PT2M <nil> 25" {
		t.Errorf("at the end: %s", got)
	}
	w1 := info["warningDetails"].([]any)[0].(map[string]any)
	if w1["resourceName"] != "a/claim" || len(w1["warning"].(map[string]any)["recommendedAction"].([]any)) == 0 {
		t.Errorf("warning %v", w1)
	}
}
