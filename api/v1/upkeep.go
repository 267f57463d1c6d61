package v1

// VerifyRequest is the body of POST {vault}/verify.
type VerifyRequest struct {
	// BackupInstanceName is the one whose data is verified; all of the vault when empty.
	BackupInstanceName string `json:"backupInstanceName,omitempty"`
	// Data says how much of the data is read beside the structure: none, sample
	// (the default) or all.
	Data string `json:"data,omitempty"`
}

// RepairRequest is the body of POST {vault}/repair.
type RepairRequest struct {
	// BackupInstanceName is the one whose repositories are repaired; all of the vault when empty.
	BackupInstanceName string `json:"backupInstanceName,omitempty"`
	// DryRun only tells, in the details and warnings of the job, what is lost, what can
	// be brought back and from where, and what would be rewritten.
	DryRun bool `json:"dryRun,omitempty"`
}

// CollectRequest is the body of POST {vault}/collect.
type CollectRequest struct {
	// BackupInstanceName is the one whose garbage is collected; all of the vault when empty.
	BackupInstanceName string `json:"backupInstanceName,omitempty"`
	// DryRun only tells, in the details of the job, what would be deleted and why.
	DryRun bool `json:"dryRun,omitempty"`
}
