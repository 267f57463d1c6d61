package v1

// ValidateRestoreRequest is the body of validateRestore.
type ValidateRestoreRequest struct {
	RestoreRequestObject *RestoreRequest `json:"restoreRequestObject"`
}

// RestoreRequest is the body of restore:
// AzureBackupRecoveryPointBasedRestoreRequest.
type RestoreRequest struct {
	ObjectType          string             `json:"objectType"`
	RecoveryPointID     string             `json:"recoveryPointId"`
	SourceDataStoreType string             `json:"sourceDataStoreType"`
	SourceResourceID    string             `json:"sourceResourceId,omitempty"`
	RestoreTargetInfo   *RestoreTargetInfo `json:"restoreTargetInfo"`
	IdentityDetails     *IdentityDetails   `json:"identityDetails,omitempty"`
}

// Object types of restore requests.
const (
	ObjectRestoreRequest       = "AzureBackupRecoveryPointBasedRestoreRequest"
	ObjectItemLevelTarget      = "ItemLevelRestoreTargetInfo"
	ObjectRestoreCriteria      = "KubernetesClusterRestoreCriteria"
	ObjectVaultRestoreCriteria = "KubernetesClusterVaultTierRestoreCriteria"
)

// RestoreTargetInfo is an ItemLevelRestoreTargetInfo.
type RestoreTargetInfo struct {
	ObjectType        string            `json:"objectType"`
	RecoveryOption    string            `json:"recoveryOption"` // FailIfExists
	RestoreLocation   string            `json:"restoreLocation,omitempty"`
	DatasourceInfo    *Datasource       `json:"datasourceInfo"`
	DatasourceSetInfo *Datasource       `json:"datasourceSetInfo,omitempty"`
	RestoreCriteria   []RestoreCriteria `json:"restoreCriteria"`
}

// RestoreCriteria are KubernetesClusterRestoreCriteria, with two more
// properties KubernetesClusterVaultTierRestoreCriteria.
type RestoreCriteria struct {
	ObjectType                   string            `json:"objectType"`
	IncludeClusterScopeResources *bool             `json:"includeClusterScopeResources"`
	IncludedNamespaces           []string          `json:"includedNamespaces"`
	ExcludedNamespaces           []string          `json:"excludedNamespaces"`
	IncludedResourceTypes        []string          `json:"includedResourceTypes"`
	ExcludedResourceTypes        []string          `json:"excludedResourceTypes"`
	LabelSelectors               []string          `json:"labelSelectors"`
	PersistentVolumeRestoreMode  string            `json:"persistentVolumeRestoreMode,omitempty"`
	ConflictPolicy               string            `json:"conflictPolicy,omitempty"`
	NamespaceMappings            map[string]string `json:"namespaceMappings,omitempty"`
	RestoreHookReferences        []NamespacedRef   `json:"restoreHookReferences,omitempty"`
	ResourceModifierReference    *NamespacedRef    `json:"resourceModifierReference,omitempty"`
	StagingResourceGroupID       string            `json:"stagingResourceGroupId,omitempty"`
	StagingStorageAccountID      string            `json:"stagingStorageAccountId,omitempty"`
	// HoldfastKeepStaging is our own: what was hydrated in the staging account stays
	// there. Otherwise it is deleted when the restore is over.
	HoldfastKeepStaging bool `json:"holdfastKeepStaging,omitempty"`
}
