package backup

// WorkKind names a kind of job for the job engine. The doors ask for it in the
// transaction that changes the documents, the workflow carries it out.
type WorkKind string

// Kinds of work.
const (
	WorkConfigureInstance WorkKind = "configure-instance" // Subject: instance; validates, then ProtectionConfigured
	WorkDeleteInstance    WorkKind = "delete-instance"    // Subject: instance; recovery points, then the document
	WorkPurgeInstance     WorkKind = "purge-instance"     // Subject: deleted instance; waits until its days are over
	WorkValidateBackup    WorkKind = "validate-backup"    // Instance is set
	WorkPlan              WorkKind = "plan"               // Subject: instance; when it is backed up by its policy
	WorkBackup            WorkKind = "backup"             // Subject: job
	WorkExpire            WorkKind = "expire"             // Subject: instance; recovery points whose retention has ended
	WorkDiscard           WorkKind = "discard"            // Subject: job; the recovery point of a backup that did not succeed
	WorkVault             WorkKind = "vault"              // Subject: job in its second half
	WorkUnvault           WorkKind = "unvault"            // Subject: recovery point; Vaulted is set; nothing of it stays, or comes, in the vault
	WorkPurge             WorkKind = "purge"              // Subject: prefix in the vault's store; everything below it
	WorkCollect           WorkKind = "collect"            // Subject: prefix in the vault's store; Vaulted is set; what no recovery point needs
	WorkReplicate         WorkKind = "replicate"          // Subject: instance; what is in its vault goes to the paired region
	WorkReplicateVault    WorkKind = "replicate-vault"    // Subject: vault; asks for WorkReplicate of every instance
	WorkUpkeep            WorkKind = "upkeep"             // Subject: job over repositories in the vault
	WorkPurgeContainer    WorkKind = "purge-container"    // Subject: container; Prefix is set; everything below it
	WorkValidateRestore   WorkKind = "validate-restore"   // Subject: instance; Restore is set
	WorkRestore           WorkKind = "restore"            // Subject: job
	WorkUnstage           WorkKind = "unstage"            // Subject: job of a restore; Staging is set; what was hydrated, when the job is over
	WorkInstallExtension  WorkKind = "install-extension"  // Subject: extension
	WorkDeleteExtension   WorkKind = "delete-extension"   // Subject: extension; the document goes last
)

// Work is the argument of every kind of work.
type Work struct {
	Kind WorkKind `json:"kind"`
	// Subject is the id of the document the work is about.
	Subject string `json:"subject"`
	// OperationID is the API operation to end with the work; may be empty.
	OperationID string          `json:"operationId,omitempty"`
	Instance    *Instance       `json:"instance,omitempty"`
	Restore     *RestoreRequest `json:"restore,omitempty"`
	Force       bool            `json:"force,omitempty"`
	Vaulted     *VaultedPoint   `json:"vaulted,omitempty"`
	Prefix      string          `json:"prefix,omitempty"` // in the container, ends with "/"
	Staging     *Staging        `json:"staging,omitempty"`
}

// VaultedPoint names the repository of an instance in the vault's store, and
// a recovery point in it.
type VaultedPoint struct {
	InstanceID      string `json:"instanceId"`
	KeyName         string `json:"keyName"` // of the repository's data key
	Prefix          string `json:"prefix"`  // of the repository, ends with "/"
	RecoveryPointID string `json:"recoveryPointId,omitempty"`
	// Region names the region whose replica is meant; empty for the vault's own store.
	Region string `json:"region,omitempty"`
}
