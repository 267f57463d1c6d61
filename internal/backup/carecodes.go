package backup

// Codes of what a verification finds in a vault. They are reasons: of a warning,
// and of a job that failed for them.
const (
	// Stored data is missing, or not what was written, and a recovery point needs it.
	CodeVaultDataMissing Code = "UserErrorVaultDataMissing"
	CodeVaultDataDamaged Code = "UserErrorVaultDataDamaged"
	// Stored data is of a newer version of the format.
	CodeVaultDataVersion Code = "UserErrorVaultDataOfNewerVersion"
	// The catalog has a recovery point that the vault has not, or has with another content.
	CodeVaultPointMissing  Code = "UserErrorVaultRecoveryPointMissing"
	CodeVaultPointReplaced Code = "UserErrorVaultRecoveryPointReplaced"
	// An object is damaged that no recovery point needs, or needs alone.
	CodeVaultSpareDamage Code = "UserWarningVaultDamageWithoutEffect"
	// A job found recovery points that cannot be restored completely.
	CodeVaultDamaged Code = "UserErrorVaultDamaged"
	// A restore would read what is known not to be whole.
	CodePointDamaged Code = "UserErrorRecoveryPointDamaged"
	// What lies in the store of a region's replicas cannot be read with the keys that the
	// service has.
	CodeReplicaKeyRefused Code = "UserErrorReplicaKeyRefused"
	// Garbage cannot be told from what recovery points are being written need.
	CodeVaultBusy Code = "UserErrorVaultIsBeingWritten"
)
