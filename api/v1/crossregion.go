package v1

// SecondaryRecoveryPointsRequest is the body of fetchSecondaryRecoveryPoints.
type SecondaryRecoveryPointsRequest struct {
	SourceRegion           string `json:"sourceRegion"`
	SourceBackupInstanceID string `json:"sourceBackupInstanceId"`
}

// CrossRegionRestoreRequest is the body of crossRegionRestore and
// validateCrossRegionRestore.
type CrossRegionRestoreRequest struct {
	RestoreRequestObject      *RestoreRequest            `json:"restoreRequestObject"`
	CrossRegionRestoreDetails *CrossRegionRestoreDetails `json:"crossRegionRestoreDetails"`
}

// CrossRegionRestoreDetails says what is restored.
type CrossRegionRestoreDetails struct {
	SourceRegion           string `json:"sourceRegion"`
	SourceBackupInstanceID string `json:"sourceBackupInstanceId"`
}

// CrossRegionRestoreJobsRequest is the body of fetchCrossRegionRestoreJobs and, with
// a job, of fetchCrossRegionRestoreJob.
type CrossRegionRestoreJobsRequest struct {
	SourceRegion        string `json:"sourceRegion"`
	SourceBackupVaultID string `json:"sourceBackupVaultId"`
	// JobID is the name of a job, or its full id.
	JobID string `json:"jobId,omitempty"`
}

// OperationCrossRegionRestore is what jobs of cross region restores are called.
const OperationCrossRegionRestore = "CrossRegionRestore"

// Replication is an extension: how far the recovery points of an instance are
// replicated into the paired region.
type Replication struct {
	Region string `json:"region"`
	// NewestRecoveryPointID is the newest that is there, RecoveryPointTime its
	// moment, RPOInSeconds its age now, and LagInSeconds how long it took from the
	// vault; absent when there is none yet.
	NewestRecoveryPointID *string `json:"newestRecoveryPointId"`
	RecoveryPointTime     *string `json:"recoveryPointTime"`
	RPOInSeconds          *int64  `json:"rpoInSeconds"`
	LagInSeconds          *int64  `json:"lagInSeconds"`
	// Pending are on their way, the first since PendingSince.
	Pending      int     `json:"pending"`
	PendingSince *string `json:"pendingSince"`
	// Late says that this is longer than the 12 hours promised.
	Late  bool             `json:"late"`
	Error *UserFacingError `json:"error"` // of the last attempt
	// Damaged counts those in the region that a verification found damaged.
	Damaged int `json:"damaged,omitempty"`
}
