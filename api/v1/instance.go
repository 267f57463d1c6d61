package v1

// Instance is a backupVaults/backupInstances document.
type Instance struct {
	Resource
	Properties *InstanceProperties `json:"properties,omitempty"`
}

// InstanceProperties are the properties of an instance. What the service sets
// stands last.
type InstanceProperties struct {
	FriendlyName      string           `json:"friendlyName,omitempty"`
	DataSourceInfo    *Datasource      `json:"dataSourceInfo,omitempty"`
	DataSourceSetInfo *Datasource      `json:"dataSourceSetInfo,omitempty"`
	PolicyInfo        *PolicyInfo      `json:"policyInfo,omitempty"`
	IdentityDetails   *IdentityDetails `json:"identityDetails,omitempty"`
	ValidationType    string           `json:"validationType,omitempty"`
	ObjectType        string           `json:"objectType"` // BackupInstance

	ProtectionStatus       *ProtectionStatus `json:"protectionStatus,omitempty"`
	CurrentProtectionState string            `json:"currentProtectionState,omitempty"`
	ProtectionErrorDetails *UserFacingError  `json:"protectionErrorDetails,omitempty"`
	ProvisioningState      string            `json:"provisioningState,omitempty"`

	// HoldfastSchedule is an extension, set on GET while the instance is backed up
	// by its policy.
	HoldfastSchedule *BackupPlan `json:"holdfastSchedule,omitempty"`
	// HoldfastReplication is an extension, set while the vault is replicated.
	HoldfastReplication *Replication `json:"holdfastReplication,omitempty"`
	// HoldfastExpiry is an extension, set while recovery points that have expired
	// cannot be deleted.
	HoldfastExpiry *Expiry `json:"holdfastExpiry,omitempty"`
}

// Object types of instances.
const (
	ObjectBackupInstance   = "BackupInstance"
	ObjectDatasource       = "Datasource"
	ObjectDatasourceSet    = "DatasourceSet"
	ObjectOperationalStore = "AzureOperationalStoreParameters"
	ObjectClusterBackup    = "KubernetesClusterBackupDatasourceParameters"
)

// Datasource names what is protected; a DatasourceSet has the same properties.
type Datasource struct {
	DatasourceType   string `json:"datasourceType,omitempty"`
	ObjectType       string `json:"objectType,omitempty"`
	ResourceID       string `json:"resourceID"`
	ResourceLocation string `json:"resourceLocation,omitempty"`
	ResourceName     string `json:"resourceName,omitempty"`
	ResourceType     string `json:"resourceType,omitempty"`
	ResourceURI      string `json:"resourceUri,omitempty"`
}

// PolicyInfo is the policy of an instance with its parameters.
type PolicyInfo struct {
	PolicyID         string            `json:"policyId"`
	PolicyVersion    string            `json:"policyVersion"`
	PolicyParameters *PolicyParameters `json:"policyParameters,omitempty"`
}

// PolicyParameters say where snapshots go and what is backed up.
type PolicyParameters struct {
	DataStoreParametersList        []DataStoreParameters  `json:"dataStoreParametersList,omitzero"`
	BackupDatasourceParametersList []DatasourceParameters `json:"backupDatasourceParametersList,omitzero"`
}

// DataStoreParameters are AzureOperationalStoreParameters.
type DataStoreParameters struct {
	ObjectType      string `json:"objectType"`
	DataStoreType   string `json:"dataStoreType"`
	ResourceGroupID string `json:"resourceGroupId,omitempty"` // snapshot resource group
}

// DatasourceParameters are KubernetesClusterBackupDatasourceParameters. Lists
// that were not sent are null.
type DatasourceParameters struct {
	ObjectType                   string          `json:"objectType"`
	SnapshotVolumes              *bool           `json:"snapshotVolumes"`
	IncludeClusterScopeResources *bool           `json:"includeClusterScopeResources"`
	IncludedVolumeTypes          []string        `json:"includedVolumeTypes"`
	IncludedNamespaces           []string        `json:"includedNamespaces"`
	ExcludedNamespaces           []string        `json:"excludedNamespaces"`
	IncludedResourceTypes        []string        `json:"includedResourceTypes"`
	ExcludedResourceTypes        []string        `json:"excludedResourceTypes"`
	LabelSelectors               []string        `json:"labelSelectors"`
	BackupHookReferences         []NamespacedRef `json:"backupHookReferences"`
}

// NamespacedRef names an object in a cluster.
type NamespacedRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// DeletedInstance is a backupVaults/deletedBackupInstances document: an
// instance whose data in the vault is kept after its deletion.
type DeletedInstance struct {
	Resource
	Properties *DeletedInstanceProperties `json:"properties,omitempty"`
}

// DeletedInstanceProperties are those of the instance, and when it goes.
type DeletedInstanceProperties struct {
	InstanceProperties
	DeletionInfo *DeletionInfo `json:"deletionInfo,omitempty"`
}

// DeletionInfo says when an instance was deleted and when nothing of it is left.
type DeletionInfo struct {
	DeletionTime       string `json:"deletionTime"`
	BillingEndDate     string `json:"billingEndDate"`
	ScheduledPurgeTime string `json:"scheduledPurgeTime"`
	DeleteActivityID   string `json:"deleteActivityID"`
}

// IdentityDetails say which of the vault's identities an instance uses.
type IdentityDetails struct {
	UseSystemAssignedIdentity  *bool  `json:"useSystemAssignedIdentity,omitempty"`
	UserAssignedIdentityArmURL string `json:"userAssignedIdentityArmUrl,omitempty"`
}

// ProtectionStatus is how far an instance is protected.
type ProtectionStatus struct {
	Status       string           `json:"status"`
	ErrorDetails *UserFacingError `json:"errorDetails,omitempty"`
}

// ValidateForBackupRequest is the body of validateForBackup.
type ValidateForBackupRequest struct {
	BackupInstance *InstanceProperties `json:"backupInstance"`
}

// SyncRequest is the body of sync.
type SyncRequest struct {
	SyncType string `json:"syncType,omitempty"` // Default or ForceResync
}

// TriggerBackupRequest is the body of backup.
type TriggerBackupRequest struct {
	BackupRuleOptions *BackupRuleOptions `json:"backupRuleOptions"`
}

// BackupRuleOptions name a backup rule of the policy.
type BackupRuleOptions struct {
	RuleName      string         `json:"ruleName"`
	TriggerOption *TriggerOption `json:"triggerOption"`
}

// TriggerOption overrides the tag, and so the retention rule.
type TriggerOption struct {
	RetentionTagOverride string `json:"retentionTagOverride,omitempty"`
}
