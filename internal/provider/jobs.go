package provider

import (
	"context"
	"net/http"
	"net/url"
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

const typeJob = typeVault + "/backupJobs"

func (p *Provider) jobs() arm.Type {
	return arm.Type{
		Name: typeJob, Path: vaultPath + "/backupJobs/{job}", MinVersion: minBackupVersion,
		Get:   p.getJob,
		Lists: []arm.List{{Path: vaultPath + "/backupJobs", Handler: p.listJobs}},
		Actions: []arm.Action{
			{Name: "cancel", Handler: p.cancelJob},
			{Name: "exportBackupJobs", Path: vaultPath, Handler: p.exportJobs, Action: typeJob + "/read"},
			{Name: "exportBackupJobs", Path: vaultPath, Handler: p.downloadJobs, Action: typeJob + "/read", Method: http.MethodGet},
		},
	}
}

func (p *Provider) getJob(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var out v1.Job
	err := p.Store.View(ctx, func(tx catalog.Tx) error {
		job, err := inventory.Jobs.Get(tx, r.ID.String())
		if err == nil {
			out = jobTo(job)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.OK(out), nil
}

// listJobs lists newest first: the ids count down with time. A page of a
// filtered list may be short.
func (p *Provider) listJobs(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	f, err := readJobFilter(r, r.ID)
	if err != nil {
		return nil, err
	}
	var out []v1.Job
	var next string
	err = p.Store.View(ctx, func(tx catalog.Tx) (err error) {
		if _, err = vaultHereOrThere(tx, r.ID.String()); err != nil {
			return err
		}
		out, next, err = f.page(tx, r.ID.String(), r.After(), r.Limit())
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Page(r, out, v1.Job.ResourceID, next)
}

// jobTo shows a job.
func jobTo(j *backup.Job) v1.Job {
	cluster := parseOrRoot(j.Datasource.ID)
	vault := parseOrRoot(backup.ParentID(j.ID))
	out := v1.Job{Resource: envelope(&j.Meta), Properties: &v1.JobProperties{
		ActivityID: j.ActivityID, SubscriptionID: vault.Subscription(),
		BackupInstanceID: j.InstanceID, PolicyID: j.PolicyID, PolicyName: nameOf(j.PolicyID),
		DataSourceID: j.Datasource.ID, DataSourceName: cluster.Name(), DataSourceSetName: cluster.Name(),
		DataSourceType: backup.DatasourceAKS, DataSourceLocation: j.Datasource.Location,
		SourceResourceGroup: cluster.ResourceGroup(), SourceSubscriptionID: cluster.Subscription(),
		SourceDataStoreType: string(sourceTier(j)), VaultName: vault.Name(),
		BackupInstanceFriendlyName: friendlyJobName(j, cluster),
		OperationCategory:          operationOf(j), Operation: operationOf(j), Status: string(j.Status),
		StartTime: arm.FormatTime(j.Started), EndTime: optionalTime(j.Ended), Duration: backup.FormatDuration(j.Duration()),
		IsUserTriggered: j.UserTriggered, SupportedActions: supportedActions(j), ProgressEnabled: false,
		ETag: jobETag(j), ExtendedInfo: extendedInfo(j),
	}}
	out.SystemData = nil // it is the service's own
	if j.Restore != nil && j.Restore.Region != "" {
		yes := true
		out.Properties.IsCrossRegionRestore = &yes
	}
	if j.Problem != nil {
		out.Properties.ErrorDetails = []v1.UserFacingError{*facing(j.Problem)}
	}
	return out
}

// operationOf is what a job does in the words of the API.
func operationOf(j *backup.Job) string {
	if j.Restore != nil && j.Restore.Region != "" {
		return v1.OperationCrossRegionRestore
	}
	return string(j.Kind)
}

// supportedActions are what can be done to a job: while it runs, to cancel it,
// once. Azure Backup shows an empty name where there is nothing.
func supportedActions(j *backup.Job) []string {
	if j.Status.Terminal() || j.CancelRequested {
		return []string{""}
	}
	return []string{v1.ActionCancel}
}

// sourceTier is the tier that a job reads.
func sourceTier(j *backup.Job) backup.Tier {
	if j.Upkeep != nil || j.Restore != nil && j.Restore.Tier == backup.TierVault {
		return backup.TierVault
	}
	return backup.TierOperational
}

// jobETag changes when the job ends, in the form Azure Backup uses.
func jobETag(j *backup.Job) string {
	moment := j.Started
	if !j.Ended.IsZero() {
		moment = j.Ended
	}
	return `W/"datetime'` + url.QueryEscape(arm.FormatTime(moment)) + `'"`
}

// friendlyJobName is "cluster/friendly name"; of a job over a whole vault the
// vault's name.
func friendlyJobName(j *backup.Job, cluster resourceid.ID) string {
	if j.InstanceID == "" {
		return nameOf(backup.ParentID(j.ID))
	}
	name := j.InstanceName
	if name == "" {
		name = nameOf(j.InstanceID)
	}
	if strings.HasPrefix(name, cluster.Name()+"/") || strings.HasPrefix(name, cluster.Name()+`\`) {
		return name
	}
	return cluster.Name() + "/" + name
}

func extendedInfo(j *backup.Job) *v1.JobExtendedInfo {
	info := &v1.JobExtendedInfo{SubTasks: []v1.JobSubTask{}}
	point := &v1.JobRecoveryPoint{RecoveryPointID: j.RecoveryPointID, RecoveryPointTime: arm.FormatTime(j.RecoveryPointAt)}
	switch j.Kind {
	case backup.JobRestore:
		info.SourceRecoverPoint = point
		if j.Restore != nil {
			info.RecoveryDestination = &j.Restore.Target.ID
		}
	case backup.JobBackup:
		info.TargetRecoverPoint = point
	}
	for n, t := range j.Tasks {
		info.SubTasks = append(info.SubTasks, v1.JobSubTask{
			TaskID: n + 1, TaskName: t.Name, TaskStatus: taskStatus(j, n), TaskProgress: taskProgress(j, n), AdditionalDetails: taskDetails(j, n)})
	}
	if s := j.Staging; s != nil {
		info.HoldfastStaging = &v1.JobStaging{ContainerID: s.ContainerID, Prefix: s.Prefix, State: string(j.StagingState()), Bytes: s.Bytes}
	}
	info.AdditionalDetails = jobDetails(j)
	for _, w := range j.Warnings {
		info.WarningDetails = append(info.WarningDetails, v1.WarningDetail{ResourceName: w.Resource, Warning: *facing(&w.Problem)})
	}
	if moved := float64(j.Transferred()); moved > 0 || j.Progress != (backup.Progress{}) {
		info.DataTransferredInBytes = &moved
	}
	return info
}

// taskStatus is the status of a job's nth task: they run one after the other.
func taskStatus(j *backup.Job, n int) string {
	if running, more := j.NextTask(); more && n > running {
		return v1.TaskNotStarted
	}
	return string(j.Tasks[n].Status)
}

// taskDetails are the details of a job's nth task.
func taskDetails(j *backup.Job, n int) map[string]string {
	details := map[string]string{
		"DataTransferredInBytes": strconv.FormatInt(j.TaskBytes(n), 10), "TaskId": j.ActivityID, "DatasourceType": backup.DatasourceAKS,
	}
	if j.Kind == backup.JobBackup && j.Tasks[n].Name != backup.TaskVaulting {
		details["OriginalDatasourceSizeInBytes"] = strconv.FormatInt(j.Tasks[n].Size, 10)
	}
	if len(j.Tasks) > 1 { // that of an only task is the job's
		details[v1.DetailDuration] = backup.FormatDuration(j.TaskDuration(n))
	}
	return details
}

// taskProgress is how far the running task is, in percent of all it has to do; null
// while nobody can say.
func taskProgress(j *backup.Job, n int) *string {
	percent, known := j.TaskProgress(n)
	if !known {
		return nil
	}
	text := strconv.FormatInt(percent, 10) + "%"
	return &text
}

// jobDetails adds to the details of the job what a backup was started with,
// and how far the job is while it runs.
func jobDetails(j *backup.Job) map[string]string {
	details := map[string]string{}
	for k, v := range j.Details {
		details[k] = v
	}
	if j.Kind == backup.JobBackup {
		details["RetentionTag"] = j.Tag
		if !j.UserTriggered {
			details["PolicyRuleName"] = j.RuleName
			details["TaskId"] = j.ActivityID
			addSchedule(details, j.Scheduled)
		}
	}
	if !j.Status.Terminal() && j.Progress != (backup.Progress{}) {
		addProgress(details, j.Progress)
	}
	if len(details) == 0 {
		return nil
	}
	return details
}

func addProgress(details map[string]string, p backup.Progress) {
	details[v1.DetailPhase] = p.Phase
	for name, count := range map[string]int64{
		v1.DetailItemsDone: p.ItemsDone, v1.DetailItemsTotal: p.ItemsTotal,
		v1.DetailBytesDone: p.BytesDone, v1.DetailBytesTotal: p.BytesTotal,
	} {
		details[name] = strconv.FormatInt(count, 10)
	}
}

// parseOrRoot parses an id that was valid when it was stored.
func parseOrRoot(id string) resourceid.ID {
	parsed, err := resourceid.Parse(id)
	if err != nil {
		return resourceid.Root
	}
	return parsed
}

// nameOf is the last segment of an id.
func nameOf(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// optionalTime shows a time that may not have come; zero is null.
func optionalTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := arm.FormatTime(t)
	return &text
}
