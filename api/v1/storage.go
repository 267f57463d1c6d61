package v1

// StorageAccount is a Microsoft.Storage/storageAccounts document.
type StorageAccount struct {
	Resource
	SKU        *SKU                      `json:"sku,omitempty"`
	Kind       string                    `json:"kind,omitempty"`
	Properties *StorageAccountProperties `json:"properties,omitempty"`
}

// SKU names performance and redundancy, such as Standard_LRS.
type SKU struct {
	Name string `json:"name"`
	Tier string `json:"tier,omitempty"` // set by the service
}

// StorageAccountProperties are the properties of an account.
type StorageAccountProperties struct {
	AccessTier string `json:"accessTier,omitempty"`
	// HoldfastStore is our own: the store behind the account. Without it the
	// service keeps the containers in a folder of its own.
	HoldfastStore *Store `json:"holdfastStore,omitempty"`

	ProvisioningState string            `json:"provisioningState,omitempty"`
	PrimaryEndpoints  map[string]string `json:"primaryEndpoints,omitempty"`
	PrimaryLocation   string            `json:"primaryLocation,omitempty"`
	StatusOfPrimary   string            `json:"statusOfPrimary,omitempty"`
	CreationTime      string            `json:"creationTime,omitempty"`
}

// Store is the address of a store. AccountKey is written and never shown.
type Store struct {
	// URL is file:///folder, https://account.host (Azure Blob),
	// s3://bucket[/prefix][?endpoint=URL&region=NAME] or
	// gs://bucket[/prefix][?endpoint=URL].
	URL string `json:"url,omitempty"`
	// AccountName is the account at Azure Blob, or the id of an S3 access key.
	AccountName string `json:"accountName,omitempty"`
	// AccountKey is the account's key, the secret of the access key, or the
	// JSON key of a service account (Google Cloud Storage).
	AccountKey string `json:"accountKey,omitempty"`
}

// Container is a storageAccounts/blobServices/containers document.
type Container struct {
	Resource
	Properties *ContainerProperties `json:"properties,omitempty"`
}

// ContainerProperties are the properties of a container.
type ContainerProperties struct {
	Metadata     map[string]string `json:"metadata,omitempty"`
	PublicAccess string            `json:"publicAccess,omitempty"` // None
}

// UserAssignedIdentity is a Microsoft.ManagedIdentity/userAssignedIdentities
// document.
type UserAssignedIdentity struct {
	Resource
	Properties *UserAssignedIdentityProperties `json:"properties,omitempty"`
}

// UserAssignedIdentityProperties are set by the service.
type UserAssignedIdentityProperties struct {
	TenantID    string `json:"tenantId,omitempty"`
	PrincipalID string `json:"principalId,omitempty"`
	ClientID    string `json:"clientId,omitempty"`
}
