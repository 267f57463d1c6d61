package backup

// Code is a stable error code that users may match on. It is spelled as Azure
// Backup spells it where that service has one.
type Code string

// Codes of the extension's health.
const (
	CodeListExtensions            Code = "KubernetesBackupListExtensionsError"
	CodeExtensionNotFound         Code = "UserErrorKubernetesBackupExtensionNotFoundError"
	CodeExtensionHasErrors        Code = "UserErrorKubernetesBackupExtensionHasErrors"
	CodeExtensionIdentityNotFound Code = "UserErrorKubernetesBackupExtensionIdentityNotFound"
	CodeExtensionUnhealthy        Code = "UserErrorKubernetesBackupExtensionUnhealthy"
	CodeTrackingTimeout           Code = "KubernetesBackupCustomResourcesTrackingTimeOutError"
)

// Codes of the backup storage location and the snapshot resource group.
const (
	CodeNoDefaultLocation      Code = "UserErrorNoDefaultBackupStorageLocationFound"
	CodeLocationNotReady       Code = "UserErrorBackupStorageLocationNotReady"
	CodeLocationMissingRole    Code = "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation"
	CodeSnapshotGroupLocked    Code = "UserErrorSnapshotResourceGroupHasLocks"
	CodeSnapshotGroupMissing   Code = "UserErrorSnapshotResourceGroupNotFound"
	CodeSnapshotGroupInUse     Code = "UserErrorSnapshotResourceGroupInUse"
	CodeSnapshotGroupImmutable Code = "UserErrorSnapshotResourceGroupCannotBeChanged"
	CodeContainerNotFound      Code = "UserErrorBackupStorageLocationContainerNotFound"
	CodeContainerUnreachable   Code = "UserErrorBackupStorageLocationUnreachable"
	CodeContainerShared        Code = "UserErrorBackupStorageLocationSharedWithAnotherCluster"
	CodeContainerNotEmpty      Code = "UserWarningBackupStorageLocationNotEmpty"
	CodeAccountUnsuitable      Code = "UserErrorStorageAccountTypeNotSupported"
	CodeAccountRegion          Code = "UserErrorStorageAccountInAnotherRegion"
)

// Codes of identity and authorization.
const (
	CodeVaultIdentityOff      Code = "UserErrorSystemIdentityNotEnabledWithVault"
	CodeUserIdentityNotFound  Code = "UserErrorUserIdentityNotFoundOrNotAssociatedWithVault"
	CodeVaultMissingRole      Code = "UserErrorVaultMSIMissingPermissions"
	CodeClusterMissingRole    Code = "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup"
	CodeTrustedAccessMissing  Code = "UserErrorTrustedAccessRoleBindingNotFound"
	CodeLinkedAuthorization   Code = "LinkedAuthorizationFailed"
	CodeClusterNotConnected   Code = "UserErrorClusterNotConnected"
	CodeClusterConnected      Code = "UserErrorClusterAlreadyConnected"
	CodeClusterNameTaken      Code = "UserErrorClusterNameInUse"
	CodeClusterOther          Code = "UserErrorClusterIsAnother"
	CodeClusterDisconnected   Code = "UserErrorClusterDisconnected"
	CodeClusterRegionMismatch Code = "UserErrorClusterInAnotherRegion"
)

// Codes of vaults, policies, instances and jobs.
const (
	CodeInvalidInput              Code = "BMSUserErrorInvalidInput"
	CodeResourceNotFound          Code = "UserErrorGenericResourceNotFound"
	CodeVaultNotEmpty             Code = "UserErrorVaultHasProtectedItems"
	CodePolicyInUse               Code = "UserErrorPolicyHasProtectedItems"
	CodePolicyImmutable           Code = "UserErrorPolicyCannotBeModified"
	CodeDuplicateInstance         Code = "UserErrorDatasourceAlreadyProtectedWithPolicy"
	CodeInvalidTransition         Code = "UserErrorOperationNotAllowedInCurrentState"
	CodeOperationInProgress       Code = "UserErrorBackupOperationInProgress"
	CodeJobEnded                  Code = "UserErrorJobHasEnded"
	CodeTooManyBackups            Code = "UserErrorMaxOnDemandBackupsPerDayReached"
	CodeTooManyRestores           Code = "UserErrorMaxRestoresPerDayReached"
	CodeTooManyPolicies           Code = "UserErrorMaxPoliciesPerVaultReached"
	CodeTooManyInstances          Code = "UserErrorMaxInstancesPerVaultReached"
	CodeSoftDeleteAlwaysOn        Code = "BMSUserErrorDisablingSoftDeleteStateNotAllowed"
	CodeVaultImmutable            Code = "UserErrorImmutableVaultDeleteNotAllowed"
	CodeSoftDeleted               Code = "UserErrorBackupInstanceIsSoftDeleted"
	CodeIrreversible              Code = "UserErrorIrreversibleSettingCannotBeChanged"
	CodeNotSupported              Code = "UserErrorFeatureNotSupported"
	CodeDependentResources        Code = "UserErrorResourceInUse"
	CodeExtensionAlreadyInstalled Code = "UserErrorExtensionAlreadyInstalled"
	CodeLocationFixed             Code = "InvalidResourceLocation"
	CodeAccountTaken              Code = "StorageAccountAlreadyTaken"
	CodeFolderNotAllowed          Code = "UserErrorStoreFolderNotAllowed"
	CodeVaultStoreUnreachable     Code = "UserErrorVaultStoreUnreachable"
	CodeHydrationFailed           Code = "UserErrorStagingHydrationFailed"
	CodeInternal                  Code = "InternalServerError"
)

