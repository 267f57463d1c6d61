package v1

// VerifyRequest is the body of POST {vault}/verify.
type VerifyRequest struct {
	// BackupInstanceName is the one whose data is verified; all of the vault when empty.
	BackupInstanceName string `json:"backupInstanceName,omitempty"`
	// Data says how much of the data is read beside the structure: none, sample
	// (the default) or all.
	Data string `json:"data,omitempty"`
}

// CollectRequest is the body of POST {vault}/collect.
type CollectRequest struct {
	// BackupInstanceName is the one whose garbage is collected; all of the vault when empty.
	BackupInstanceName string `json:"backupInstanceName,omitempty"`
	// DryRun only tells, in the details of the job, what would be deleted and why.
	DryRun bool `json:"dryRun,omitempty"`
}
