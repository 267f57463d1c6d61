package provider_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

const backupBody = `{"backupRuleOptions":{"ruleName":"BackupHourly","triggerOption":{"retentionTagOverride":"Default"}}}`

// end ends one operation badly.
func (w *world) end(work backup.Work, p *backup.Problem) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		return operations.Fail(tx, w.clock.Now(), work.OperationID, operations.Problem{
			Code: string(p.Code), Message: p.Message, Target: p.Target, Actions: p.Actions, UserError: true})
	})
}

// fail plays a configuration that failed.
func (w *world) fail(p *backup.Problem) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, at)
		if err != nil {
			return err
		}
		if problem := i.Step(backup.EventFailed); problem != nil {
			return problem
		}
		i.State, i.Error = backup.StateFailed, p
		return inventory.Instances.Put(tx, i)
	})
}

func TestBackupOnDemand(t *testing.T) {
	t.Parallel()
	w := protect(t)
	a := w.must(202, "POST", at+"/backup", backupBody)
	if len(a.raw) != 0 || !strings.Contains(a.Header.Get("Location"), "/locations/eastus/operationResults/") {
		t.Errorf("%q %v", a.raw, a.Header)
	}
	jobs := w.must(200, "GET", vaultAt+"/backupJobs", "").at("value").([]any)
	if len(jobs) != 1 {
		t.Fatalf("%d jobs", len(jobs))
	}
	props := jobs[0].(map[string]any)["properties"].(map[string]any)
	if props["status"] != "InProgress" || props["duration"] != "PT0S" || props["endTime"] != nil || props["operation"] != "Backup" {
		t.Errorf("running job: %v", props)
	}
	info := props["extendedInfo"].(map[string]any)
	target := info["targetRecoverPoint"].(map[string]any)
	if len(target["recoveryPointID"].(string)) != 32 || target["recoveryPointTime"] != "0001-01-01T00:00:00Z" {
		t.Errorf("target point: %v", target)
	}
	if info["additionalDetails"].(map[string]any)["RetentionTag"] != "Default" {
		t.Errorf("details: %v", info["additionalDetails"])
	}
	w.finish()
	got, err := poll(w, a)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"objectType": "OperationJobExtendedInfo", "jobId": jobs[0].(map[string]any)["id"]}, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if job := w.must(200, "GET", got["jobId"].(string), ""); job.at("properties.status") != "Completed" {
		t.Errorf("%s", job.raw)
	}
}

func TestDailyLimit(t *testing.T) {
	t.Parallel()
	w := protect(t)
	for range backup.MaxPerDay {
		w.must(202, "POST", at+"/backup", backupBody)
		if a := w.must(409, "POST", at+"/backup", backupBody); a.code(t) != "UserErrorBackupOperationInProgress" {
			t.Errorf("beside a running backup: %s", a.raw)
		}
		w.clock.Advance(time.Minute)
		w.finish()
	}
	if a := w.must(409, "POST", at+"/backup", backupBody); a.code(t) != "UserErrorMaxOnDemandBackupsPerDayReached" {
		t.Errorf("%s", a.raw)
	}
	w.clock.Advance(24 * time.Hour)
	w.must(202, "POST", at+"/backup", backupBody)
}

// TestJobAsRecorded compares a finished restore with a recorded one.
func TestJobAsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := time.Date(2024, 2, 12, 6, 8, 42, 39050300, time.UTC)
	id := vaultAt + "/backupJobs/ca279777-0000-8000-8000-000000000000"
	w.update(func(tx catalog.Tx) error {
		job := &backup.Job{
			Meta: backup.Meta{ID: id}, InstanceID: at, InstanceName: "friendly", PolicyID: policyAt, Kind: backup.JobRestore,
			Datasource: backup.Datasource{ID: clusterAt, Location: "eastus"}, Status: backup.JobInProgress, Started: start, UserTriggered: true,
			ActivityID: "2c618d51-0000-4000-8000-000000000000", RecoveryPointID: pointName,
			RecoveryPointAt: time.Date(2024, 2, 12, 6, 6, 43, 16787300, time.UTC),
			Restore:         &backup.RestoreRequest{Target: backup.Datasource{ID: secondAt}},
			Tasks:           []backup.Task{{Name: "Trigger Restore", Status: backup.JobInProgress}},
		}
		job.Complete(time.Date(2024, 2, 12, 6, 12, 17, 731959500, time.UTC), nil)
		return inventory.Jobs.Put(tx, job)
	})
	var want map[string]any
	decode(t, testdata(t, "job.json"), &want)
	if diff := cmp.Diff(want, w.must(200, "GET", id, "").body); diff != "" {
		t.Errorf("job (-recorded +ours):\n%s", diff)
	}
}

func TestRecoveryPoints(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.addPoint(strings.Repeat("a", 32), time.Date(2026, 1, 10, 6, 0, 0, 0, time.UTC))
	count := func(filter string) int {
		return len(w.must(200, "GET", at+"/recoveryPoints?$filter="+url.QueryEscape(filter), "").at("value").([]any))
	}
	if n := count(""); n != 2 {
		t.Errorf("%d points", n)
	}
	if n := count("startDate eq '2026-01-11T00:00:00Z' and endDate eq '2026-01-13T00:00:00Z'"); n != 1 {
		t.Errorf("%d points between the dates", n)
	}
	got := w.must(200, "GET", at+"/recoveryPoints/"+pointName, "").at("properties").(map[string]any)
	if got["recoveryPointId"] != pointName || got["friendlyName"] != pointName || got["recoveryPointTime"] != "2026-01-12T06:00:00.0000000Z" ||
		got["recoveryPointType"] != "Incremental" || got["retentionTagName"] != "Default" || got["policyName"] != "akspolicy" {
		t.Errorf("point: %v", got)
	}
	store := got["recoveryPointDataStoresDetails"].([]any)[0].(map[string]any)
	if store["type"] != "OperationalStore" || store["state"] != "COMMITTED" || store["visible"] != true {
		t.Errorf("store: %v", store)
	}
	w.must(404, "GET", at+"/recoveryPoints/"+strings.Repeat("b", 32), "")
}

