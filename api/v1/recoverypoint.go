package v1

// RecoveryPoint is a backupInstances/recoveryPoints document.
type RecoveryPoint struct {
	Resource
	Properties *RecoveryPointProperties `json:"properties,omitempty"`
}

// ObjectRecoveryPoint is the object type of a recovery point.
const ObjectRecoveryPoint = "AzureBackupDiscreteRecoveryPoint"

// RecoveryPointProperties are an AzureBackupDiscreteRecoveryPoint.
type RecoveryPointProperties struct {
	ObjectType                     string               `json:"objectType"`
	RecoveryPointID                string               `json:"recoveryPointId"`
	RecoveryPointTime              string               `json:"recoveryPointTime"`
	RecoveryPointType              string               `json:"recoveryPointType"` // Incremental
	FriendlyName                   string               `json:"friendlyName"`
	RecoveryPointDataStoresDetails []RecoveryPointStore `json:"recoveryPointDataStoresDetails"`
	RetentionTagName               string               `json:"retentionTagName"`
	RetentionTagVersion            string               `json:"retentionTagVersion"`
	PolicyName                     string               `json:"policyName"`
	PolicyVersion                  *string              `json:"policyVersion"`
	ExpiryTime                     *string              `json:"expiryTime"`
	RecoveryPointState             string               `json:"recoveryPointState,omitempty"` // Partial or Completed
	// HoldfastContents is our own: what can be restored from the point.
	HoldfastContents *RecoveryPointContents `json:"holdfastContents,omitempty"`
}

// RecoveryPointStore is one tier that keeps the point.
type RecoveryPointStore struct {
	ID                    string  `json:"id"`
	Type                  string  `json:"type"`
	CreationTime          string  `json:"creationTime"`
	ExpiryTime            *string `json:"expiryTime"`
	MetaData              *string `json:"metaData"`
	State                 string  `json:"state"` // COMMITTED
	Visible               bool    `json:"visible"`
	RehydrationExpiryTime *string `json:"rehydrationExpiryTime"`
	RehydrationStatus     *string `json:"rehydrationStatus"`
	// HoldfastLeftOutVolumes is our own: volumes of the point that are not in this
	// store.
	HoldfastLeftOutVolumes []RecoveryPointVolume `json:"holdfastLeftOutVolumes,omitempty"`
	// HoldfastDamage is our own, set when the point is known not to be whole in this
	// store: restores that need what is damaged are refused.
	HoldfastDamage *RecoveryPointDamage `json:"holdfastDamage,omitempty"`
	// HoldfastRoot is our own: what the point's data must add up to, hex.
	HoldfastRoot string `json:"holdfastRoot,omitempty"`
	// HoldfastDeletion is our own, set while the point, whose time in this store is
	// over, is being deleted there.
	HoldfastDeletion *PointDeletion `json:"holdfastDeletion,omitempty"`
}

// RecoveryPointDamage says what of a point is not whole in a store, and why.
type RecoveryPointDamage struct {
	Code  string `json:"code"`
	Found string `json:"found"` // for the first time, RFC 3339
	// Objects says that nothing can be restored from the store.
	Objects bool `json:"objects"`
	// Volumes are claims, as namespace/name.
	Volumes []string `json:"volumes"`
}

// RecoveryPointContents lists the namespaces and volumes of a point.
type RecoveryPointContents struct {
	Objects    int64                 `json:"objects"`
	Namespaces []string              `json:"namespaces"`
	Volumes    []RecoveryPointVolume `json:"volumes"`
}

// RecoveryPointVolume is one claim; ReasonCode says why it is not protected.
type RecoveryPointVolume struct {
	Namespace  string `json:"namespace"`
	Claim      string `json:"claim"`
	Protected  bool   `json:"protected"`
	ReasonCode string `json:"reasonCode,omitempty"`
	SizeBytes  int64  `json:"sizeBytes,omitempty"`
}
