package backup

// WorkKind names a kind of job for the job engine. The doors ask for it in the
// transaction that changes the documents, the workflow carries it out.
type WorkKind string

// Kinds of work.
const (
	WorkConfigureInstance WorkKind = "configure-instance" // Subject: instance; validates, then ProtectionConfigured
	WorkDeleteInstance    WorkKind = "delete-instance"    // Subject: instance; recovery points, then the document
	WorkValidateBackup    WorkKind = "validate-backup"    // Instance is set
	WorkBackup            WorkKind = "backup"             // Subject: job
	WorkDiscard           WorkKind = "discard"            // Subject: job; the recovery point of a backup that did not succeed
	WorkValidateRestore   WorkKind = "validate-restore"   // Subject: instance; Restore is set
	WorkRestore           WorkKind = "restore"            // Subject: job
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
}
