package v1

// Job is a backupVaults/backupJobs document.
type Job struct {
	Resource
	Properties *JobProperties `json:"properties,omitempty"`
}

// JobProperties are the properties of an AzureBackupJob. Null members stand
// where Azure Backup writes null.
type JobProperties struct {
	ActivityID                 string            `json:"activityID"`
	SubscriptionID             string            `json:"subscriptionId"`
	BackupInstanceID           string            `json:"backupInstanceId"`
	PolicyID                   string            `json:"policyId"`
	DataSourceID               string            `json:"dataSourceId"`
	VaultName                  string            `json:"vaultName"`
	BackupInstanceFriendlyName string            `json:"backupInstanceFriendlyName"`
	PolicyName                 string            `json:"policyName"`
	SourceResourceGroup        string            `json:"sourceResourceGroup"`
	DataSourceSetName          string            `json:"dataSourceSetName"`
	DataSourceName             string            `json:"dataSourceName"`
	SourceDataStoreName        *string           `json:"sourceDataStoreName"`
	SourceDataStoreType        string            `json:"sourceDataStoreType,omitempty"`
	DestinationDataStoreName   *string           `json:"destinationDataStoreName"`
	ProgressEnabled            bool              `json:"progressEnabled"`
	ETag                       string            `json:"etag"`
	SourceSubscriptionID       string            `json:"sourceSubscriptionID"`
	DataSourceLocation         string            `json:"dataSourceLocation"`
	StartTime                  string            `json:"startTime"`
	EndTime                    *string           `json:"endTime"`
	DataSourceType             string            `json:"dataSourceType"`
	OperationCategory          string            `json:"operationCategory"`
	Operation                  string            `json:"operation"`
	Status                     string            `json:"status"`
	RestoreType                *string           `json:"restoreType"`
	IsUserTriggered            bool              `json:"isUserTriggered"`
	RehydrationPriority        *string           `json:"rehydrationPriority"`
	SupportedActions           []string          `json:"supportedActions"`
	Duration                   string            `json:"duration"` // ISO 8601
	ProgressURL                *string           `json:"progressUrl"`
	IsCrossRegionRestore       *bool             `json:"isCrossRegionRestore"`
	ErrorDetails               []UserFacingError `json:"errorDetails"`
	ExtendedInfo               *JobExtendedInfo  `json:"extendedInfo"`
}

// JobExtendedInfo is the detail of a job.
type JobExtendedInfo struct {
	BackupInstanceState    *string           `json:"backupInstanceState"`
	DataTransferredInBytes *float64          `json:"dataTransferredInBytes"`
	TargetRecoverPoint     *JobRecoveryPoint `json:"targetRecoverPoint"`
	SourceRecoverPoint     *JobRecoveryPoint `json:"sourceRecoverPoint"`
	RecoveryDestination    *string           `json:"recoveryDestination"`
	SubTasks               []JobSubTask      `json:"subTasks"`
	AdditionalDetails      map[string]string `json:"additionalDetails"`
	WarningDetails         []WarningDetail   `json:"warningDetails"`
	// HoldfastStaging is our own: where a restore from the vault was hydrated.
	HoldfastStaging *JobStaging `json:"holdfastStaging,omitempty"`
}

// JobStaging is where a recovery point was hydrated, to be restored from there.
type JobStaging struct {
	ContainerID string `json:"containerId"`
	Prefix      string `json:"prefix"` // of all its objects
	// State is Waiting, Hydrating, Hydrated, Kept, Deleting or Deleted. The last three
	// follow when the job is over; Kept and Deleted stay.
	State string `json:"state"`
	// Bytes is how many lie, or lay, there; 0 until all do.
	Bytes int64 `json:"bytes"`
}

// Keys of JobExtendedInfo.AdditionalDetails that are our own: what a running
// job has done so far. Numbers are decimal; totals are 0 while not known.
const (
	DetailPhase      = "phase"
	DetailItemsDone  = "itemsDone"
	DetailItemsTotal = "itemsTotal"
	DetailBytesDone  = "bytesDone"
	DetailBytesTotal = "bytesTotal"
)

// DetailDuration is a key of JobSubTask.AdditionalDetails that is our own: how
// long the task took, ISO 8601, PT0S while it runs. It stands where a job has
// several tasks.
const DetailDuration = "duration"

// TaskNotStarted is the status of tasks that wait for the one before them.
const TaskNotStarted = "NotStarted"

// ActionCancel is the one action that a running job supports.
const ActionCancel = "Cancel"

// JobRecoveryPoint names what a job made or read.
type JobRecoveryPoint struct {
	RecoveryPointID   string `json:"recoveryPointID"`
	RecoveryPointTime string `json:"recoveryPointTime"`
}

// JobSubTask is one step of a job. TaskProgress is how far it is while it runs, such as
// "42%", and never goes back; null while nobody can say.
type JobSubTask struct {
	TaskID            int               `json:"taskId"`
	TaskName          string            `json:"taskName"`
	TaskStatus        string            `json:"taskStatus"`
	TaskProgress      *string           `json:"taskProgress"`
	AdditionalDetails map[string]string `json:"additionalDetails"`
}

// ExportJobsResult says where the export of jobs can be fetched: a table with
// comma-separated values, read with the caller's own token. There is no key.
type ExportJobsResult struct {
	BlobURL    string `json:"blobUrl"`
	BlobSASKey string `json:"blobSasKey"`
}