// Codes of warnings: the job ends with them and still yields a recovery point.
const (
	CodeGenericWarning Code = "KubernetesBackupGenericWarning"
	CodeHookFailed     Code = "UserErrorHookExecutionFailed"
	CodeStartedLate    Code = "UserErrorScheduledBackupStartedLate"
	CodeVaultingLate   Code = "UserErrorVaultingStartedLate"
	// The recovery point can be restored from the operational tier only.
	CodeVaultCopyMissing Code = "UserErrorVaultCopyMissing"
)

// codeFacts is what is known of a code apart from the message.
type codeFacts struct {
	actions   []string
	retryable bool
}

func act(actions ...string) codeFacts   { return codeFacts{actions: actions} }
func later(actions ...string) codeFacts { return codeFacts{actions: actions, retryable: true} }

// codes holds the recommended actions of every code.
var codes = map[Code]codeFacts{
	CodeListExtensions:            act("Remove the vault's Reader role on the cluster and assign it again."),
	CodeExtensionNotFound:         act("Install the backup extension on the cluster, then try again."),
	CodeExtensionHasErrors:        act("Read the extension's statuses, delete the extension and install it again."),
	CodeExtensionIdentityNotFound: act("Delete the extension and install it again, so that it gets a new identity."),
	CodeExtensionUnhealthy:        later("Wait until the extension reports healthy, or correct its roles, then try again."),
	CodeTrackingTimeout:           later("Check the pods of the extension's namespace; add a node or raise the extension's limits."),

	CodeNoDefaultLocation:      act("Install the extension again with a storage account and a container."),
	CodeLocationNotReady:       later("Assign Storage Blob Data Contributor on the storage account to the extension's identity, or wait until the assignment takes effect."),
	CodeLocationMissingRole:    act("Assign Storage Blob Data Contributor on the storage account to the extension's identity."),
	CodeSnapshotGroupLocked:    act("Use another snapshot resource group, or remove the lock."),
	CodeSnapshotGroupMissing:   act("Create the snapshot resource group, or name one that exists."),
	CodeSnapshotGroupInUse:     act("Delete the backup instances that have their snapshots in the resource group first; that deletes their recovery points."),
	CodeSnapshotGroupImmutable: act("Keep the snapshot resource group that was given when protection was configured."),
	CodeContainerNotFound:      act("Create the container in the storage account first, then try again."),
	CodeContainerUnreachable:   later("Check the address and the key of the storage account, and that the service can reach it."),
	CodeContainerShared:        act("Give every cluster a container of its own."),
	CodeContainerNotEmpty:      act("Prefer an empty container; what is in it is left untouched."),
	CodeAccountUnsuitable:      act("Use a storage account of kind StorageV2 with a Standard SKU."),
	CodeAccountRegion:          act("Use a storage account in the cluster's region."),

	CodeVaultIdentityOff:      act("Enable the vault's system-assigned identity and grant it the roles again."),
	CodeUserIdentityNotFound:  act("Attach the user-assigned identity to the vault and update the backup instance."),
	CodeVaultMissingRole:      later("Assign the missing role to the vault's identity; a new assignment takes a few minutes."),
	CodeClusterMissingRole:    later("Assign Contributor on the snapshot resource group to the cluster's identity."),
	CodeTrustedAccessMissing:  act("Create a trusted access role binding from the vault to the cluster with the role Microsoft.DataProtection/backupVaults/backup-operator."),
	CodeLinkedAuthorization:   act("Ask for the Reader role on the backed-up cluster."),
	CodeClusterNotConnected:   later("Check that the cluster runs and that its connector can reach the service."),
	CodeClusterConnected:      act("Disconnect the cluster under its other name first, or take it over (cluster connect --take-over)."),
	CodeClusterNameTaken:      act("Give the cluster another name, or disconnect the one that has it first; when it has replaced that one, take the name over (cluster connect --take-over)."),
	CodeClusterOther:          act("Check --name and the kubeconfig."),
	CodeClusterDisconnected:   act("Connect the cluster again (holdfast cluster connect), then declare its extension again."),
	CodeClusterRegionMismatch: act("Use a vault in the cluster's region."),

	CodeInvalidInput:              act("Check the required inputs and try again."),
	CodeResourceNotFound:          act("Check the id of the resource and that it exists."),
	CodeVaultNotEmpty:             act("Delete the vault's backup instances and backup policies first; deleted instances that are kept go when their days are over."),
	CodePolicyInUse:               act("Point the backup instances at another policy, or delete them, first."),
	CodePolicyImmutable:           act("Create another policy and point the backup instances at it."),
	CodeDuplicateInstance:         act("Use another policy, or another vault, to protect the cluster a second time."),
	CodeInvalidTransition:         later("Wait for the running operation to end and check the protection state."),
	CodeOperationInProgress:       later("Wait until the running job has ended."),
	CodeJobEnded:                  act("Leave the job as it is; only jobs that run can be cancelled."),
	CodeTooManyBackups:            later("Wait; the number of on-demand backups of an instance in 24 hours is limited (holdfastd serve --daily-backups)."),
	CodeTooManyRestores:           later("Wait; the number of restores of an instance in 24 hours is limited (holdfastd serve --daily-restores)."),
	CodeTooManyPolicies:           act("Use another vault; a vault holds at most 5,000 policies."),
	CodeTooManyInstances:          act("Use another vault; a vault holds at most 5,000 backup instances."),
	CodeSoftDeleteAlwaysOn:        act("Keep soft delete as it is; AlwaysOn cannot be taken back."),
	CodeVaultImmutable:            act("Stop protection instead, and delete the backup instance when its recovery points in the vault have expired."),
	CodeSoftDeleted:               act("Undelete it (deletedBackupInstances/undelete), or use another name."),
	CodeIrreversible:              act("Keep the setting; it cannot be taken back."),
	CodeNotSupported:              act("Leave the feature out of the request."),
	CodeDependentResources:        act("Delete what uses the resource first."),
	CodeExtensionAlreadyInstalled: act("Use the extension that is installed, or delete it first."),
	CodeLocationFixed:             act("Keep the location, or delete the resource and create it again."),
	CodeAccountTaken:              act("Choose another name; names of storage accounts are unique in the service."),
	CodeFolderNotAllowed:          act("Use a folder that the operator of the service allows for stores."),
	CodeVaultStoreUnreachable:     later("Run holdfastd check; it says what is wrong with the store of the vaults."),
	CodeHydrationFailed:           later("Check that the service can reach the store of the staging storage account, and write there; or restore without staging."),
	CodeInternal:                  later("Try again; when it happens again, read the service's log."),

	CodeGenericWarning: act("Read the reason, mend it, and apply or back up the object again."),
	CodeHookFailed:     act("Mend the hook's command and try again."),
	CodeStartedLate:    act("See that the service runs all the time; raise the limits of backups at the same time, or let fewer instances be due together."),

	CodeVaultingLate:     act("See that the cluster stays connected, that its movers find room, and that the store of the vaults can be reached; holdfastd check tries the store."),
	CodeVaultCopyMissing: later("Back up again with the same retention rule."),

	CodeVaultDataMissing:   act("Restore from another recovery point or the operational tier, and back up into the vault again: what the source still has is stored anew."),
	CodeVaultDataDamaged:   act("Restore from another recovery point or the operational tier, and back up into the vault again: what the source still has is stored anew."),
	CodeVaultDataVersion:   act("Use the version of the service that has written it."),
	CodeVaultPointMissing:  act("Find out who deleted it from the store, and give the store a lock against deletion; restore from another recovery point."),
	CodeVaultPointReplaced: act("Do not restore from it: somebody who has the key has changed it. Restore from another recovery point."),
	CodeVaultSpareDamage:   act("Watch the store: it has changed or lost what was stored."),
	CodeVaultDamaged:       act("Read the warnings of the job: they name the recovery points, the volumes and the reasons."),
	CodeReplicaKeyRefused:  act("Start the service with the key provider of the first region, or a copy of its key file (--key-provider): nothing can be read without it."),
	CodePointDamaged: act("Restore from another recovery point or another place (the operational tier, the second region), or leave out what is damaged.",
		"Repair the vault: holdfast vault repair --dry-run says what can be brought back.",
		"Take what is left out of the bucket: holdfast rescue extract."),
	CodeVaultBusy: later("Wait until the recovery points are written."),
}
