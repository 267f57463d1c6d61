package v1

// Vault is a Microsoft.DataProtection/backupVaults document.
type Vault struct {
	Resource
	Properties *VaultProperties `json:"properties,omitempty"`
}

// VaultProperties are the properties of a vault. What the service sets stands
// last.
type VaultProperties struct {
	StorageSettings    []StorageSetting    `json:"storageSettings,omitzero"`
	SecuritySettings   *SecuritySettings   `json:"securitySettings,omitempty"`
	FeatureSettings    *FeatureSettings    `json:"featureSettings,omitempty"`
	MonitoringSettings *MonitoringSettings `json:"monitoringSettings,omitempty"`
	// ResourceGuardOperationRequests are accepted and not shown.
	ResourceGuardOperationRequests []string `json:"resourceGuardOperationRequests,omitzero"`

	ReplicatedRegions               []string `json:"replicatedRegions,omitzero"`
	ProvisioningState               string   `json:"provisioningState,omitempty"`
	IsVaultProtectedByResourceGuard *bool    `json:"isVaultProtectedByResourceGuard,omitempty"`
	SecureScore                     string   `json:"secureScore,omitempty"`
	BCDRSecurityLevel               string   `json:"bcdrSecurityLevel,omitempty"`
	CrossRegionBackupSettings       string   `json:"crossRegionBackupSettings,omitempty"`
}

// StorageSetting is the redundancy of one tier.
type StorageSetting struct {
	DatastoreType string `json:"datastoreType"`
	Type          string `json:"type"`
}

// SecuritySettings hold soft delete, immutability and encryption.
type SecuritySettings struct {
	SoftDeleteSettings   *SoftDeleteSettings `json:"softDeleteSettings,omitempty"`
	ImmutabilitySettings *StateSetting       `json:"immutabilitySettings,omitempty"`
	EncryptionSettings   *EncryptionSettings `json:"encryptionSettings,omitempty"`
}

// SoftDeleteSettings say how long deleted data is kept.
type SoftDeleteSettings struct {
	State                   string   `json:"state,omitempty"`
	RetentionDurationInDays *float64 `json:"retentionDurationInDays,omitempty"`
}

// StateSetting is a setting with one state.
type StateSetting struct {
	State string `json:"state,omitempty"`
}

// EncryptionSettings name a customer's key.
type EncryptionSettings struct {
	State string `json:"state,omitempty"`
}

// FeatureSettings are the settings of cross subscription and region restore.
type FeatureSettings struct {
	CrossSubscriptionRestoreSettings *StateSetting `json:"crossSubscriptionRestoreSettings,omitempty"`
	CrossRegionRestoreSettings       *StateSetting `json:"crossRegionRestoreSettings,omitempty"`
}

// MonitoringSettings are the settings of alerts.
type MonitoringSettings struct {
	AzureMonitorAlertSettings *AlertSettings `json:"azureMonitorAlertSettings,omitempty"`
}

// AlertSettings turn alerts on.
type AlertSettings struct {
	AlertsForAllJobFailures string `json:"alertsForAllJobFailures,omitempty"`
}
