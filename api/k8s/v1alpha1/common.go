package v1alpha1

// Common returns what a run shares with the runs of other kinds; changes to it
// change the run.
func (r *BackupRun) Common() (*RunSpec, *RunStatus) { return &r.Spec.RunSpec, &r.Status.RunStatus }

// Common returns what a run shares with the runs of other kinds; changes to it
// change the run.
func (r *RestoreRun) Common() (*RunSpec, *RunStatus) { return &r.Spec.RunSpec, &r.Status.RunStatus }

// Common returns what a run shares with the runs of other kinds; changes to it
// change the run.
func (r *VaultRun) Common() (*RunSpec, *RunStatus) { return &r.Spec.RunSpec, &r.Status.RunStatus }

// Common returns what a run shares with the runs of other kinds; changes to it
// change the run.
func (r *RecoveryPointDeletion) Common() (*RunSpec, *RunStatus) {
	return &r.Spec.RunSpec, &r.Status.RunStatus
}