func TestRestore(t *testing.T) {
	t.Parallel()
	w := protect(t)
	validate := testdata(t, "restore.json")
	a := w.must(202, "POST", at+"/validateRestore", validate)
	w.finish()
	if _, err := poll(w, a); err != nil {
		t.Error(err)
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(validate), `{"restoreRequestObject":`), "}")
	a = w.must(202, "POST", at+"/restore", inner)
	job := w.must(200, "GET", vaultAt+"/backupJobs", "").at("value").([]any)[0].(map[string]any)
	info := job["properties"].(map[string]any)["extendedInfo"].(map[string]any)
	if info["recoveryDestination"] != secondAt || info["sourceRecoverPoint"].(map[string]any)["recoveryPointID"] != pointName || info["targetRecoverPoint"] != nil {
		t.Errorf("job: %v", info)
	}
	w.finish()
	if got, err := poll(w, a); err != nil || got["jobId"] != job["id"] {
		t.Errorf("%v, %v", got, err)
	}
}

// A running job tells how far it is; what it was started with stays.
func TestJobProgress(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.must(202, "POST", at+"/backup", backupBody)
	id := w.must(200, "GET", vaultAt+"/backupJobs", "").at("value").([]any)[0].(map[string]any)["id"].(string)
	progress := func(p backup.Progress, end bool) map[string]any {
		w.update(func(tx catalog.Tx) error {
			job, err := inventory.Jobs.Get(tx, id)
			if err != nil {
				return err
			}
			if job.Progress = p; end {
				job.Complete(w.clock.Now(), nil)
			}
			return inventory.Jobs.Put(tx, job)
		})
		return w.must(200, "GET", id, "").at("properties.extendedInfo").(map[string]any)
	}
	info := progress(backup.Progress{Phase: "Collect", ItemsDone: 3, BytesDone: 1 << 40}, false)
	want := map[string]any{"RetentionTag": "Default", "phase": "Collect", "itemsDone": "3", "itemsTotal": "0", "bytesDone": "1099511627776", "bytesTotal": "0"}
	if diff := cmp.Diff(want, info["additionalDetails"]); diff != "" {
		t.Errorf("additionalDetails (-want +got):\n%s", diff)
	}
	task := info["subTasks"].([]any)[0].(map[string]any)
	if task["taskProgress"] != nil {
		t.Errorf("progress %v of an unknown total", task["taskProgress"])
	}
	if info["dataTransferredInBytes"] != float64(1<<40) || task["taskName"] != "Trigger Backup" || task["taskStatus"] != "InProgress" ||
		task["additionalDetails"].(map[string]any)["DataTransferredInBytes"] != "1099511627776" {
		t.Errorf("%v", info)
	}
	info = progress(backup.Progress{BytesDone: 5}, true)
	if diff := cmp.Diff(map[string]any{"RetentionTag": "Default"}, info["additionalDetails"]); diff != "" {
		t.Errorf("when ended (-want +got):\n%s", diff)
	}
}

func TestCancelJob(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.must(202, "POST", at+"/backup", backupBody)
	id := w.must(200, "GET", vaultAt+"/backupJobs", "").at("value").([]any)[0].(map[string]any)["id"].(string)
	w.work()
	if a := w.do("reader", "POST", id+"/cancel", ""); a.StatusCode != 403 {
		t.Errorf("a reader: %d %s", a.StatusCode, a.raw)
	}
	if a := w.must(404, "POST", id+"0/cancel", ""); a.code(t) != "ResourceNotFound" {
		t.Errorf("an unknown job: %s", a.raw)
	}
	first := w.must(202, "POST", id+"/cancel", "")
	if got := w.must(200, "GET", id, "").at("properties.status"); got != "Cancelling" {
		t.Errorf("status = %v", got)
	}
	if work := w.work(); len(work) != 1 || work[0].Subject != id || work[0].Kind != backup.WorkBackup {
		t.Errorf("woken: %+v", work)
	}
	again := w.must(202, "POST", id+"/cancel", "")
	if first.Header.Get("Azure-AsyncOperation") == "" || again.Header.Get("Azure-AsyncOperation") != first.Header.Get("Azure-AsyncOperation") {
		t.Errorf("%v, then %v", first.Header, again.Header)
	}
	w.update(func(tx catalog.Tx) error {
		job, err := inventory.Jobs.Get(tx, id)
		if err != nil {
			return err
		}
		job.Cancel(w.clock.Now())
		if err := inventory.Jobs.Put(tx, job); err != nil {
			return err
		}
		return operations.Succeed(tx, w.clock.Now(), job.CancelOperationID, nil)
	})
	got, err := poll(w, first)
	if err != nil || got["properties"].(map[string]any)["status"] != "Cancelled" {
		t.Errorf("result = %v, %v", got, err)
	}
	if a := w.must(409, "POST", id+"/cancel", ""); a.code(t) != "UserErrorJobHasEnded" {
		t.Errorf("a job that has ended: %s", a.raw)
	}
}
