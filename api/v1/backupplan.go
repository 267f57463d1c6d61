package v1

// BackupPlan is an extension: when an instance is backed up next by its policy, and
// how it went so far.
type BackupPlan struct {
	NextDue   string `json:"nextDue"`   // the time of the policy
	NextStart string `json:"nextStart"` // the moment in the window after it that falls to the instance
	// Waiting says why the backup has not started although its time has come.
	Waiting   *string `json:"waiting"`
	LastDue   *string `json:"lastDue"` // of the last start
	LastStart *string `json:"lastStart"`
	LastJobID *string `json:"lastJobId"`
	// Started counts backups since the instance is protected, StartedLate those of
	// them that began after their window, and Missed the times without one.
	Started     int64 `json:"started"`
	StartedLate int64 `json:"startedLate"`
	Missed      int64 `json:"missed"`
}
