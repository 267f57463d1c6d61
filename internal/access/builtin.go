package access

// Names of the built-in roles that code refers to.
const (
	RoleOwner                  = "Owner"
	RoleContributor            = "Contributor"
	RoleReader                 = "Reader"
	RoleBackupContributor      = "Backup Contributor"
	RoleBackupOperator         = "Backup Operator"
	RoleBackupReader           = "Backup Reader"
	RoleDiskSnapshotContrib    = "Disk Snapshot Contributor"
	RoleDiskDataOperator       = "Data Operator for Managed Disks"
	RoleStorageBlobDataReader  = "Storage Blob Data Reader"
	RoleStorageBlobDataContrib = "Storage Blob Data Contributor"
	RoleStorageBlobDataOwner   = "Storage Blob Data Owner"
	RoleStorageAccountContrib  = "Storage Account Contributor"
)

const (
	containers  = "Microsoft.Storage/storageAccounts/blobServices/containers"
	delegateKey = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
	vaults      = "Microsoft.DataProtection/backupVaults/"
	instances   = vaults + "backupInstances/"
	crossRegion = "Microsoft.DataProtection/subscriptions/resourceGroups/providers/locations/"
	locations   = "Microsoft.DataProtection/locations/"
)

// What the three backup roles share, and what each adds. The published Backup
// Reader also lists instance write, backup and restore; it does not get them
// here, see docs/adr/2026-11-22-backup-reader-cannot-write.md.
var (
	backupRead = []string{
		"Microsoft.Authorization/*/read",
		vaults + "read",
		vaults + "operationResults/read",
		vaults + "operationStatus/read",
		vaults + "validateForBackup/action",
		vaults + "backupPolicies/read",
		instances + "read",
		instances + "operationResults/read",
		instances + "validateRestore/action",
		instances + "recoveryPoints/read",
		instances + "findRestorableTimeRanges/action",
		vaults + "backupJobs/read",
		vaults + "deletedBackupInstances/read",
		crossRegion + "fetchCrossRegionRestoreJobs/action",
		crossRegion + "fetchCrossRegionRestoreJob/action",
		crossRegion + "fetchSecondaryRecoveryPoints/action",
		locations + "checkFeatureSupport/action",
		locations + "operationStatus/read",
		locations + "operationResults/read",
		"Microsoft.DataProtection/operations/read",
	}
	backupSupport = []string{
		"Microsoft.Network/virtualNetworks/read",
		"Microsoft.Resources/deployments/*",
		"Microsoft.Resources/subscriptions/resourceGroups/read",
		"Microsoft.Storage/storageAccounts/read",
		"Microsoft.Support/*",
	}
	backupOperate = []string{
		vaults + "backupJobs/cancel/action", // our own: who may start may stop
		vaults + "verify/action",            // our own: it reads
		instances + "backup/action",
		instances + "restore/action",
		crossRegion + "crossRegionRestore/action",
		crossRegion + "validateCrossRegionRestore/action",
	}
	// Published for Contributor and Reader but, oddly, not for Operator.
	backupStatus = []string{locations + "getBackupStatus/action"}
	backupManage = []string{
		vaults + "write",
		vaults + "collect/action", // our own: it deletes what nothing needs
		vaults + "repair/action",  // our own: it replaces what is damaged
		vaults + "backupPolicies/write",
		vaults + "backupPolicies/delete",
		instances + "write",
		instances + "delete",
		vaults + "deletedBackupInstances/undelete/action",
		locations + "checkNameAvailability/action",
	}
)

