package provider

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/resourceid"
)

// jobFilter selects jobs by the $filter of a request:
//
//	status, operation, backupInstanceName, backupInstanceId, dataSourceId,
//	dataSourceType, policyName, isUserTriggered   eq
//	startTime, endTime                            eq, ge, gt, le, lt
//
// As in Azure Backup "startTime eq a and endTime eq b" means the jobs that were
// started between a and b. The operations OnDemandBackup and ScheduledBackup
// are those of Azure's resource graph.
type jobFilter struct {
	tests      []func(*backup.Job, *v1.JobProperties) bool
	from, to   time.Time // of the start
	instanceID string    // empty for all
	status     string    // as it is stored; empty for all
}

// distant is later than every job.
var distant = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// text are the properties that are compared as text.
var text = map[string]func(*v1.JobProperties) string{
	"status":             func(p *v1.JobProperties) string { return p.Status },
	"backupInstanceName": func(p *v1.JobProperties) string { return nameOf(p.BackupInstanceID) },
	"backupInstanceId":   func(p *v1.JobProperties) string { return p.BackupInstanceID },
	"dataSourceId":       func(p *v1.JobProperties) string { return p.DataSourceID },
	"policyName":         func(p *v1.JobProperties) string { return p.PolicyName },
	"isUserTriggered":    func(p *v1.JobProperties) string { return strconv.FormatBool(p.IsUserTriggered) },
}

// readJobFilter parses the filter of a request for jobs of a vault.
func readJobFilter(r *arm.Request, vault resourceid.ID) (*jobFilter, error) {
	f := &jobFilter{to: distant}
	list, err := readConditions(r, "status", "operation", "backupInstanceName", "backupInstanceId", "dataSourceId",
		"dataSourceType", "policyName", "isUserTriggered", "startTime", "endTime")
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		switch {
		case c.name == "startTime" || c.name == "endTime":
			err = f.addTime(c)
		case c.operator != "eq":
			err = badFilter("$filter can compare %s with eq only", c.name)
		default:
			f.addText(c, vault)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *jobFilter) addText(c condition, vault resourceid.ID) {
	switch c.name {
	case "operation":
		f.tests = append(f.tests, func(j *backup.Job, p *v1.JobProperties) bool { return isOperation(j, p, c.value) })
		return
	case "dataSourceType":
		f.tests = append(f.tests, func(_ *backup.Job, p *v1.JobProperties) bool {
			return strings.EqualFold(c.value, "AzureKubernetesService") || strings.EqualFold(c.value, p.DataSourceType)
		})
		return
	case "status":
		f.status, _ = pickEnum("", c.value, string(backup.JobInProgress), string(backup.JobCancelling), string(backup.JobCompleted),
			string(backup.JobCompletedWithWarnings), string(backup.JobFailed), string(backup.JobCancelled))
	case "backupInstanceName":
		f.instanceID = vault.String() + "/backupInstances/" + c.value
	case "backupInstanceId":
		f.instanceID = c.value
	}
	f.tests = append(f.tests, func(_ *backup.Job, p *v1.JobProperties) bool { return strings.EqualFold(text[c.name](p), c.value) })
}

// isOperation compares what a job does, in the words of the API or of the
// resource graph.
func isOperation(j *backup.Job, p *v1.JobProperties, want string) bool {
	switch {
	case strings.EqualFold(want, "OnDemandBackup"):
		return j.Kind == backup.JobBackup && j.UserTriggered
	case strings.EqualFold(want, "ScheduledBackup"):
		return j.Kind == backup.JobBackup && !j.UserTriggered
	default:
		return strings.EqualFold(want, p.Operation)
	}
}

// addTime takes a comparison with a time. Of the end only eq is about the start.
func (f *jobFilter) addTime(c condition) error {
	t, there, err := filter{c.name: c.value}.time(c.name)
	if err != nil || !there {
		return cmp.Or(err, badFilter("%s in $filter is no time", c.name))
	}
	switch {
	case c.name == "startTime" && c.operator[0] != 'l':
		f.from = latest(f.from, t)
	case c.name == "startTime" || c.operator == "eq":
		if t.Before(f.to) {
			f.to = t
		}
	}
	if c.operator == "eq" {
		return nil
	}
	value := func(j *backup.Job) time.Time { return j.Started }
	if c.name == "endTime" {
		value = func(j *backup.Job) time.Time { return j.Ended }
	}
	f.tests = append(f.tests, func(j *backup.Job, _ *v1.JobProperties) bool {
		v := value(j)
		order := v.Compare(t)
		return !v.IsZero() && ((order == 0 && c.operator[1] == 'e') || (order > 0 && c.operator[0] == 'g') || (order < 0 && c.operator[0] == 'l'))
	})
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// admits says whether a job, of which p is shown, is selected.
func (f *jobFilter) admits(j *backup.Job, p *v1.JobProperties) bool {
	if j.Started.Before(f.from) || j.Started.After(f.to) {
		return false
	}
	return !slices.ContainsFunc(f.tests, func(test func(*backup.Job, *v1.JobProperties) bool) bool { return !test(j, p) })
}

// page reads the next jobs of a vault that may be selected, newest first, and
// shows those that are. A page may be short, and is the last when next is "".
func (f *jobFilter) page(tx catalog.Tx, vault, after string, limit int) (out []v1.Job, next string, err error) {
	if after == "" && f.to.Before(distant) {
		after = backup.Key(vault) + "/backupjobs/" + backup.LastJobIDAfter(f.to)
	}
	labels := map[string]string{}
	if f.instanceID != "" {
		labels[inventory.LabelInstance] = backup.Key(f.instanceID)
	}
	if f.status != "" {
		labels[inventory.LabelStatus] = f.status
	}
	jobs, next, err := inventory.Jobs.PageBelow(tx, vault, labels, after, limit)
	if err != nil {
		return nil, "", err
	}
	for i := range jobs {
		shown := jobTo(&jobs[i])
		if f.admits(&jobs[i], shown.Properties) {
			out = append(out, shown)
		}
	}
	if n := len(jobs); n > 0 && jobs[n-1].Started.Before(f.from) {
		next = "" // all that follow are older
	}
	return out, next, nil
}
