package v1

// Policy is a backupVaults/backupPolicies document.
type Policy struct {
	Resource
	Properties *PolicyProperties `json:"properties,omitempty"`
}

// PolicyProperties are the properties of a policy.
type PolicyProperties struct {
	ObjectType      string       `json:"objectType"` // BackupPolicy
	DatasourceTypes []string     `json:"datasourceTypes"`
	PolicyRules     []PolicyRule `json:"policyRules"`
	// HoldfastVaultLimits is an extension: what of a recovery point is copied to the
	// vault at most. Absent leaves that to the service.
	HoldfastVaultLimits *VaultLimits `json:"holdfastVaultLimits,omitempty"`
}

// VaultLimits bound the copying of one recovery point to the vault. A figure that
// is absent is the profile's or, without one, the service's; 0 is no limit.
type VaultLimits struct {
	Profile              string `json:"profile,omitempty"` // Azure or Unlimited
	MaxVolumeSizeInBytes *int64 `json:"maxVolumeSizeInBytes,omitempty"`
	MaxVolumes           *int64 `json:"maxVolumes,omitempty"`
	MaxBytesPerSecond    *int64 `json:"maxBytesPerSecond,omitempty"` // of each volume
}

// Object types of policy rules and their parts.
const (
	ObjectBackupPolicy     = "BackupPolicy"
	ObjectBackupRule       = "AzureBackupRule"
	ObjectRetentionRule    = "AzureRetentionRule"
	ObjectBackupParams     = "AzureBackupParams"
	ObjectDataStore        = "DataStoreInfoBase"
	ObjectScheduleTrigger  = "ScheduleBasedTriggerContext"
	ObjectScheduleCriteria = "ScheduleBasedBackupCriteria"
	ObjectAbsoluteDelete   = "AbsoluteDeleteOption"
	ObjectImmediateCopy    = "ImmediateCopyOption"
	ObjectCopyOnExpiry     = "CopyOnExpiryOption"
	ObjectCustomCopy       = "CustomCopyOption"
)

// PolicyRule is an AzureBackupRule or an AzureRetentionRule.
type PolicyRule struct {
	Name       string `json:"name"`
	ObjectType string `json:"objectType"`
	// Of an AzureBackupRule.
	BackupParameters *BackupRuleParameters `json:"backupParameters,omitempty"`
	DataStore        *DataStore            `json:"dataStore,omitempty"`
	Trigger          *Trigger              `json:"trigger,omitempty"`
	// Of an AzureRetentionRule.
	IsDefault  *bool       `json:"isDefault,omitempty"`
	Lifecycles []Lifecycle `json:"lifecycles,omitzero"`
}

// BackupRuleParameters say how a backup is made.
type BackupRuleParameters struct {
	ObjectType string `json:"objectType"`
	BackupType string `json:"backupType"`
}

// DataStore names a tier.
type DataStore struct {
	DataStoreType string `json:"dataStoreType"`
	ObjectType    string `json:"objectType"`
}

// Trigger says when a backup is made and how it is tagged.
type Trigger struct {
	ObjectType      string            `json:"objectType"`
	Schedule        *Schedule         `json:"schedule,omitempty"`
	TaggingCriteria []TaggingCriteria `json:"taggingCriteria"`
}

// Schedule is a list of repeating time intervals of ISO 8601.
type Schedule struct {
	RepeatingTimeIntervals []string `json:"repeatingTimeIntervals"`
	TimeZone               *string  `json:"timeZone,omitempty"`
}

// TaggingCriteria gives a tag to the backups that meet the criteria.
type TaggingCriteria struct {
	IsDefault       bool             `json:"isDefault"`
	TaggingPriority *int64           `json:"taggingPriority"` // required: the lowest number wins
	TagInfo         *TagInfo         `json:"tagInfo"`
	Criteria        []BackupCriteria `json:"criteria,omitzero"`
}

// TagInfo names a tag; a retention rule has the same name.
type TagInfo struct {
	TagName string `json:"tagName"`
	ID      string `json:"id,omitempty"`
	ETag    string `json:"eTag,omitempty"`
}

// BackupCriteria is a ScheduleBasedBackupCriteria.
type BackupCriteria struct {
	ObjectType       string   `json:"objectType"`
	AbsoluteCriteria []string `json:"absoluteCriteria,omitzero"`
	DaysOfTheWeek    []string `json:"daysOfTheWeek,omitzero"`
	DaysOfMonth      []Day    `json:"daysOfMonth,omitzero"`
	WeeksOfTheMonth  []string `json:"weeksOfTheMonth,omitzero"`
	MonthsOfYear     []string `json:"monthsOfYear,omitzero"`
	ScheduleTimes    []string `json:"scheduleTimes,omitzero"`
}

// Day is a day of the month.
type Day struct {
	Date   *int  `json:"date,omitempty"`
	IsLast *bool `json:"isLast,omitempty"`
}

// Lifecycle is the stay of a recovery point in one tier.
type Lifecycle struct {
	SourceDataStore             *DataStore    `json:"sourceDataStore"`
	DeleteAfter                 *DeleteOption `json:"deleteAfter"`
	TargetDataStoreCopySettings []CopySetting `json:"targetDataStoreCopySettings,omitzero"`
}

// DeleteOption is an AbsoluteDeleteOption; Duration is of ISO 8601.
type DeleteOption struct {
	ObjectType string `json:"objectType"`
	Duration   string `json:"duration"`
}

// CopySetting copies a recovery point to another tier.
type CopySetting struct {
	CopyAfter *CopyOption `json:"copyAfter"`
	DataStore *DataStore  `json:"dataStore"`
}

// CopyOption says when to copy. Duration belongs to CustomCopyOption.
type CopyOption struct {
	ObjectType string `json:"objectType"`
	Duration   string `json:"duration,omitempty"`
}