func join(lists ...[]string) []string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var builtin = []Role{
	{
		ID: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", Name: RoleOwner,
		Description: "Everything, including giving access to others.",
		Actions:     []string{"*"},
	},
	{
		ID: "b24988ac-6180-42a0-ab88-20f7382dd24c", Name: RoleContributor,
		Description: "Everything except giving access to others.",
		Actions:     []string{"*"},
		NotActions: []string{
			"Microsoft.Authorization/*/Delete",
			"Microsoft.Authorization/*/Write",
			"Microsoft.Authorization/elevateAccess/Action",
			"Microsoft.Blueprint/blueprintAssignments/write",
			"Microsoft.Blueprint/blueprintAssignments/delete",
			"Microsoft.Compute/galleries/share/action",
		},
	},
	{
		ID: "acdd72a7-3385-48ef-bd42-f606fba81ae7", Name: RoleReader,
		Description: "See everything, change nothing.",
		Actions:     []string{"*/read"},
	},
	{
		ID: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", Name: "User Access Administrator",
		Description: "See everything and give access to others.",
		Actions:     []string{"*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"},
	},
	{
		ID: "5e467623-bb1f-42f4-a55d-6e525e11384b", Name: RoleBackupContributor,
		Description: "Manage backups, but not delete vaults or give access.",
		Actions:     join(backupRead, backupSupport, backupStatus, backupOperate, backupManage),
	},
	{
		ID: "00c29273-979b-4161-815c-10b084fb9324", Name: RoleBackupOperator,
		Description: "Run backups and restores, but not remove backups, create vaults or give access.",
		Actions:     join(backupRead, backupSupport, backupOperate),
	},
	{
		ID: "a795c7a0-d4a2-40c1-ae25-d81f01202912", Name: RoleBackupReader,
		Description: "See backups, change nothing.",
		Actions:     join(backupRead, backupStatus),
	},
	{
		ID: "7efff54f-a5b4-42b5-a1c5-5411624893ce", Name: RoleDiskSnapshotContrib,
		Description: "Manage disk snapshots.",
		Actions: []string{
			"Microsoft.Authorization/*/read",
			"Microsoft.Resources/subscriptions/resourceGroups/read",
			"Microsoft.Compute/snapshots/delete",
			"Microsoft.Compute/snapshots/write",
			"Microsoft.Compute/snapshots/read",
			"Microsoft.Compute/snapshots/beginGetAccess/action",
			"Microsoft.Compute/snapshots/endGetAccess/action",
			"Microsoft.Compute/disks/beginGetAccess/action",
			"Microsoft.Storage/storageAccounts/listkeys/action",
			"Microsoft.Storage/storageAccounts/write",
			"Microsoft.Storage/storageAccounts/read",
			"Microsoft.Storage/storageAccounts/delete",
		},
	},
	{
		ID: "959f8984-c045-4866-89c7-12bf9737be2e", Name: RoleDiskDataOperator,
		Description: "Read and write the data of disks and snapshots.",
		DataActions: []string{
			"Microsoft.Compute/disks/download/action",
			"Microsoft.Compute/disks/upload/action",
			"Microsoft.Compute/snapshots/download/action",
			"Microsoft.Compute/snapshots/upload/action",
		},
	},
	{
		ID: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", Name: RoleStorageBlobDataReader,
		Description: "Read containers and their data.",
		Actions:     []string{containers + "/read", delegateKey},
		DataActions: []string{containers + "/blobs/read"},
	},
	{
		ID: "ba92f5b4-2d11-453d-a403-e96b0029c9fe", Name: RoleStorageBlobDataContrib,
		Description: "Read, write and delete containers and their data.",
		Actions:     []string{containers + "/delete", containers + "/read", containers + "/write", delegateKey},
		DataActions: []string{
			containers + "/blobs/delete", containers + "/blobs/read", containers + "/blobs/write",
			containers + "/blobs/move/action", containers + "/blobs/add/action",
		},
	},
	{
		ID: "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", Name: RoleStorageBlobDataOwner,
		Description: "Everything with containers and their data.",
		Actions:     []string{containers + "/*", delegateKey},
		DataActions: []string{containers + "/blobs/*"},
	},
	{
		ID: "17d1049b-9a84-46fb-8f53-869881c3d3ab", Name: RoleStorageAccountContrib,
		Description: "Manage storage accounts.",
		Actions: []string{
			"Microsoft.Authorization/*/read",
			"Microsoft.Insights/alertRules/*",
			"Microsoft.Insights/diagnosticSettings/*",
			"Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action",
			"Microsoft.ResourceHealth/availabilityStatuses/read",
			"Microsoft.Resources/deployments/*",
			"Microsoft.Resources/subscriptions/resourceGroups/read",
			"Microsoft.Storage/storageAccounts/*",
			"Microsoft.Support/*",
		},
	},
	{
		ID: "85cb6faf-e071-4c9b-8136-154b5a04f717", Name: "Kubernetes Extension Contributor",
		Description: "Create, update, see and delete cluster extensions.",
		Actions: []string{
			"Microsoft.Authorization/*/read",
			"Microsoft.Resources/deployments/*",
			"Microsoft.Resources/subscriptions/resourceGroups/read",
			"Microsoft.KubernetesConfiguration/extensions/*",
		},
	},
}
